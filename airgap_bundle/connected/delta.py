"""Leaves out of a bundle what the bases say is inside: layers and files, never documents, configs or signatures.

The same contents and the same bases leave out the same, in whatever order the bases are named, so two people who build
a delta get one bundle id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.core.text import count_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airgap_bundle.bundle.inventory import BlobEntry
    from airgap_bundle.connected.contents import Contents, Entry
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Document
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.transfer.bases import Base, CommonGround


@dataclass(frozen=True, kw_only=True, slots=True)
class Delta:
    """What is left out, in the order in which it would travel, and the bundles that are said to have brought it.

    `bases` are what it was built against: nothing of them is proved.
    """

    assumed: tuple[BlobEntry, ...] = ()
    base: tuple[Digest, ...] = ()
    bases: tuple[Base, ...] = ()

    def left_out(self, entries: Iterable[Entry]) -> tuple[tuple[BlobEntry, ...], ...]:
        """For each item the blobs of it that do not travel. Items may share some."""
        gone = {blob.digest: blob for blob in self.assumed}
        return tuple(
            tuple(gone[digest] for digest in dict.fromkeys(_digests_of(documents)) if digest in gone)
            for _, documents in entries
        )


WHOLE = Delta()


def leave_out(contents: Contents, lock: Lock, bases: Sequence[Base], report: Reporter) -> tuple[Contents, Delta]:
    """The contents without what the bases say is inside, and what that is. What is odd about a base is remarked on."""
    if not bases:
        return contents, WHOLE
    from airgap_bundle.transfer.bases import find_common_ground  # noqa: PLC0415 - most bundles are whole

    listed = tuple(base.listing(lambda images: _blobs_of(contents, images)) for base in bases)
    ground = find_common_ground(listed, lock.name)
    optional = _optional(contents)
    assumed = tuple(blob for blob in contents.blobs if blob.digest in optional and ground.has(blob))
    for message in _remarks(lock, listed, ground, contents, assumed):
        report(Remark(severity=Severity.WARNING, message=message))
    gone = {blob.digest for blob in assumed}
    kept = replace(contents, blobs=tuple(blob for blob in contents.blobs if blob.digest not in gone))
    return kept, Delta(assumed=assumed, base=ground.bundles_of(assumed), bases=listed)


def whole_entries(contents: Contents, delta: Delta) -> tuple[Entry, ...]:
    """The items that other tools can load from the bundle, since nothing of them was left out."""
    if not delta.assumed:
        return contents.entries
    gone = {blob.digest for blob in delta.assumed}
    return tuple(entry for entry in contents.entries if gone.isdisjoint(_digests_of(entry[1])))


def _digests_of(documents: Iterable[Document]) -> Iterator[Digest]:
    return (blob.digest for document in documents for blob in document.blobs)


def _optional(contents: Contents) -> frozenset[Digest]:
    """What need not travel: layers and files, but for those in which a signature of a publisher may be.

    The inside judges signatures before anything is at its destination, by what the bundle holds.
    """
    from airgap_bundle.trust.provenance import PROVENANCE_LAYER  # noqa: PLC0415 - most bundles are whole
    from airgap_bundle.trust.upstream_evidence import candidates_in  # noqa: PLC0415 - see above

    found: set[Digest] = set()
    always: set[Digest] = set()
    for _, documents in contents.entries:
        for document in documents:
            always.add(document.descriptor.digest)
            always.update(candidate.layer.digest for candidate in candidates_in(document))
            always.update(layer.digest for layer in document.layers if layer.media_type == PROVENANCE_LAYER)
            if document.config is not None:
                always.add(document.config.digest)
            found.update(layer.digest for layer in document.layers)
    # An index that was rewritten is kept as evidence, and so are the signatures over it: nothing points to them.
    return frozenset(found - always - {item.original for item in contents.items if item.original is not None})


def _blobs_of(contents: Contents, images: frozenset[Digest]) -> Mapping[Digest, int]:
    """The blobs of those images that travel now too, unchanged."""
    return {
        blob.digest: blob.size
        for item, documents in contents.entries
        if item.digest in images
        for document in documents
        for blob in document.blobs
    }


def _remarks(
    lock: Lock, bases: Sequence[Base], ground: CommonGround, contents: Contents, assumed: tuple[BlobEntry, ...]
) -> Iterator[str]:
    from airgap_bundle.transfer.bases import BaseKind  # noqa: PLC0415 - most bundles are whole

    for base in bases:
        name = printable(base.name)
        if any(held.unlisted for held in base.unverified_held):
            yield f"{name} does not list blobs, as it is of an earlier version: only unchanged images are left out"
        later = [one for one in base.bundles if one.product == lock.name and one.sequence > lock.sequence]
        if later and base.kind is not BaseKind.BUNDLE:
            yield f"{name} says that {lock.name} {later[0].version} is inside, which is newer than this lock"
        sizes = [held.blobs for held in base.unverified_held]
        lying = sum(any(blobs.get(blob.digest, blob.size) != blob.size for blobs in sizes) for blob in contents.blobs)
        if lying:
            yield f"{name} gives {count_text(lying, 'blob')} another size than here, so that travels"
    if ground.set_aside:
        places = ", ".join(ground.set_aside)
        yield f"{lock.name} was not imported to {places}, so what is held there does not count"
    if not assumed:
        yield "nothing of what travels is in the bases, so this is a full bundle"
