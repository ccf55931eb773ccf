"""Reads a bundle strictly: the head first, then blobs at the places that the inventory gives them.

It decides nothing about trust. What `read_head` returns is called unverified until `trust` has looked at the
signatures; from then on every header and padding byte must be the one that the inventory demands, and content is only
handed out through `copy_verified`. FORMAT.md sections 2 to 7.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from airgap_bundle.bundle import layout, views
from airgap_bundle.bundle.inventory import (
    MAX_INVENTORY_BYTES,
    Inventory,
    MemberEntry,
    bundle_id,
    parse_inventory,
)
from airgap_bundle.bundle.layout import (
    BLOCK_BYTES,
    END_BYTES,
    Layout,
    lay_out,
    padding_of,
    parse_tar_header,
    tar_header,
)
from airgap_bundle.bundle.places import COPY_AGAIN, BlobSource, fill, malformed, read_exactly, trailing, truncated
from airgap_bundle.bundle.signatures import SignatureFile, parse_area
from airgap_bundle.core.closure import MAX_DOCUMENTS_BYTES
from airgap_bundle.core.content import ContentMismatchError, Digest, copy_verified, new_buffer
from airgap_bundle.core.errors import BundleError, InvalidValueError
from airgap_bundle.core.oci import MAX_DOCUMENT_BYTES, parse_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airgap_bundle.bundle.layout import Extent
    from airgap_bundle.bundle.media import Medium
    from airgap_bundle.core.content import Descriptor
    from airgap_bundle.core.oci import Document

# An entry of index.json takes 300 bytes, one of manifest.json 100 a layer: enough for 100,000 images.
_MAX_VIEW_BYTES = 64 * 1024 * 1024
_MAX_MANIFEST_BYTES = 4 * 1024 * 1024
_MAX_BYTES = {
    layout.OCI_LAYOUT: len(layout.OCI_LAYOUT_CONTENT),
    layout.INDEX: _MAX_VIEW_BYTES,
    layout.DOCKER_MANIFEST: _MAX_VIEW_BYTES,
    layout.MANIFEST: _MAX_MANIFEST_BYTES,
    layout.LOCK: _MAX_VIEW_BYTES,
    layout.INVENTORY: MAX_INVENTORY_BYTES,
}
# manifest.json may be left out; nothing else may, and the order is fixed.
_ORDER = (
    layout.OCI_LAYOUT, layout.INDEX, layout.DOCKER_MANIFEST, layout.MANIFEST, layout.LOCK, layout.INVENTORY
)  # fmt: skip
_KNOWN_MAGIC = {
    b"\x1f\x8b": "a gzip file; decompress it first, as a bundle is a plain tar",
    b"\x28\xb5\x2f\xfd": "a zstd file; decompress it first, as a bundle is a plain tar",
    b"PK": "a zip file",
    b"\xfd7zXZ": "an xz file; decompress it first, as a bundle is a plain tar",
    b"\x85\x02": "an encrypted file; decrypt it with gpg first",
    b"-----BEGIN PGP": "an armored OpenPGP file",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class UnverifiedHead:
    """The head of a bundle as it was read. Nobody has vouched for any of it.

    `members` has the digests of members 2 to 4 as they are, to be compared with what the inventory says of them.
    `head_bytes` is the offset of the first blob.
    """

    inventory_raw: bytes = field(repr=False)
    signatures: tuple[SignatureFile, ...]
    members: tuple[MemberEntry, ...]
    manifest_raw: bytes = field(repr=False)
    lock_raw: bytes = field(repr=False)
    area_at: int
    head_bytes: int

    @property
    def bundle_id(self) -> Digest:
        """The name that this bundle goes by."""
        return bundle_id(self.inventory_raw)


def read_head(medium: Medium) -> UnverifiedHead:
    """Read everything up to the first blob, within the limits of each member; `BundleError` where it is not ours."""
    position = 0
    kept: dict[str, bytes] = {}
    members: list[MemberEntry] = []
    for expected in _ORDER:
        block = read_exactly(medium, position, BLOCK_BYTES) if position else _first_block(medium)
        name, size = _header(medium, block, position)
        if name != expected and expected == layout.DOCKER_MANIFEST:
            continue
        if name != expected:
            raise malformed(medium, position, f"the member {name} stands where {expected} should")
        if size > _MAX_BYTES[name]:
            raise malformed(medium, position, f"{name} claims {size} bytes; {_MAX_BYTES[name]} are allowed")
        data = fill(medium, position + BLOCK_BYTES, size)
        position += BLOCK_BYTES + size
        if fill(medium, position, padding_of(size)).strip(b"\0"):
            raise malformed(medium, position, f"the padding behind {name} is not empty")
        position += padding_of(size)
        # The views can be large and are only compared: their digest is enough.
        if name not in {layout.OCI_LAYOUT, layout.INVENTORY}:
            members.append(MemberEntry(name=name, digest=Digest.of(memoryview(data)), size=size))
        if name not in {layout.INDEX, layout.DOCKER_MANIFEST}:
            kept[name] = bytes(data)
    if kept[layout.OCI_LAYOUT] != layout.OCI_LAYOUT_CONTENT:
        raise malformed(medium, 0, "oci-layout does not say version 1.0.0")
    try:
        signatures = parse_area(read_exactly(medium, position, layout.SIGNATURE_AREA_BYTES))
    except InvalidValueError as error:
        raise malformed(medium, position, str(error), size=layout.SIGNATURE_AREA_BYTES) from error
    return UnverifiedHead(
        inventory_raw=kept[layout.INVENTORY],
        signatures=signatures,
        members=tuple(members),
        manifest_raw=kept[layout.MANIFEST],
        lock_raw=kept[layout.LOCK],
        area_at=position,
        head_bytes=position + layout.SIGNATURE_AREA_BYTES,
    )


def read_inventory(head: UnverifiedHead, medium_name: str) -> Inventory:
    """What the inventory says. To be called when its signatures were checked; `BundleError` where it is malformed."""
    try:
        return parse_inventory(head.inventory_raw)
    except InvalidValueError as error:
        raise BundleError(
            "AB-BUNDLE-INVENTORY",
            f"the inventory of {medium_name} is malformed: {error}",
            hint="the bundle was not written by a version of this tool that this one understands",
        ) from error


class BundleReader:
    """The part of a bundle behind its head, at the places where `inventory` says that everything lies.

    Safe to use from several threads where the medium is a file.
    """

    def __init__(self, medium: Medium, head: UnverifiedHead, inventory: Inventory) -> None:
        self.medium = medium
        self.inventory = inventory
        self.layout: Layout = lay_out(head.head_bytes, inventory.blobs)
        self._head = head
        # Of a stream: what was read already, since it passes only once.
        self._loaded: dict[Digest, bytes] = {}
        # Of a stream: what somebody will ask for when it has passed, and what of that was seen so far.
        self._wanted: frozenset[Digest] = frozenset()
        self._kept: dict[Digest, bytearray] = {}
        # Each once, however many items share it.
        self._documents: dict[tuple[Digest, str], Document] = {}
        self._documents_bytes = 0

    def check_head(self) -> None:
        """The members in front of the inventory are those that it names, and `index.json` says what it says."""
        for found, named in zip(self._head.members, self.inventory.members, strict=False):
            if found != named:
                raise BundleError(
                    "AB-BUNDLE-MEMBER",
                    f"{found.name} in {self.medium.name} is not the one that the signed inventory names",
                    hint=COPY_AGAIN,
                )
        if len(self._head.members) != len(self.inventory.members):
            raise BundleError(
                "AB-BUNDLE-MEMBER",
                f"{self.medium.name} does not have the members that its signed inventory names",
                hint=COPY_AGAIN,
            )
        if not self.inventory.assumed and _index_of(self.inventory) not in self._head.members:
            raise BundleError(
                "AB-BUNDLE-INDEX",
                f"index.json in {self.medium.name} disagrees with the inventory",
                hint="the bundle was put together by something else than this tool; build it again",
            )

    def check_length(self) -> None:
        """A file is exactly as long as the inventory demands, so that a cut or a tail is noticed before any work."""
        size = self.medium.size
        if size is None:
            return
        if size < self.layout.total_bytes:
            message = f"{self.medium.name} ends after {size} of {self.layout.total_bytes} bytes"
            error = BundleError("AB-BUNDLE-TRUNCATED", message, hint=COPY_AGAIN)
            raise self.medium.explain(error, size, self.layout.total_bytes)
        if size > self.layout.total_bytes:
            raise trailing(self.medium, self.layout.total_bytes)

    @contextmanager
    def open_blob(self, digest: Digest) -> Iterator[BlobSource]:
        """The bytes of one blob, as a source for `copy_verified`; header and padding are checked on the way."""
        source = BlobSource(self.medium, self._extent(digest))
        if digest in self._wanted:
            source.copy = self._kept[digest] = bytearray()
        yield source

    def load(self, descriptor: Descriptor) -> Document:
        """The image document that `descriptor` names; `BundleError` where it is damaged, missing or malformed.

        From a stream they must be asked for in the order of the bundle: item by item, parents before children.
        """
        size = self._extent(descriptor.digest).size
        if size != descriptor.size:
            what = f"it has {size} bytes, and what points to it says {descriptor.size}"
            raise _bad_document(self.medium.name, descriptor, what)
        if size > MAX_DOCUMENT_BYTES:
            raise _bad_document(self.medium.name, descriptor, f"it has {size} bytes; {MAX_DOCUMENT_BYTES} are allowed")
        known = self._documents.get((descriptor.digest, descriptor.media_type))
        if known is not None:
            return known
        self._documents_bytes += size
        if self._documents_bytes > MAX_DOCUMENTS_BYTES:
            raise BundleError(
                "AB-BUNDLE-DOCUMENTS",
                f"{self.medium.name} has more than {MAX_DOCUMENTS_BYTES} bytes of image manifests",
                hint="ask whoever built it for several smaller bundles",
            )
        raw = self._loaded.get(descriptor.digest)
        if raw is None:
            raw = self.read_blob(descriptor.digest)
            if not self.medium.seekable:
                self._loaded[descriptor.digest] = raw
        try:
            document = parse_document(raw, descriptor.media_type, name=self._name)
        except InvalidValueError as error:
            raise _bad_document(self.medium.name, descriptor, str(error)) from error
        self._documents[descriptor.digest, descriptor.media_type] = document
        return document

    def _name(self, text: str) -> Digest:
        """The digest that the inventory has for a blob, not a second one that is equal."""
        extent = self.layout.extents.get(cast("Digest", text))
        return Digest(text) if extent is None else extent.digest

    def loaded(self, digest: Digest) -> bytes | None:
        """The blob, if a stream has passed it already as an image document."""
        return self._loaded.get(digest)

    def keep(self, digests: Iterable[Digest]) -> None:
        """Keep these small blobs of a stream, whoever reads them, for `kept`."""
        self._wanted = frozenset(digests)

    @property
    def is_waiting(self) -> bool:
        """Whether some of what is to be kept has not passed yet."""
        return len(self._kept) < len(self._wanted)

    def is_wanted(self, digest: Digest) -> bool:
        """Whether a blob is to be kept."""
        return digest in self._wanted

    def kept(self, digest: Digest) -> bytes | None:
        """The bytes of a blob that was to be kept, as they passed; None where it has not. Nobody has compared them."""
        raw = self._kept.get(digest)
        return bytes(raw) if raw is not None else None

    def read_blob(self, digest: Digest) -> bytes:
        """A small blob as a whole; `BundleError` where it is damaged."""
        size = self._extent(digest).size
        sink = io.BytesIO()
        with self.open_blob(digest) as source, self.damage_of(digest):
            copy_verified(source, sink, digest=digest, size=size, buffer=new_buffer(max(1, size)))
        return sink.getvalue()

    @contextmanager
    def damage_of(self, digest: Digest) -> Iterator[None]:
        """Turn a mismatch of a blob's content into what it means here: the bundle is damaged."""
        try:
            yield
        except ContentMismatchError as error:
            extent = self._extent(digest)
            damaged = damage(self.medium.name, digest)
            raise self.medium.explain(damaged, extent.header_at, extent.end) from error

    def _extent(self, digest: Digest) -> Extent:
        extent = self.layout.extents.get(digest)
        if extent is None:
            raise BundleError(
                "AB-BUNDLE-INCOMPLETE",
                f"{self.medium.name} does not hold {digest}",
                hint="the bundle is incomplete although it is signed; ask whoever built it for a new one",
            )
        return extent

    def check_end(self) -> None:
        """Two blocks of zeros end the bundle, and nothing follows."""
        position = self.layout.end_at
        if read_exactly(self.medium, position, END_BYTES).strip(b"\0"):
            raise malformed(self.medium, position, "the end of the archive is not two blocks of zeros")
        if self.medium.read_at(position + END_BYTES, new_buffer(1)):
            raise trailing(self.medium, position + END_BYTES)


