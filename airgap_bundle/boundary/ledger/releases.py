"""What bundles were to bring that were accepted before: read from receipts, for those with the last sequence only.

The column of the ledger says which bundle came; of which release it was stands in the receipt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airgap_bundle.trust.freshness import Accepted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.core.content import Digest


def with_releases(
    entries: Iterable[Accepted], revoked: Collection[Digest], get: Callable[[Accepted], Receipt | None]
) -> list[Accepted]:
    """The ledger's entries; those with the highest sequence that counts say what was to come and whether all of it did.

    Only these are compared with a new bundle, and a receipt may be long.
    """
    kept = [entry for entry in entries if entry.bundle_id not in revoked]
    last = max((entry.sequence for entry in kept), default=None)
    return [_with_release(entry, get(entry)) if entry.sequence == last else entry for entry in kept]


def _with_release(entry: Accepted, receipt: Receipt | None) -> Accepted:
    return entry if receipt is None else replace(entry, release=receipt.release, is_delta=receipt.delta)


def accepted_by_destination(receipts: Iterable[Receipt]) -> list[Accepted]:
    """What DEST says was imported. Nobody whom the policy names signed it, so it is never the word that loosens."""
    return [
        Accepted(bundle_id=one.bundle_id, sequence=one.sequence, created=one.created, release=one.release)
        for one in receipts
        if not one.partial
    ]
