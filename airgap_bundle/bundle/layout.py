"""Where every byte lies: offsets before bytes.

A bundle is an ustar archive in which each header is a function of name and size alone. So the place of everything is
known as soon as the inventory is, and a reader can demand exactly the header that a writer would have written.
FORMAT.md sections 2 and 3. Opens nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.content import MAX_SIZE_BYTES, Digest
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airgap_bundle.bundle.inventory import BlobEntry

BLOCK_BYTES = 512
END_BYTES = 2 * BLOCK_BYTES
# Room for a dozen Sigstore bundles of 10 kB or some hundred OpenPGP signatures, so that signing never moves a blob.
SIGNATURE_AREA_BYTES = 1_048_576

OCI_LAYOUT = "oci-layout"
INDEX = "index.json"
DOCKER_MANIFEST = "manifest.json"
MANIFEST = "airgap/manifest.yaml"
LOCK = "airgap/lock.yaml"
INVENTORY = "airgap/inventory.json"
RESERVED = "airgap/reserved"
OCI_LAYOUT_CONTENT = b'{"imageLayoutVersion":"1.0.0"}'

_OCTAL_LIMIT = 8**11
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_MAX_NAME = 100
_SIZE_AT = slice(124, 136)
_CHECKSUM_AT = slice(148, 156)
# What is the same in each header: mode, owner, group, time, type and magic, with room for the rest; a checksum counts
# itself as spaces.
_BLANK_HEADER = (
    bytes(100) + b"0000644\0" + b"0000000\0" * 2 + bytes(12) + b"00000000000\0" + b" " * 8 + b"0" + bytes(100)
    + b"ustar\x0000" + bytes(247)
)  # fmt: skip
_BLANK_SUM = sum(_BLANK_HEADER)


def padding_of(size: int) -> int:
    """Zero bytes between the end of `size` bytes and the next block."""
    return -size % BLOCK_BYTES


def tar_header(name: str, size: int) -> bytes:
    """The 512 bytes in front of a member: a regular file, mode 0644, owner 0, time 0.

    Sizes from 8 GiB on are written in base 256, as GNU tar, Go and Python do; below that always in octal.
    """
    if len(name) > _MAX_NAME or _NAME.fullmatch(name) is None:
        raise InvalidValueError(f"not a member name: {name[:160]!r}")
    if not 0 <= size <= MAX_SIZE_BYTES:
        raise InvalidValueError(f"not a member size: {size}")
    size_field = b"%011o\0" % size if size < _OCTAL_LIMIT else b"\x80" + size.to_bytes(11, "big")
    name_field = name.encode("ascii")
    header = bytearray(_BLANK_HEADER)
    header[: len(name_field)] = name_field
    header[_SIZE_AT] = size_field
    header[_CHECKSUM_AT] = b"%06o\0 " % (_BLANK_SUM + sum(name_field) + sum(size_field))
    return bytes(header)


def parse_tar_header(block: bytes) -> tuple[str, int]:
    """Name and size of a member, if `block` is exactly what `tar_header` writes for them; else `InvalidValueError`.

    So there are no links, directories, extended headers, second spellings or fields that two readers may take
    differently.
    """
    name = block[:_MAX_NAME].rstrip(b"\0").decode("ascii", "replace")
    size_field = block[_SIZE_AT]
    if size_field[:1] == b"\x80":
        size = int.from_bytes(size_field[1:], "big")
    elif re.fullmatch(rb"[0-7]{11}\0", size_field):
        size = int(size_field[:11], 8)
    else:
        raise InvalidValueError("its size is not written as this format writes it")
    if tar_header(name, size) != block:
        raise InvalidValueError("it is not a header that this format writes")
    return name, size


def member_parts(name: str, data: bytes) -> tuple[bytes, bytes, bytes]:
    """A whole small member: header, data, padding."""
    return tar_header(name, len(data)), data, bytes(padding_of(len(data)))


def member_bytes(name: str, data: bytes) -> bytes:
    """The same in one piece."""
    return b"".join(member_parts(name, data))


def blob_name(digest: Digest) -> str:
    """`blobs/sha256/<hex>`, as in any OCI image layout."""
    return f"blobs/{digest.replace(':', '/')}"


@dataclass(frozen=True, slots=True)
class Extent:
    """The place of one member: its header starts at `header_at`, its `size` bytes of data at `data_at`."""

    digest: Digest
    header_at: int
    size: int

    @property
    def data_at(self) -> int:
        """Offset of the first byte of data."""
        return self.header_at + BLOCK_BYTES

    @property
    def data_end(self) -> int:
        """Offset behind the last byte of data."""
        return self.data_at + self.size

    @property
    def end(self) -> int:
        """Offset behind the padding: where the next header starts."""
        return self.data_end + padding_of(self.size)

    @property
    def header(self) -> bytes:
        """What must stand in front of the data."""
        return tar_header(blob_name(self.digest), self.size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The places of all blobs behind a head of `head_bytes` (signature area included), and the length of the whole."""

    head_bytes: int
    extents: Mapping[Digest, Extent] = field(repr=False)
    end_at: int

    @property
    def total_bytes(self) -> int:
        """The length of the bundle."""
        return self.end_at + END_BYTES


def lay_out(head_bytes: int, blobs: Iterable[BlobEntry]) -> Layout:
    """Place the blobs one behind the other, in the order given."""
    extents: dict[Digest, Extent] = {}
    position = head_bytes
    for blob in blobs:
        extent = extents[blob.digest] = Extent(blob.digest, position, blob.size)
        position = extent.end
    return Layout(head_bytes=head_bytes, extents=extents, end_at=position)
