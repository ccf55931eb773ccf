"""The signatures of publishers that a bundle brings along, found in it and read from it. Nothing is judged here.

They are where registries have them: in manifests under cosign's tag for the subject, and in those that refer to it.
What cannot be attached to anything inside, because only a part of the signed index travels, lies in the bundle as plain
blobs that a verdict names: the index (`original`), the manifest of the signature and its payload (FORMAT.md section
5.4). All of it is as hostile as any other bytes until `trust.upstream_judging` has looked at it.

From a file bytes are read when they are asked for. Of a stream they are kept while it passes, as `await_bytes` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.judging.carried_provenance import ChartParts, parts_of
from airgap_bundle.core import strictjson
from airgap_bundle.core.closure import walk
from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import InvalidValueError, TrustError
from airgap_bundle.core.oci import MAX_DOCUMENT_BYTES, OCI_INDEX, OCI_MANIFEST, parse_document
from airgap_bundle.core.partial_index import is_part
from airgap_bundle.trust.upstream_evidence import (
    MAX_SIGNATURE_BYTES,
    MAX_SIGNATURES,
    SIGNATURE_SUFFIX,
    Candidate,
    candidates_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airgap_bundle.bundle.inventory import Inventory, Item
    from airgap_bundle.bundle.reader import BundleReader
    from airgap_bundle.core.oci import Document

# Kept in memory until a stream has passed: a thousand images with a signature each are 10 MB.
_MAX_KEPT_BYTES = 32 * 1024 * 1024
# Manifests attached to one image that are looked into; as many as the connected side would carry.
_MAX_ATTACHED = 1000


class CarriedSignatures:
    """What may be signatures in one bundle, whose head has been verified."""

    def __init__(self, reader: BundleReader) -> None:
        self._reader = reader
        self._inventory: Inventory = reader.inventory
        # Asked for again with each signature that may be over it, and up to 4 MiB to read.
        self._last_loose: tuple[Digest, Document] | None = None
        self._attached: dict[Digest, list[Item]] = {}
        for item in self._inventory.items:
            if item.subject is not None and (not item.tag or item.tag.endswith(SIGNATURE_SUFFIX)):
                self._attached.setdefault(item.subject, []).append(item)

    def read_documents(self) -> None:
        """Read the image documents of a stream, which come first, in their order. Of a file nothing is read yet."""
        if self._reader.medium.seekable:
            return
        for item in self._inventory.items:
            try:
                list(walk(_descriptor(item), self._reader.load))
            except InvalidValueError as error:
                raise TrustError(
                    "AB-TRUST-UPSTREAM-UNMET",
                    f"{item.source} in the bundle cannot be read, so no signature of it can be checked: {error}",
                    hint="ask whoever built the bundle for a new one",
                ) from error

    def await_bytes(self, items: Iterable[Item]) -> None:
        """Keep what these items will be judged by, when a stream passes it. `TrustError` where that is too much."""
        if self._reader.medium.seekable:
            return
        wanted: set[Digest] = set()
        for item in items:
            wanted.update(candidate.layer.digest for candidate in self._attached_candidates(item))
            wanted.update(digest for pair in _evidence_of(item) for digest in pair)
            parts = self.chart_parts(item)
            wanted.update(part.digest for part in (parts.small if parts is not None else ()))
            if item.original is not None:
                wanted.add(item.original)
        sizes = {digest: self._size(digest) for digest in wanted}
        kept = [digest for digest, size in sizes.items() if size is not None and size <= MAX_DOCUMENT_BYTES]
        if sum(sizes[digest] or 0 for digest in kept) > _MAX_KEPT_BYTES:
            raise TrustError(
                "AB-TRUST-UPSTREAM-LIMITS",
                f"the signatures in the stream have more than {_MAX_KEPT_BYTES} bytes, which are not kept in memory",
                hint="save the bundle to a file first and import that",
            )
        self._reader.keep(kept)

    def is_bare(self, item: Item) -> bool:
        """Whether it is known already that there is nothing that could be a signature over the item."""
        return (
            self.chart_parts(item) is None
            and next(self._attached_candidates(item), None) is None
            and all(self._size(manifest) is None for manifest, _ in _evidence_of(item))
        )

    def candidates(self, item: Item) -> tuple[Candidate, ...]:
        """Everything that may be a signature over one of `signed`; `TrustError` where there is too much of it."""
        return tuple(self._attached_candidates(item)) + tuple(self._evidence_candidates(item))

    def chart_parts(self, item: Item) -> ChartParts | None:
        """Package and provenance file, where the item is a chart that has one."""
        if item.kind != "chart":
            return None
        return parts_of(self._reader.load(_descriptor(item)), self._part)

    def signed(self, item: Item) -> tuple[Digest, ...]:
        """The digests over which a signature counts for the item: its own, and the index that it is a part of.

        An index that it is no part of is passed over, whatever the inventory says.
        """
        if item.original is None or item.original == item.digest:
            return (item.digest,)
        try:
            index = self._loose(item.original)
            own = self._reader.load(_descriptor(item))
            kept = {child.descriptor.digest for child in own.children}
            if index.is_index and is_part(_descriptor(item), kept, index):
                return item.digest, item.original
        except InvalidValueError:
            pass
        return (item.digest,)

    def read_signed(self, item: Item, signed: Digest) -> bytes:
        """The bytes of the image document with this digest, one of `signed`."""
        return self._reader.load(_descriptor(item)).raw if signed == item.digest else self._loose(signed).raw

    def content(self, candidate: Candidate) -> bytes:
        """The bytes of a candidate, digest checked; `InvalidValueError` where they cannot be those of a signature."""
        layer = candidate.layer
        if layer.size > MAX_SIGNATURE_BYTES:
            raise InvalidValueError(f"it has {layer.size} bytes, and a signature at most {MAX_SIGNATURE_BYTES}")
        return self._blob(layer.digest, layer.size)

    def _part(self, part: Descriptor, limit: int) -> bytes:
        if part.size > limit:
            raise InvalidValueError(f"{part.digest} has {part.size} bytes; {limit} are allowed")
        return self._blob(part.digest, part.size)

    def _attached_candidates(self, item: Item) -> Iterator[Candidate]:
        count = 0
        looked: set[Digest] = set()
        for subject in filter(None, (item.digest, item.original)):
            for attached in self._attached.get(subject, ()):
                # What is found by a tag and as a referrer stands there twice.
                if attached.digest in looked:
                    continue
                looked.add(attached.digest)
                for candidate in candidates_in(self._reader.load(_descriptor(attached))):
                    count += 1
                    if count <= MAX_SIGNATURES:
                        yield candidate
                if len(looked) > _MAX_ATTACHED or count > MAX_SIGNATURES:
                    what = f"{MAX_SIGNATURES} signatures" if count > MAX_SIGNATURES else f"{_MAX_ATTACHED} artifacts"
                    raise TrustError(
                        "AB-TRUST-UPSTREAM-LIMITS",
                        f"the bundle brings more than {what} for {item.source}, which are not looked through",
                        hint="have its publisher clear them away, and the bundle built again",
                    )

    def _evidence_candidates(self, item: Item) -> Iterator[Candidate]:
        """Those that verdicts name and that are no items of the bundle: plain blobs. No more than of the others."""
        count = 0
        for manifest, payload in dict.fromkeys(_evidence_of(item)):
            if self._size(manifest) is None:
                continue
            try:
                document = self._loose(manifest)
            except InvalidValueError:
                continue
            for candidate in candidates_in(document):
                count += candidate.layer.digest == payload
                if count > MAX_SIGNATURES:
                    return
                if candidate.layer.digest == payload:
                    yield candidate

    def _loose(self, digest: Digest) -> Document:
        """An image document that lies in the bundle as a plain blob; `InvalidValueError` where it is none."""
        if self._last_loose is not None and self._last_loose[0] == digest:
            return self._last_loose[1]
        size = self._size(digest)
        if size is None or size > MAX_DOCUMENT_BYTES:
            raise InvalidValueError(f"the bundle does not hold {digest}, or it is too long for an image manifest")
        raw = self._blob(digest, size)
        value = strictjson.parse_object(raw, max_bytes=MAX_DOCUMENT_BYTES, floats=True)
        # A document may leave its type to whatever points to it; there is only one that fits each shape.
        document = parse_document(
            raw, "" if value.get("mediaType") else OCI_INDEX if "manifests" in value else OCI_MANIFEST
        )
        self._last_loose = digest, document
        return document

    def _size(self, digest: Digest) -> int | None:
        entry = self._inventory.by_digest.get(digest)
        return entry.size if entry is not None else None

    def _blob(self, digest: Digest, size: int) -> bytes:
        if self._size(digest) != size:
            raise InvalidValueError(f"the bundle does not hold {digest} with {size} bytes")
        if digest not in self._reader.layout.extents:
            raise InvalidValueError(f"{digest} is left out of this delta, as it should be inside already")
        if self._reader.medium.seekable:
            return self._reader.read_blob(digest)
        raw = self._reader.loaded(digest) or self._reader.kept(digest)
        if raw is None or Digest.of(raw) != digest:
            raise InvalidValueError(f"{digest} was not seen in the stream")
        return raw


def _descriptor(item: Item) -> Descriptor:
    return Descriptor(media_type=item.media_type, digest=item.digest, size=item.size)


def _evidence_of(item: Item) -> Iterator[tuple[Digest, Digest]]:
    """Manifest and payload of the signatures that verdicts name; a verdict that names none is passed over."""
    for verdict in item.upstream[:MAX_SIGNATURES]:
        try:
            yield Digest(verdict.get("signature", "")), Digest(verdict.get("payload", ""))
        except InvalidValueError:
            continue
