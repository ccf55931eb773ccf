"""Directories that travel, packed so that the same files give the same bytes on every machine.

Members are sorted; times, owners and modes are constants, but for the executable bit of files. Only regular files and
directories travel, under names that every system can hold; those that are too long for ustar stand in a pax header. A
chart is wrapped in gzip without compressing it: what a compressor makes depends on its version, and a chart is small.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.bundle.layout import BLOCK_BYTES, END_BYTES, padding_of
from airgap_bundle.connected.local_files import FileSource
from airgap_bundle.core.content import new_buffer
from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.manifest.words import packed_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airgap_bundle.core.content import Sink
    from airgap_bundle.core.report import Place

# More files belong into an archive of their own; each costs 1 KiB here at least.
MAX_FILES = 100_000
_PIECE_BYTES = 1024 * 1024
# What a stored block of deflate can hold (RFC 1951 section 3.2.4).
_STORED_BYTES = 65_535
# RFC 1952: deflate, no flags, no time, no extra flags, unknown system.
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_OCTAL_LIMIT = 8**11
_NAME_BYTES, _PREFIX_BYTES = 100, 155


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One file or directory below a packed directory. `name` is relative, with `/`."""

    name: str
    is_directory: bool
    is_executable: bool = False
    size: int = 0


def list_tree(root: Path, place: Place, ignore: Callable[[str, bool], bool] | None = None) -> tuple[Listed, ...]:
    """Everything below `root` that travels, in the order in which it is packed.

    `ignore` is asked with each relative name and whether it is a directory. `DocumentError` names what cannot travel.
    """
    found: list[Listed] = []
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(root / below) as entries:
            for entry in entries:
                name = f"{below}/{entry.name}" if below else entry.name
                mode = entry.stat(follow_symlinks=False).st_mode
                if ignore is not None and ignore(name, stat.S_ISDIR(mode)):
                    continue
                found.append(_listed(root, name, entry, place))
                if stat.S_ISDIR(mode):
                    waiting.append(name)
                if len(found) > MAX_FILES:
                    raise _unusable(place, root, f"holds more than {MAX_FILES} files")
    return tuple(sorted(found, key=lambda listed: listed.name.split("/")))


def write_tar(root: Path, tree: tuple[Listed, ...], prefix: str, sink: Sink, place: Place) -> None:
    """Write the tree as an uncompressed tar, each name behind `prefix`. `DocumentError` where a file changes."""
    buffer = new_buffer(_PIECE_BYTES)
    for listed in tree:
        sink.write(memoryview(_header(listed, prefix)))
        if not listed.is_directory:
            for piece in _content(root, listed, buffer, place):
                sink.write(piece)
            sink.write(memoryview(bytes(padding_of(listed.size))))
    sink.write(memoryview(bytes(END_BYTES)))


