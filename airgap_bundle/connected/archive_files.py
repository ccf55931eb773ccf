"""The files inside a tar or a directory of another tool, read in place: looked up by name, never unpacked."""

from __future__ import annotations

import os
import posixpath
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.bundle.tar_members import FileForward, Kind, Member, members
from airgap_bundle.connected.local_files import FileSource, open_local, resolve_directory
from airgap_bundle.core.errors import HostError, InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from airgap_bundle.core.content import Source
    from airgap_bundle.core.report import Place

# A link that points to a link that points …: docker writes one level.
_MAX_LINKS = 5


class Files(Protocol):
    """Files by name, `/` between components."""

    def size(self, name: str) -> int | None:
        """How long a file is; None where there is no regular file of that name."""
        ...

    def open(self, name: str, start: int = 0) -> OpenFile:
        """A file from `start` on, as a context manager."""
        ...


@dataclass(slots=True)
class OpenFile:
    """A stretch of a file as a source, and a context manager that closes it."""

    descriptor: int
    position: int
    end: int
    name: str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def readinto(self, buffer: memoryview, /) -> int:
        """The next bytes; 0 at the end of the stretch."""
        try:
            count = os.preadv(self.descriptor, [buffer[: self.end - self.position]], self.position)
        except OSError as error:
            raise HostError("AB-HOST-READ", f"{self.name} cannot be read: {error.strerror}") from error
        self.position += count
        return count


class TarFiles:
    """The regular files of an uncompressed tar; symbolic links inside it are followed, as old docker archives need."""

    def __init__(self, directory: Path, path: str, place: Place) -> None:
        self._directory, self._path, self._place = directory, path, place
        self._members: dict[str, Member] = {}
        with _opened(directory, path, place) as descriptor:
            length = os.fstat(descriptor).st_size
            start = os.pread(descriptor, 4, 0)
            if start.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zX")):
                raise InvalidValueError("is compressed; decompress it first")
            try:
                for member in members(FileForward(descriptor)):
                    self._add(member, length)
            except InvalidValueError as error:
                raise InvalidValueError(f"cannot be read: {error}") from error

    def _add(self, member: Member, length: int) -> None:
        if member.data_at + member.size > length:
            raise InvalidValueError("it ends too early: it was cut short")
        name = posixpath.normpath(member.name)
        if name in self._members and member.kind is Kind.FILE:
            raise InvalidValueError(f"it holds {name[:160]!r} twice")
        self._members[name] = member

    def size(self, name: str) -> int | None:
        """How long a file is; None where there is none."""
        member = self._find(name)
        return member.size if member is not None else None

    def open(self, name: str, start: int = 0) -> OpenFile:
        """A file from `start` on; it must be there."""
        member = self._find(name)
        if member is None:
            raise KeyError(name)
        with _opened(self._directory, self._path, self._place) as descriptor:
            begin = member.data_at
            return OpenFile(os.dup(descriptor), begin + start, begin + member.size, self._path)

    def _find(self, name: str) -> Member | None:
        for _ in range(_MAX_LINKS):
            member = self._members.get(posixpath.normpath(name))
            if member is None or member.kind is Kind.FILE:
                return member
            if member.kind is not Kind.LINK:
                return None
            name = posixpath.join(posixpath.dirname(member.name), member.link)
        return None


@dataclass(frozen=True, slots=True)
class DirectoryFiles:
    """The regular files below a directory beside the manifest."""

    directory: Path
    path: str
    place: Place = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no directory."""
        resolve_directory(self.directory, self.path, self.place)

    def size(self, name: str) -> int | None:
        """How long a file is; None where there is none."""
        try:
            with _opened(self.directory, f"{self.path}/{name}", self.place) as descriptor:
                return os.fstat(descriptor).st_size
        except FileNotFoundError:
            return None

    def open(self, name: str, start: int = 0) -> OpenFile:
        """A file from `start` on; it must be there."""
        with _opened(self.directory, f"{self.path}/{name}", self.place) as descriptor:
            return OpenFile(os.dup(descriptor), start, os.fstat(descriptor).st_size, f"{self.path}/{name}")


def read_small(files: Files, name: str, limit: int) -> bytes | None:
    """A file as a whole; None where there is none. `InvalidValueError` where it is longer than `limit`."""
    size = files.size(name)
    if size is None:
        return None
    if size > limit:
        raise InvalidValueError(f"holds {name} of {size} bytes; {limit} are allowed")
    data = bytearray(size)
    with files.open(name) as source:
        filled = 0
        while filled < size and (count := source.readinto(memoryview(data)[filled:])):
            filled += count
    if filled < size:
        raise InvalidValueError("changes while it is read")
    return bytes(data)


@contextmanager
def _opened(directory: Path, path: str, place: Place) -> Iterator[int]:
    """The descriptor of a regular file that lies below the directory of the manifest."""
    if not (directory / path).exists():
        # Said by whoever asked: a part that is missing is something else than a file that is.
        raise FileNotFoundError(path)
    with open_local(directory, path, place) as source:
        yield _descriptor_of(source)


def _descriptor_of(source: Source) -> int:
    if not isinstance(source, FileSource):  # pragma: no cover - what open_local gives
        raise TypeError(type(source))
    return source.descriptor