def damage(name: str, digest: Digest) -> BundleError:
    """What it means when the bytes of a blob do not have its digest."""
    return BundleError(
        "AB-BUNDLE-BLOB",
        f"the blob {digest} in {name} is damaged: its bytes do not have that digest",
        hint=COPY_AGAIN,
    )


def _index_of(inventory: Inventory) -> MemberEntry:
    data = views.index_json(inventory.items)
    return MemberEntry(name=layout.INDEX, digest=Digest.of(data), size=len(data))


def _first_block(medium: Medium) -> bytes:
    """The only block that is the same in every bundle: so a short text is called no bundle, and not one cut short."""
    block = bytearray(BLOCK_BYTES)
    done = 0
    while done < BLOCK_BYTES and (count := medium.read_at(done, memoryview(block)[done:])):
        done += count
    found, due = bytes(block[:done]), tar_header(layout.OCI_LAYOUT, len(layout.OCI_LAYOUT_CONTENT))
    if found != due[:done]:
        known = next((what for magic, what in _KNOWN_MAGIC.items() if found.startswith(magic)), "")
        error = BundleError(
            "AB-BUNDLE-NOT-A-BUNDLE",
            f"{medium.name} is not a bundle" + (f" but {known}" if known else ": it does not start as one"),
            hint="a bundle is what `airgap-export build` writes",
        )
        raise medium.explain(error, 0, BLOCK_BYTES)
    if done < BLOCK_BYTES:
        raise truncated(medium, done)
    return found


def _header(medium: Medium, block: bytes, position: int) -> tuple[str, int]:
    try:
        return parse_tar_header(block)
    except InvalidValueError as error:
        raise malformed(medium, position, f"the header there is damaged or foreign: {error}") from error


def _bad_document(name: str, descriptor: Descriptor, what: str) -> BundleError:
    return BundleError(
        "AB-BUNDLE-DOCUMENT",
        f"the image manifest {descriptor.digest} in {name} cannot be used: {what}",
        hint="the bundle holds something that a registry would refuse; ask whoever built it for a new one",
    )
