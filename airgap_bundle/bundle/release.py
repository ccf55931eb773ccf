"""What all bundles of one release have in common, whatever of it they leave out: one digest.

A delta and a full bundle of the same lock are two inventories with two ids. What they are to bring is the same, and
this says so. It is a function of a signed inventory and is believed as far as that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.inventory import release_values
from airgap_bundle.bundle.layout import LOCK, MANIFEST
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest

if TYPE_CHECKING:
    from airgap_bundle.bundle.inventory import Inventory

# The views for other tools are members too, and name only what is whole in one bundle.
_MEMBERS = (MANIFEST, LOCK)


def release_of(inventory: Inventory) -> Digest:
    """SHA-256 of the canonical inventory without what is of this bundle alone: views, blobs, and what is left out.

    Left are product, version, audience, sequence, times, the digests of manifest and lock, and every item with its
    names, digest and verdicts. A document names everything below it by digest, so two bundles with the same value
    bring the same bytes to the same places.
    """
    members = {member.name: member.digest for member in inventory.members if member.name in _MEMBERS}
    return Digest.of(strictjson.canonical_object({**release_values(inventory), "members": members}))
