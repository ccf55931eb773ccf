"""What travels so that verdicts on upstream signatures can be judged again, where it would not travel anyway.

A signature that is attached to something inside travels with it. One over an index of which only a part travels, or one
beside an image whose `referrers` are left out, has nothing to be attached to: the index, the manifest of the signature
and its payload then lie in the bundle as plain blobs, which no registry gets (FORMAT.md section 5.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airgap_bundle.core.content import Descriptor
    from airgap_bundle.core.oci import Document
    from airgap_bundle.manifest.locked import LockedItem


@dataclass(frozen=True, kw_only=True, slots=True)
class CarriedEvidence:
    """Image documents and payloads that are plain blobs of the bundle. `index` is the one that was signed, or None."""

    index: Document | None = None
    signatures: tuple[Document, ...] = ()
    payloads: tuple[Descriptor, ...] = ()

    @property
    def documents(self) -> Iterator[Document]:
        """The index first."""
        if self.index is not None:
            yield self.index
        yield from self.signatures


def gather_evidence(item: LockedItem, load: Callable[[Digest], Document]) -> CarriedEvidence:
    """The evidence for the verdicts of an item; `load` fetches an image document.

    `DocumentError` where a verdict names a payload that its signature does not have: somebody edited the lock.
    """
    attached = {one.digest for one in item.attached}
    index = None
    signatures: dict[Digest, Document] = {}
    payloads: dict[Digest, Descriptor] = {}
    for verdict in item.verdicts:
        if item.original is not None and verdict.get("digest") == item.original.digest:
            index = load(item.original.digest)
        if "payload" not in verdict or verdict["signature"] in attached:
            continue
        try:
            name, payload = Digest(verdict["signature"]), Digest(verdict["payload"])
        except InvalidValueError as error:
            raise _edited(item) from error
        document = signatures[name] = load(name)
        layer = next((layer for layer in document.layers if layer.digest == payload), None)
        if layer is None:
            raise _edited(item)
        payloads[payload] = layer
    return CarriedEvidence(index=index, signatures=tuple(signatures.values()), payloads=tuple(payloads.values()))


def _edited(item: LockedItem) -> DocumentError:
    return DocumentError(
        "AB-LOCK-MISMATCH",
        f"{item.source}: what the lock says of its upstream signature does not fit that signature",
        hint="the lock was edited or made by another version; make it again with airgap-manifest lock",
    )
