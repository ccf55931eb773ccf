"""An index with only some of its children: made the same way by everybody, and recognised as a part of the whole.

A signature over an index vouches for its children, and so for what is made of them by leaving others out. Whoever wants
to rely on that has to see that nothing else was done; so both sides make the part again and compare. Pure.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airgap_bundle.core.oci import Document, parse_document

if TYPE_CHECKING:
    from collections.abc import Collection

    from airgap_bundle.core.content import Descriptor, Digest


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


def is_part(part: Descriptor, kept: Collection[Digest], index: Document) -> bool:
    """Whether `part` is a child of the index, or what `keep_children` makes of it with the children `kept`."""
    children = {child.descriptor.digest for child in index.children}
    if part.digest in children:
        return True
    return bool(kept) and children.issuperset(kept) and keep_children(index, kept).descriptor == part
