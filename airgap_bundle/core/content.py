"""Digests, descriptors, and the one way in which content is copied.

A digest is the name of bytes; a descriptor is that name with size and type. `copy_verified` moves the bytes of a
descriptor from a source to a sink and lets nobody see the end of them unless they are the right ones. Nothing else in
this package copies content. OCI image specification 1.1, descriptor.md.
"""

from __future__ import annotations

import hashlib
import mmap
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, Self

from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# One piece of a transfer: measured best between socket, hash and file (1.2 CPU seconds a GiB; 64 KiB costs 1.65).
CHUNK_BYTES = 4 * 1024 * 1024
# From here on a buffer of its own pages is cheaper than one from the heap that has to be cleared.
_MAPPED_BYTES = 256 * 1024
# 2^63 - 1: what off_t, JSON readers in Go and Java, and tar's base-256 field all hold.
MAX_SIZE_BYTES = 2**63 - 1

_HEX_LENGTH = {"sha256": 64, "sha512": 128}
_DIGEST = re.compile(r"(sha256|sha512):([0-9a-f]+)")
# RFC 6838 section 4.2, with room for one structured suffix and no parameters.
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
# What most descriptors have; shared, as a hundred thousand empty ones would take 6 MB.
NO_ANNOTATIONS: Mapping[str, str] = MappingProxyType({})


class Digest(str):
    """`sha256:<64 hex>` or `sha512:<128 hex>`, lower case; anything else raises `InvalidValueError`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the text in full: a name of bytes becomes part of paths and URLs."""
        match = _DIGEST.fullmatch(text)
        if match is None or len(match[2]) != _HEX_LENGTH[match[1]]:
            raise InvalidValueError(f"not a digest: {text[:160]!r}")
        return super().__new__(cls, text)

    @property
    def algorithm(self) -> str:
        """`sha256` or `sha512`."""
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        """The hexadecimal part."""
        return self.partition(":")[2]

    @classmethod
    def of(cls, data: bytes | memoryview, algorithm: str = "sha256") -> Digest:
        """The digest of bytes that are at hand."""
        return cls(f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """What OCI calls a descriptor: the type, the digest and the size in bytes of some content.

    `annotations` and `platform` are those of the place that pointed here; they say nothing about the content itself.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=lambda: NO_ANNOTATIONS, compare=False)

    def __post_init__(self) -> None:
        """Refuse what no content can be."""
        if _MEDIA_TYPE.fullmatch(self.media_type) is None:
            raise InvalidValueError(f"not a media type: {self.media_type[:160]!r}")
        if not 0 <= self.size <= MAX_SIZE_BYTES:
            raise InvalidValueError(f"not a size: {self.size}")


class Source(Protocol):
    """Where bytes come from."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the front of `buffer`; the number of bytes, 0 at the end."""
        ...


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: memoryview, /) -> object:
        """Take all of `data`; the memory is reused as soon as this returns."""
        ...


class ContentMismatchError(InvalidValueError):
    """The bytes are not those of the descriptor: another length, or another digest."""


def new_buffer(size: int = CHUNK_BYTES) -> memoryview:
    """A buffer for `copy_verified`; each thread keeps one of its own and uses it again.

    A large one takes memory only as far as it is filled, so that many workers for small things cost little.
    """
    return memoryview(mmap.mmap(-1, size) if size >= _MAPPED_BYTES else bytearray(size))


def copy_verified(
    source: Source,
    sink: Sink,
    *,
    digest: Digest,
    size: int,
    buffer: memoryview,
    moved: Callable[[int], None] | None = None,
) -> None:
    """Copy exactly the content that `digest` and `size` name.

    1. Read until the buffer is full or the content complete, hashing on the way.
    2. Every piece but the last is passed on at once.
    3. The last piece is passed on only when the length is right, nothing follows in the source and the digest agrees.
       A sink that commits when it has everything (a registry, a file that is renamed) therefore never commits wrong
       bytes. Content of no bytes passes nothing on, and is checked all the same.

    `moved` hears of the bytes passed on. Raises `ContentMismatchError`; what source and sink raise passes through.
    """
    hasher = hashlib.new(digest.algorithm)
    done = 0
    while True:
        filled = _fill(source, buffer[: min(len(buffer), size - done)])
        hasher.update(buffer[:filled])
        done += filled
        if done == size or filled == 0:
            break
        sink.write(buffer[:filled])
        if moved is not None:
            moved(filled)
    if done != size:
        raise ContentMismatchError(f"{digest}: {done} bytes instead of {size}")
    # A byte behind the end would be lost silently. The buffer still holds the last piece, so ask with another one.
    if source.readinto(memoryview(bytearray(1))):
        raise ContentMismatchError(f"{digest}: more than {size} bytes")
    if hasher.hexdigest() != digest.encoded:
        raise ContentMismatchError(f"{digest}: the bytes have the digest {digest.algorithm}:{hasher.hexdigest()}")
    if filled:
        sink.write(buffer[:filled])
        if moved is not None:
            moved(filled)


def _fill(source: Source, window: memoryview) -> int:
    """Read until the window is full or the source ends."""
    filled = 0
    while filled < len(window):
        count = source.readinto(window[filled:])
        if count == 0:
            break
        filled += count
    return filled


@dataclass(slots=True)
class BytesSource:
    """Bytes at hand, as a source."""

    data: bytes
    position: int = 0

    def readinto(self, buffer: memoryview, /) -> int:
        """Copy the next bytes out."""
        count = min(len(buffer), len(self.data) - self.position)
        buffer[:count] = self.data[self.position : self.position + count]
        self.position += count
        return count
