"""Which children of an index travel when only some platforms are wanted.

Design: none wanted, the whole index; one, that child; several, an index rewritten to the kept descriptors, unchanged
and in order, with the attestations that belong to them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Document, parse_document

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Child, Platform


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


def keep_children(index: Document, digests: Collection[Digest]) -> Document:
    """The index with only these children and their attestations; the same bytes for the same choice, always.

    Descriptors stay as they are, fields that we do not know included. Where all of them stay it is the index itself.
    """
    kept = {
        child.descriptor.digest
        for child in index.children
        if child.descriptor.digest in digests or child.attests in digests
    }
    if len(kept) == len({child.descriptor.digest for child in index.children}):
        return index
    value = index.value
    value["manifests"] = [entry for entry in value["manifests"] if entry["digest"] in kept]
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return parse_document(raw, index.descriptor.media_type)
