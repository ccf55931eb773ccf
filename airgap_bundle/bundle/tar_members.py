"""The members of a tar that somebody else wrote: names, kinds and places, within limits, and nothing unpacked.

Reads ustar, GNU's long names and the PAX records `path`, `linkpath` and `size`: what docker, podman, skopeo, helm and
the tars of Linux and macOS write. Our own bundles are not read with this: `bundle.layout` demands every byte of them.
POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.bundle.layout import BLOCK_BYTES, padding_of
from airgap_bundle.core.content import MAX_SIZE_BYTES
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The archive with the most members that is read, an image with all its layers, has some hundred; charts, thousands.
MAX_MEMBERS = 100_000
# A path is at most 4 KiB on Linux; a PAX header holds some of them, and now and then extended attributes.
_MAX_EXTENSION_BYTES = 64 * 1024
# A long name, a long link and records of both kinds are four.
_MAX_EXTENSIONS = 8
# Headers of small members lie close together.
_AHEAD_BYTES = 4096
_CHECKSUM_AT = slice(148, 156)
_BASE_256 = 0x80
_EMPTY = bytes(BLOCK_BYTES)


class Kind(Enum):
    """What a member is. Whatever is neither file, directory nor symbolic link is only passed over."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "symbolic link"
    OTHER = "something else"


_KINDS = {b"0": Kind.FILE, b"\0": Kind.FILE, b"7": Kind.FILE, b"5": Kind.DIRECTORY, b"2": Kind.LINK}


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One member. `name` and `link` are as they stand in the archive and may lead anywhere; `data_at` is an offset."""

    name: str
    kind: Kind
    data_at: int
    size: int
    mode: int = 0
    link: str = ""


class Forward(Protocol):
    """Bytes that are read from front to end. `position` is the offset of the next one."""

    position: int

    def read(self, count: int) -> bytes:
        """The next `count` bytes; fewer at the end only."""
        ...

    def skip(self, count: int) -> None:
        """Pass over `count` bytes."""
        ...


class FileForward:
    """A tar on disk, read forward; what is passed over is not read."""

    def __init__(self, descriptor: int) -> None:
        self.position = 0
        self._fd = descriptor
        self._ahead = b""
        self._ahead_at = 0

    def read(self, count: int) -> bytes:
        """The next bytes; fewer at the end only."""
        at = self.position - self._ahead_at
        if at < 0 or at + count > len(self._ahead):
            self._ahead = os.pread(self._fd, max(count, _AHEAD_BYTES), self.position)
            self._ahead_at, at = self.position, 0
        data = self._ahead[at : at + count]
        self.position += len(data)
        return data

    def skip(self, count: int) -> None:
        """Go on behind `count` bytes."""
        self.position += count


def members(source: Forward) -> Iterator[Member]:
    """Every member, in order. Between two of them the caller may read data of the last one, at most its size.

    Raises `InvalidValueError` where it is no tar, is cut short, or has more than `MAX_MEMBERS`.
    """
    extensions: dict[str, str] = {}
    count = headers = 0
    while (block := source.read(BLOCK_BYTES)) != _EMPTY:
        if not block:
            return  # some writers leave out the zeros at the end
        if count >= MAX_MEMBERS:
            raise InvalidValueError(f"more than {MAX_MEMBERS} members")
        size = _check(block, source.position - len(block))
        if (kind := block[156:157]) in {b"L", b"K", b"x", b"g"}:
            headers += 1
            if headers > _MAX_EXTENSIONS:
                raise InvalidValueError(f"more than {_MAX_EXTENSIONS} extended headers of one member")
            data = _extension(source, size)
            if kind != b"g":
                extensions |= {_GNU[kind]: _text(data)} if kind in _GNU else _records(data)
            continue
        member = _member(block, size, source.position, extensions)
        count, headers, extensions = count + 1, 0, {}
        yield member
        end = member.data_at + member.size + padding_of(member.size)
        source.skip(end - source.position)


_GNU = {b"L": "path", b"K": "linkpath"}


def _check(block: bytes, position: int) -> int:
    """The size that a header gives, if its checksum is right."""
    if len(block) < BLOCK_BYTES:
        raise InvalidValueError(f"the archive ends within a header, at byte {position}")
    actual = sum(block) - sum(block[_CHECKSUM_AT]) + 8 * ord(" ")
    digits = block[_CHECKSUM_AT].strip(b" \0")
    if not digits.isdigit() or digits.lstrip(b"0") != b"%o" % actual:
        raise InvalidValueError(f"not a tar header at byte {position}")
    return _number(block[124:136])


def _member(block: bytes, size: int, data_at: int, extensions: dict[str, str]) -> Member:
    if "size" in extensions:
        size = _decimal(extensions["size"])
    name = _text(block[:100])
    # GNU's own format keeps times where ustar keeps the first part of a long name.
    if block[257:263] == b"ustar\0" and block[345] != 0:
        name = f"{_text(block[345:500])}/{name}"
    kind = _KINDS.get(block[156:157], Kind.OTHER)
    name = extensions.get("path", name)
    if kind is Kind.FILE and name.endswith("/"):
        kind = Kind.DIRECTORY  # as tars before POSIX wrote them
    return Member(
        name=name,
        kind=kind,
        data_at=data_at,
        size=size if kind in {Kind.FILE, Kind.OTHER} else 0,
        mode=_number(block[100:108]),
        link=extensions.get("linkpath", _text(block[157:257])) if kind is Kind.LINK else "",
    )


def _extension(source: Forward, size: int) -> bytes:
    if size > _MAX_EXTENSION_BYTES:
        raise InvalidValueError(f"an extended header of {size} bytes; {_MAX_EXTENSION_BYTES} are allowed")
    data = source.read(size)
    if len(data) < size:
        raise InvalidValueError("the archive ends within an extended header")
    source.skip(padding_of(size))
    return data


def _records(data: bytes) -> dict[str, str]:
    """The PAX records that say where a member is; `LENGTH KEY=VALUE` and a line feed, each."""
    found: dict[str, str] = {}
    while data:
        length_text, space, _ = data.partition(b" ")
        length = _decimal(length_text.decode("latin-1"))
        record, data = data[:length], data[length:]
        key, equals, value = record[len(length_text) + 1 : -1].partition(b"=")
        if not space or not equals or len(record) != length or not record.endswith(b"\n"):
            raise InvalidValueError("an extended header that is not one")
        if key in {b"path", b"linkpath", b"size"}:
            found[key.decode()] = _text(value)
        elif key.startswith(b"GNU.sparse."):
            raise InvalidValueError("a sparse file, whose bytes are not what they seem")
    return found


def _decimal(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > MAX_SIZE_BYTES:  # noqa: PLR2004 - 2^63
        raise InvalidValueError(f"not a number in an extended header: {text[:40]!r}")
    return int(text)


def _number(field: bytes) -> int:
    """Octal digits, or base 256 as GNU tar writes what is larger."""
    if field[0] & _BASE_256:
        number = int.from_bytes(field[1:], "big") if field[0] == _BASE_256 else -1
    else:
        digits = field.strip(b" \0") or b"0"
        number = int(digits, 8) if all(digit in b"01234567" for digit in digits) else -1
    if not 0 <= number <= MAX_SIZE_BYTES:
        raise InvalidValueError(f"not a number in a tar header: {field[:20]!r}")
    return number


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")
