from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.connected.kit.closure import DISTRIBUTION, find_packages, find_tool
from airgap_bundle.connected.kit.targets import find_targets
from airgap_bundle.core.errors import HostError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

HERE = find_targets((), ())
BOTH = find_targets(("3.11", "3.12"), ())


def install(path: Path, name: str, *requires: str, version: str = "1.0") -> None:
    """Metadata of a distribution that looks installed."""
    info = path / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {one}" for one in requires)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_the_toolkit_needs_is_pinned_to_what_is_installed() -> None:
    packages = {package.name: package for package in find_packages(HERE, ())}
    assert {"sigstore", "cryptography", "pyyaml", "typer", "cheroot"} <= set(packages)
    assert {name: one.version for name, one in packages.items()} == {name: metadata.version(name) for name in packages}
    assert not {DISTRIBUTION, "pytest", "pyinstaller", "helm-python-sdk"} & set(packages)


def test_an_extra_brings_what_it_needs() -> None:
    if not metadata.requires(DISTRIBUTION) or "helm-python-sdk" not in " ".join(metadata.requires(DISTRIBUTION) or ()):
        pytest.skip("installed without the metadata of the extra helm")
    try:
        metadata.distribution("helm-python-sdk")
    except metadata.PackageNotFoundError:
        pytest.skip("helm-python-sdk is not installed")
    assert "helm-python-sdk" in {package.name for package in find_packages(HERE, ("helm",))}


@pytest.mark.parametrize("extra", ["dev", "kit", "nonsense", ""])
def test_an_extra_that_nobody_inside_needs_is_refused(extra: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_packages(HERE, (extra,))
    assert caught.value.code == "AB-USAGE-KIT-EXTRA"
    assert "helm" in caught.value.hint


def test_markers_are_judged_for_the_machine_inside_and_not_for_this_one(site: Path) -> None:
    install(
        site, "roots", 'leaves; python_version < "3.12"', 'fruit; extra == "summer"', 'bark; sys_platform == "win32"'
    )
    install(site, "leaves")
    assert [str(one) for one in find_tool("roots", BOTH[0])] == ["leaves==1.0", "roots==1.0"]
    assert [str(one) for one in find_tool("roots", BOTH[1])] == ["roots==1.0"]


def test_extras_of_dependencies_are_followed_and_circles_end(site: Path) -> None:
    install(site, "roots", "leaves[green]")
    install(site, "leaves", 'colour; extra == "green"', "roots")
    install(site, "colour")
    assert [one.name for one in find_tool("roots", HERE[0])] == ["colour", "leaves", "roots"]


def test_what_is_not_installed_here_was_never_tested(site: Path) -> None:
    install(site, "roots", "absent_leaves>=2")
    with pytest.raises(HostError, match="absent_leaves, which roots needs") as caught:
        find_tool("roots", HERE[0])
    assert caught.value.code == "AB-KIT-ENVIRONMENT"
    assert "pip install 'absent_leaves>=2'" in caught.value.hint


def test_a_version_that_another_part_refuses_is_not_packed(site: Path) -> None:
    install(site, "roots", "leaves>=2")
    install(site, "leaves", version="1.5")
    with pytest.raises(HostError, match=r"leaves 1\.5 is installed here, but roots asks for >=2") as caught:
        find_tool("roots", HERE[0])
    assert caught.value.code == "AB-KIT-ENVIRONMENT"


def test_without_the_extra_no_kit_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging", None)
    with pytest.raises(HostError) as caught:
        find_packages(HERE, ())
    assert caught.value.code == "AB-KIT-EXTRA"


def test_every_package_says_its_licence_in_one_line() -> None:
    said = {package.name: package.licence for package in find_packages(HERE, ())}
    assert said["cryptography"] == "Apache-2.0 OR BSD-3-Clause"
    assert all(text and "\n" not in text for text in said.values())
