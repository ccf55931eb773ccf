"""A package index on this disk with stand-ins: wheels of the right name and version, and nothing in them."""

from __future__ import annotations

import zipfile
from importlib import metadata
from typing import TYPE_CHECKING

from airgap_bundle.connected.kit import closure, targets

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest


def write_stand_in(directory: Path, name: str, version: str, *, tag: str = "py3-none-any") -> Path:
    """One wheel that installs and does nothing."""
    normal = name.replace("-", "_")
    info = f"{normal}-{version}.dist-info"
    path = directory / f"{normal}-{version}-{tag}.whl"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return path


def use_stand_ins(directory: Path, monkeypatch: pytest.MonkeyPatch, *, without: Iterable[str] = ()) -> None:
    """Let pip find nothing but stand-ins for what the toolkit needs here; `without` names some that are not there."""
    directory.mkdir()
    for package in closure.find_packages(targets.find_targets((), ()), ()):
        if package.name not in set(without):
            write_stand_in(directory, package.name, package.version)
    write_stand_in(directory, "pip", metadata.version("pip"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
