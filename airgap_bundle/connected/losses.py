"""What a choice of platforms leaves behind: said once, while the lock is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.connected.attachments import attached_to
from airgap_bundle.core.text import count_text

if TYPE_CHECKING:
    from airgap_bundle.connected.resolve import Wish
    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.manifest.locked import LockedItem


def losses(item: LockedItem, wish: Wish, sources: Sources) -> str:
    """A sentence for a person about what does not travel with a filtered image; "" where nothing is lost.

    `RegistryError` where the registry cannot tell.
    """
    if item.original is None:
        return ""
    host, repository = wish.reference.host, wish.reference.repository
    attached = sum(1 for _ in attached_to(sources.registry(host), repository, item.original.digest))
    index = sources.document(host, repository, item.original.digest)
    # Where several platforms are kept, their attestations are too.
    attestations = sum(1 for child in index.children if child.attests == item.digest)
    lost = [
        *([f"{count_text(attached, 'artifact')} attached to its index (signatures and the like)"] if attached else []),
        *([f"{count_text(attestations, 'attestation')} in its index"] if attestations else []),
    ]
    if not lost:
        return ""
    what = " and ".join(lost)
    return f"{wish.place}: {wish.source} travels for some platforms only, and leaves behind {what}"