class StoredGzip:
    """A sink that wraps what it is given in gzip, uncompressed. `finish` writes the end."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pending = bytearray()
        self._checksum = 0
        self._size = 0
        sink.write(memoryview(_GZIP_HEAD))

    def write(self, data: memoryview, /) -> None:
        """Take all of `data`. Blocks are of one length whatever the pieces are, so the bytes are always the same."""
        self._checksum = zlib.crc32(data, self._checksum)
        self._size += len(data)
        self._pending += data
        while len(self._pending) > _STORED_BYTES:
            self._block(bytes(self._pending[:_STORED_BYTES]), is_last=False)
            del self._pending[:_STORED_BYTES]

    def finish(self) -> None:
        """The last block, checksum and length."""
        self._block(bytes(self._pending), is_last=True)
        self._sink.write(memoryview(struct.pack("<II", self._checksum, self._size & 0xFFFFFFFF)))

    def _block(self, data: bytes, *, is_last: bool) -> None:
        head = struct.pack("<BHH", 1 if is_last else 0, len(data), len(data) ^ 0xFFFF)
        self._sink.write(memoryview(head + data))


def _listed(root: Path, name: str, entry: os.DirEntry[str], place: Place) -> Listed:
    try:
        packed_path(name)
    except InvalidValueError as error:
        raise _unusable(place, root, f"holds a file that cannot travel: {error}") from error
    status = entry.stat(follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return Listed(name=name, is_directory=True)
    if stat.S_ISLNK(status.st_mode):
        raise _unusable(place, root, f"holds the link {name}; only files and directories travel")
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(place, root, f"holds {name}, which is neither a file nor a directory")
    is_executable = bool(status.st_mode & stat.S_IXUSR)
    return Listed(name=name, is_directory=False, is_executable=is_executable, size=status.st_size)


def _header(listed: Listed, prefix: str) -> bytes:
    """An ustar header with constants where nothing is to be said, and a pax header before it for a long name."""
    name = f"{prefix}{listed.name}{'/' if listed.is_directory else ''}"
    front, back = _split(name)
    kind, mode = (b"5", 0o755) if listed.is_directory else (b"0", 0o755 if listed.is_executable else 0o644)
    if 0 < len(back) <= _NAME_BYTES and len(front) <= _PREFIX_BYTES:
        return _ustar(back, listed.size, kind, mode, front)
    # Who does not know pax finds a file with a name cut short, and a text beside it that says the whole.
    record = _pax_record("path", name)
    short = f"PaxHeaders/{listed.name.rpartition('/')[2]}"[:_NAME_BYTES]
    head = _ustar(short, len(record), b"x", 0o644) + record + bytes(padding_of(len(record)))
    return head + _ustar(name[:_NAME_BYTES], listed.size, kind, mode)


def _ustar(name: str, size: int, kind: bytes, mode: int, prefix: str = "") -> bytes:
    header = bytearray(BLOCK_BYTES)
    header[0 : len(name)] = name.encode("ascii")
    header[100:108] = b"%07o\0" % mode
    header[108:116] = header[116:124] = b"0000000\0"
    header[124:136] = b"%011o\0" % size if size < _OCTAL_LIMIT else b"\x80" + size.to_bytes(11, "big")
    header[136:148] = b"00000000000\0"
    header[148:156] = b" " * 8
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    header[345 : 345 + len(prefix)] = prefix.encode("ascii")
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def _pax_record(key: str, value: str) -> bytes:
    """`LENGTH KEY=VALUE` and a line feed; the length counts its own digits (POSIX.1-2017 pax)."""
    rest = f" {key}={value}\n".encode("ascii")
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def _split(name: str) -> tuple[str, str]:
    """The prefix and the name of ustar: split at the first slash behind which the name fits."""
    if len(name) <= _NAME_BYTES:
        return "", name
    slash = name.find("/", len(name) - _NAME_BYTES - 1, len(name) - 1)
    return (name[:slash], name[slash + 1 :]) if slash > 0 else ("", name)


def _content(root: Path, listed: Listed, buffer: memoryview, place: Place) -> Iterator[memoryview]:
    """The bytes of one file, exactly as many as it was listed with."""
    changed = f"holds {listed.name}, which changes while it is read"
    try:
        descriptor = os.open(root / listed.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise _unusable(place, root, changed) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unusable(place, root, changed)
        source, left = FileSource(descriptor, str(root / listed.name)), listed.size
        while left:
            count = source.readinto(buffer[: min(len(buffer), left)])
            if count == 0:
                raise _unusable(place, root, changed)
            yield buffer[:count]
            left -= count
        if source.readinto(buffer[:1]):
            raise _unusable(place, root, changed)
    finally:
        os.close(descriptor)


def _unusable(place: Place, root: Path, why: str) -> DocumentError:
    return DocumentError(
        "AB-MANIFEST-LOCAL-FILE",
        f"{place}: the directory {root.name} {why}",
        hint="tidy it up, or pack it yourself and name the packed file",
    )
