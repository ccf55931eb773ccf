"""Files that travel, from beside the manifest: opened without following links out of its directory, and described."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airgap_bundle.core.content import CHUNK_BYTES, Descriptor, Digest, Source
from airgap_bundle.core.errors import DocumentError, HostError
from airgap_bundle.manifest.locked import FILE_MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.core.report import Place


class FileSource:
    """An open file as a source of bytes."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor = descriptor
        self._name = name

    def readinto(self, buffer: memoryview, /) -> int:
        """The next bytes."""
        try:
            return os.readv(self.descriptor, [buffer])
        except OSError as error:
            raise HostError("AB-HOST-READ", f"{self._name} cannot be read: {error.strerror}") from error


@contextmanager
def open_local(directory: Path, relative: str, place: Place, *, start: int = 0) -> Iterator[Source]:
    """A regular file below `directory`, from byte `start` on; `DocumentError` names the place where it is none.

    The path is resolved first and must still be below the directory, so that a link in a hostile checkout cannot carry
    away what lies elsewhere.
    """
    base = directory.resolve()
    path = (base / relative).resolve()
    if not path.is_relative_to(base):
        raise _unusable(place, relative, "leads out of the directory of the manifest")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise _unusable(place, relative, "does not exist") from error
    except OSError as error:
        raise HostError(
            "AB-HOST-READ", f"{path} cannot be opened: {error.strerror}", hint="check its permissions"
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unusable(place, relative, "is not a regular file")
        os.lseek(descriptor, start, os.SEEK_SET)
        yield FileSource(descriptor, str(path))
    finally:
        os.close(descriptor)


def resolve_directory(directory: Path, relative: str, place: Place) -> Path:
    """A directory below that of the manifest; `DocumentError` where it is none, or leads out."""
    base = directory.resolve()
    path = (base / relative).resolve()
    if not path.is_relative_to(base):
        raise _unusable(place, relative, "leads out of the directory of the manifest")
    if not path.is_dir():
        raise _unusable(place, relative, "is not a directory" if path.exists() else "does not exist")
    return path


def is_local_directory(directory: Path, relative: str) -> bool:
    """Whether a path beside the manifest is a directory; where to is asked when it is used."""
    return (directory / relative).is_dir()


def describe_local(directory: Path, relative: str, place: Place, buffer: memoryview) -> Descriptor:
    """Digest and size of a file, as they are now."""
    hasher, size = hashlib.sha256(), 0
    with open_local(directory, relative, place) as source:
        while count := source.readinto(buffer[:CHUNK_BYTES]):
            hasher.update(buffer[:count])
            size += count
    return Descriptor(media_type=FILE_MEDIA_TYPE, digest=Digest(f"sha256:{hasher.hexdigest()}"), size=size)


def _unusable(place: Place, relative: str, why: str) -> DocumentError:
    return DocumentError(
        "AB-MANIFEST-LOCAL-FILE",
        f"{place}: the file {relative} {why}",
        hint="paths are relative to the manifest and stay below its directory",
    )
