"""Which children of an index travel when only some platforms are wanted.

Design: none wanted, the whole index; one, that child; several, an index rewritten to the kept descriptors, unchanged
and in order, with the attestations that belong to them (`core.partial_index`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Child, Document, Platform


def choose_children(index: Document, wanted: Sequence[Platform]) -> tuple[Child, ...]:
    """The children that serve the wanted platforms, in the order they stand; without attestations.

    Where several serve one platform the first is what every runtime takes. `InvalidValueError` names what is missing
    and what there is.
    """
    chosen: dict[Digest, Child] = {}
    for platform in wanted:
        child = next((c for c in index.children if c.platform is not None and c.platform.serves(platform)), None)
        if child is None:
            available = sorted({str(c.platform) for c in index.children if c.platform and not c.platform.is_unknown})
            raise InvalidValueError(f"has no {platform}; it has {', '.join(available) or 'no platforms at all'}")
        chosen[child.descriptor.digest] = child
    return tuple(child for child in index.children if child.descriptor.digest in chosen)
