"""The shape of the code: which way imports point, who may open which door, and what no file may hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "airgap_bundle"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each third-party library, and each part of the standard library that reaches outside, has one door.
# A path ending in a slash is a whole package.
DOORS = {
    "bcrypt": ("registry/serving/htpasswd.py",),
    "botocore": ("transfer/remote/s3.py",),
    "cheroot": ("registry/serving/http.py",),
    "cryptography": ("trust/keys.py", "trust/key_pairs.py"),
    "gnupg": ("trust/openpgp.py",),
    "helm_python": ("discovery/helm_child.py",),
    "http.client": ("registry/transport.py",),
    "http.server": (),
    "jwt": ("boundary/tokens/signed_claims.py",),
    "packaging": ("connected/kit/closure.py",),
    "PyInstaller": ("connected/kit/standalone.py",),
    "oras": ("registry/credentials.py",),
    "requests": (),
    "rich": ("output/console.py",),
    "sigstore": ("trust/keyless.py", "trust/keyless_signing.py"),
    "socketserver": (),
    "sqlite3": ("boundary/ledger/database.py",),
    "typer": ("cli/",),
    "urllib.request": (),
    "urllib3": (),
    "yaml": ("manifest/yamltext.py", "manifest/yamlout.py"),
}
# Everything else that may be imported at all: platformdirs says where things live and reaches nowhere; _typeshed has
# names for the type checker and does not exist when the code runs.
FREE = {"_typeshed", "airgap_bundle", "platformdirs"}
# Each of these costs a good part of what `--help` may take, so the function that needs it imports it.
COSTLY = {
    *("botocore", "cheroot", "cryptography", "gnupg", "helm_python", "jwt", "oras", "pydantic"),
    *("requests", "rich", "sigstore", "ssl", "yaml"),
}
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

TODO = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))")
LONGEST_MODULE_LINES = 400


def imported(tree: ast.AST) -> set[str]:
    """Every module that the code names in an import, wherever the import stands."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def matches(name: str, library: str) -> bool:
    return name == library or name.startswith(f"{library}.")


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


def own_name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def tracked_files() -> list[Path]:
    """What git knows; without git (a source archive) every file of the source folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    folders = (PACKAGE, ROOT / "tests", ROOT / "examples", ROOT / "manifests")
    return [
        path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ]


def tracked_text() -> dict[str, str]:
    """Every text file by its path; recorded hostile files are as they are."""
    texts: dict[str, str] = {}
    for path in tracked_files():
        name = path.relative_to(ROOT).as_posix()
        raw = path.read_bytes()
        if b"\0" not in raw and not name.startswith("tests/assets/"):
            texts[name] = raw.decode("utf-8")
    return texts


def test_imports_point_down_only() -> None:
    """The contracts in pyproject.toml; a broken one prints the chain of imports."""
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-logo",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("library", DOORS)
def test_each_library_is_used_behind_its_door_only(library: str) -> None:
    doors = DOORS[library]
    outside = [
        own_name(path)
        for path in MODULES
        if any(matches(name, library) for name in imported(parse(path)))
        and not any(
            own_name(path) == door or (door.endswith("/") and own_name(path).startswith(door)) for door in doors
        )
    ]
    assert outside == [], f"{library} may be imported in {doors or 'no module'} only"


def test_no_library_is_used_that_has_no_door() -> None:
    known = {name.partition(".")[0] for name in DOORS} | FREE | sys.stdlib_module_names
    unknown = {
        f"{own_name(path)}: {name}"
        for path in MODULES
        for name in imported(parse(path))
        if name.partition(".")[0] not in known
    }
    assert sorted(unknown) == []


@pytest.mark.parametrize("command", SCRIPTS)
def test_help_loads_no_costly_library(command: str) -> None:
    module, _, function = SCRIPTS[command].partition(":")
    code = f"""if True:
        import sys
        from {module} import {function}
        sys.argv = [{command!r}, "--help"]
        try:
            {function}()
        finally:
            print("LOADED", *sorted({COSTLY!r} & set(sys.modules)))
    """
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-1:] == ["LOADED"], result.stdout[-500:] + result.stderr


def test_no_module_is_too_long_to_read() -> None:
    long = {own_name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in long.items() if lines > LONGEST_MODULE_LINES} == {}


def test_every_todo_names_an_issue() -> None:
    nameless = [
        f"{name}:{number}: {line.strip()}"
        for name, text in tracked_text().items()
        if name.endswith((".py", ".md", ".toml", ".yaml", "run", "quickstart")) and name != "tests/test_layers.py"
        for number, line in enumerate(text.splitlines(), 1)
        if TODO.search(line) and not line.startswith('  "FIX"')
    ]
    assert nameless == []


def test_every_exception_from_the_linter_or_type_checker_has_a_reason() -> None:
    bare = [
        f"{name}:{number}: {line.strip()}"
        for name, text in tracked_text().items()
        if name.endswith(".py") and name != "tests/test_layers.py"
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(r"#\s*(?:noqa|type:\s*ignore)", line)
        and not re.search(r"(?:noqa|ignore)[^#]*(?: - |  # )\S", line)
    ]
    assert bare == []


def test_text_files_end_with_a_line_feed_and_no_line_with_space() -> None:
    untidy = [
        name
        for name, text in tracked_text().items()
        if (text and not text.endswith("\n")) or "\r" in text or re.search(r"[ \t]+$", text, re.MULTILINE)
    ]
    assert untidy == []


def test_the_top_level_holds_only_what_belongs_there() -> None:
    allowed = {"pyproject.toml", "airgap_bundle", "manifests", "tests", "examples", "README.md", "LICENSE"}
    top = {path.relative_to(ROOT).parts[0] for path in tracked_files()}
    assert {name for name in top if not name.startswith(".")} <= allowed
