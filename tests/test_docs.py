"""What the documents say is so: paths, commands, options, codes, decisions and change notes."""

from __future__ import annotations

import ast
import functools
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "airgap_bundle"
README = ROOT / "README.md"
PAGES = PACKAGE / "pages"
DECISIONS = ROOT / ".github" / "decisions"
CHANGES = ROOT / ".changes"
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

CODE = re.compile(r"\b(?:AB(?:-[A-Z0-9]+)+|AGM[0-9]{3})\b")
# A path from the top of the tree; `<…>` in it ends it, so that what is named is at least the directory.
PATH = re.compile(r"(?<![\w./-])(?:airgap_bundle|tests|manifests|examples|\.github|\.ci|\.changes)/[\w./-]*")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```(?:console|sh|bash|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CHANGE_KINDS = ("added", "changed", "fixed", "removed", "security")

DOCUMENTS = sorted(
    path
    for path in (
        README,
        CHANGES / "README.md",
        *(ROOT / ".github").rglob("*.md"),
        *PACKAGE.glob("*/FORMAT.md"),
        *PACKAGE.glob("guides/*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "manifests").rglob("*.md"),
    )
    if path.exists()
)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    named = {path.rstrip(".-") for path in PATH.findall(document.read_text())}
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    targets = [target for target in LINK.findall(document.read_text()) if "://" not in target]
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_every_code_that_a_document_names_has_a_page(document: Path) -> None:
    named = set(CODE.findall(document.read_text()))
    assert sorted(code for code in named if not (PAGES / f"{code}.md").exists()) == []


def test_the_first_screen_names_the_two_commands_to_begin_with() -> None:
    first_screen = "\n".join(README.read_text().splitlines()[:45])
    assert "examples/quickstart" in first_screen
    assert "tests/run" in first_screen


def test_the_trip_in_the_package_docstring_stops_at_modules_that_exist() -> None:
    docstring = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_bytes())) or ""
    stops = re.findall(r" ([a-z]+)\.([a-z_]+)$", docstring, re.MULTILINE)
    assert stops
    there = [PACKAGE / package / name for package, name in stops]
    assert [str(stop) for stop in there if not (stop.with_suffix(".py").exists() or stop.is_dir())] == []


# --- Commands ---------------------------------------------------------------------------------------------------


def commands_in(text: str) -> list[list[str]]:
    """Every call of one of our commands in the fenced console blocks, as words; what is piped or chained apart."""
    calls: list[list[str]] = []
    for block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words: list[str] = []
            for word in [*shlex.split(line.strip().removeprefix("$ "), comments=True), "&&"]:
                if word in {"&&", "||", "|", ";", ">", "2>"}:
                    if words and words[0] in SCRIPTS:
                        calls.append(words)
                    words = []
                elif words or not re.fullmatch(r"[A-Z_]+=.*|sudo", word):
                    words.append(word)
    return calls


@functools.cache
def help_of(command: str, *words: str) -> str:
    """What `--help` prints, or the empty text where there is no such command."""
    module, _, function = SCRIPTS[command].partition(":")
    code = f"import sys; from {module} import {function}; sys.argv[0] = {command!r}; sys.exit({function}())"
    result = subprocess.run(
        [sys.executable, "-c", code, *words, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "LC_ALL": "C.UTF-8"},
    )
    return result.stdout if result.returncode == 0 else ""


def complaint_about(words: list[str]) -> str:
    """What is wrong with a call, or the empty text."""
    command, *rest = words
    path = [word for word in rest[:2] if re.fullmatch(r"[a-z][a-z-]*", word)]
    if rest and path and rest[0] != path[0]:
        path = []
    text = help_of(command, *path)
    if not text:
        return f"{command} {' '.join(path)}: there is no such command"
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", text)) | {"--help", "-h"}
    options = {word.partition("=")[0] for word in rest if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)}
    unknown = sorted(options - known)
    return f"{' '.join(words)}: unknown {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_every_command_that_a_document_shows_can_be_typed(document: Path) -> None:
    calls = commands_in(document.read_text())
    assert [complaint for complaint in map(complaint_about, calls) if complaint] == []


def test_readme_shows_each_of_the_three_commands() -> None:
    assert {words[0] for words in commands_in(README.read_text())} == set(SCRIPTS)


def test_a_wrong_command_in_a_document_would_be_found() -> None:
    text = "```console\n$ airgap-import pussh x && airgap-import --nonsense | cat\n```\n"
    assert [bool(complaint_about(words)) for words in commands_in(text)] == [True, True]


# --- Decisions and change notes ---------------------------------------------------------------------------------


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [path.name.partition("-")[0] for path in sorted(DECISIONS.glob("*.md"))]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


@pytest.mark.parametrize("record", sorted(DECISIONS.glob("*.md")), ids=lambda record: record.stem)
def test_a_decision_says_context_options_and_what_was_chosen(record: Path) -> None:
    headings = re.findall(r"^#+ (.*)$", record.read_text(), re.MULTILINE)
    assert headings[0].startswith(f"{record.name[:4]}: ")
    assert headings[1:] == ["Context", "Options", "Decision", "Consequences"]


@pytest.mark.parametrize(
    "note", sorted(path for path in CHANGES.iterdir() if path.name != "README.md"), ids=lambda note: note.name
)
def test_a_change_note_has_a_kind_and_a_sentence(note: Path) -> None:
    assert re.fullmatch(rf"[a-z0-9-]+\.({'|'.join(CHANGE_KINDS)})\.md", note.name)
    assert len(note.read_text().strip()) > 20
