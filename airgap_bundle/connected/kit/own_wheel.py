"""A wheel of the toolkit itself, made from what is installed: no checkout, no build tool and no network are needed.

An installed distribution lists its files with their hashes, so a wheel can be put together again, and what somebody
changed after it was installed is noticed. The archive is a function of the files alone: no times, no compression.
"""

from __future__ import annotations

import base64
import hashlib
import io
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import airgap_bundle
from airgap_bundle.connected.kit.closure import own_distribution
from airgap_bundle.core.errors import HostError
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib import metadata

_PACKAGE = "airgap_bundle"
_TAG = "py3-none-any"
# The first moment that a ZIP archive can express.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = (stat.S_IFREG | 0o644) << 16
_UNIX = 3
# Written by whoever installs, or made anew here.
_NOT_CARRIED = frozenset({"INSTALLER", "REQUESTED", "RECORD", "WHEEL", "direct_url.json"})


def build_own_wheel() -> tuple[str, bytes]:
    """File name and content. `HostError` AB-KIT-ALTERED where an installed file is not what was installed."""
    found = own_distribution()
    if found.version != airgap_bundle.__version__:
        raise HostError(
            "AB-KIT-ALTERED",
            f"version {found.version} of this toolkit was installed, and {airgap_bundle.__version__} is running",
            hint="install it again, then make the kit",
        )
    info = f"{_PACKAGE}-{found.version}.dist-info"
    files = {**_package_files(found), **_metadata_files(found, info), f"{info}/WHEEL": _wheel_file(found.version)}
    record = "".join(f"{name},sha256={_digest(raw)},{len(raw)}\n" for name, raw in sorted(files.items()))
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return f"{_PACKAGE}-{found.version}-{_TAG}.whl", _archive(files, info)


def _package_files(found: metadata.Distribution) -> dict[str, bytes]:
    recorded = [file for file in found.files or () if file.parts[0] == _PACKAGE and _travels(file)]
    if not recorded:
        # Installed as a link to a checkout: whoever works on it says what it is made of.
        root = Path(airgap_bundle.__file__).parent
        return {
            f"{_PACKAGE}/{path.relative_to(root).as_posix()}": path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and _travels(path.relative_to(root))
        }
    return dict(_checked(file) for file in recorded)


def _travels(path: PurePosixPath | Path) -> bool:
    return path.suffix != ".pyc" and not any(part == "__pycache__" or part.startswith(".") for part in path.parts)


def _checked(file: metadata.PackagePath) -> tuple[str, bytes]:
    """Name and content of an installed file that is still what was installed."""
    try:
        raw = Path(str(file.locate())).read_bytes()
    except FileNotFoundError:
        raw = b""
    if file.hash is None or (file.hash.mode, file.hash.value) != ("sha256", _digest(raw)):
        raise HostError(
            "AB-KIT-ALTERED",
            f"{printable(str(file))} is not what was installed: changed, removed, or never recorded",
            hint="find out who changed it; then install the toolkit again and make the kit",
        )
    return file.as_posix(), raw


def _metadata_files(found: metadata.Distribution, info: str) -> dict[str, bytes]:
    return dict(_metadata_file(file, info) for file in _metadata_paths(found))


def _metadata_paths(found: metadata.Distribution) -> Iterator[metadata.PackagePath]:
    for file in found.files or ():
        if file.parts[0].endswith(".dist-info") and file.name not in _NOT_CARRIED and _travels(file):
            yield file


def _metadata_file(file: metadata.PackagePath, info: str) -> tuple[str, bytes]:
    _, raw = _checked(file)
    return str(PurePosixPath(info, *file.parts[1:])), raw


def _wheel_file(version: str) -> bytes:
    return (f"Wheel-Version: 1.0\nGenerator: airgap-bundle {version}\nRoot-Is-Purelib: true\nTag: {_TAG}\n").encode()


def _archive(files: dict[str, bytes], info: str) -> bytes:
    """Metadata last, as the specification of wheels recommends; within that by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files, key=lambda name: (name.startswith(info), name)):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system = _UNIX
            member.external_attr = _MODE
            archive.writestr(member, files[name])
    return buffer.getvalue()


def _digest(raw: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode("ascii")
