"""What was found out about upstream signatures when the lock was made, as whoever made the bundle wrote it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.output.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.boundary.judging.upstream_verdict import UpstreamVerdict
    from airgap_bundle.bundle.inventory import Inventory

NOT_CHECKED_AGAIN = "upstream signatures, again: the verdicts are those of whoever made the lock"


def has_verdicts(inventory: Inventory) -> bool:
    """Whether any was checked."""
    return any(item.upstream for item in inventory.items)


def judged_table(verdicts: Iterable[UpstreamVerdict], width: int | None) -> str:
    """A line for each signature that the policy demanded and that was judged here."""
    rows = [(one.source, one.by, one.issuer, one.match) for one in verdicts]
    return table(("SOURCE", "SIGNED UPSTREAM BY", "ISSUER", "DEMANDED FOR"), rows, width=width)


def upstream_table(inventory: Inventory, width: int | None) -> str:
    """A line for each verdict: what was signed, by whom, and which rule of the manifest asked for it."""
    rows = [
        (item.source, verdict.get("by", "?"), verdict.get("issuer", ""), verdict.get("rule", "?"))
        for item in inventory.items
        for verdict in item.upstream
    ]
    return table(("SOURCE", "SIGNED UPSTREAM BY", "ISSUER", "RULE"), rows, width=width)
