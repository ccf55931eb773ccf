from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

import airgap_bundle
from airgap_bundle.connected.kit import own_wheel
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

REBUILD = """
import sys
from pathlib import Path
from airgap_bundle.connected.kit.own_wheel import build_own_wheel
from airgap_bundle.core.errors import HostError
try:
    Path(sys.argv[1]).write_bytes(build_own_wheel()[1])
except HostError as error:
    sys.exit(f"{error.code} {error.message}")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    name, raw = own_wheel.build_own_wheel()
    path = tmp_path_factory.mktemp("wheel") / name
    path.write_bytes(raw)
    return path


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """The toolkit installed from its own wheel, in a directory."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*command, "--target", str(tmp_path / "site"), str(wheel)], check=True, capture_output=True)
    return tmp_path / "site"


def rebuild(installed: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-B", "-c", REBUILD, str(installed.parent / "again.whl")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_wheel_has_the_code_the_documents_and_the_three_programs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = f"airgap_bundle-{airgap_bundle.__version__}.dist-info"
        scripts = archive.read(f"{info}/entry_points.txt").decode()
    assert {"airgap_bundle/__init__.py", "airgap_bundle/bundle/FORMAT.md", "airgap_bundle/pages/AB-BUG.md"} < set(names)
    assert {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")} < set(names)
    assert "airgap-import" in scripts
    assert [name for name in names if "__pycache__" in name or "direct_url" in name] == []


def test_the_same_files_make_the_same_wheel(wheel: Path) -> None:
    assert own_wheel.build_own_wheel() == (wheel.name, wheel.read_bytes())


def test_what_was_installed_from_the_wheel_makes_the_same_wheel_again(wheel: Path, installed: Path) -> None:
    done = rebuild(installed)
    assert done.returncode == 0, done.stderr
    assert (installed.parent / "again.whl").read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize("change", ["changed", "removed"])
def test_an_installed_file_that_was_tampered_with_is_not_packed(installed: Path, change: str) -> None:
    victim = installed / "airgap_bundle" / "trust" / "decision.py"
    if change == "changed":
        victim.write_text(victim.read_text() + "\n")
    else:
        (installed / "airgap_bundle" / "pages" / "AB-BUG.md").unlink()
    done = rebuild(installed)
    assert done.returncode == 1
    assert done.stderr.startswith("AB-KIT-ALTERED")
    assert ("decision.py" if change == "changed" else "AB-BUG.md") in done.stderr


def test_another_version_than_was_installed_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airgap_bundle, "__version__", "99.0")
    with pytest.raises(HostError, match=r"and 99\.0 is running") as caught:
        own_wheel.build_own_wheel()
    assert caught.value.code == "AB-KIT-ALTERED"
