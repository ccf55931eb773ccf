"""Takes away again what an import has made visible that trust refuses at its end: the anchors of its images.

Only a stream gets that far, as the signatures of its publishers are judged when it has passed. Bytes cannot be unsent;
without an anchor nothing names them, and the registry's own collection takes them. After any other failure anchors
stay: they keep what was sent for the next attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.sending.untagging import remove_tags
from airgap_bundle.core.errors import AirgapError
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.core.text import count_text
from airgap_bundle.transfer.plan import join_repository

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.registry.abilities import Registry

# Names of anchors in a warning; the rest is counted.
_SHOWN = 3


def recorded_anchors(receipts: Iterable[Receipt | None], prefix: str) -> frozenset[tuple[str, str]]:
    """The anchors (repository, tag) that receipts name: of what was accepted once, and may be gone back to."""
    return frozenset(
        (join_repository(prefix, item.path), item.anchor)
        for receipt in receipts
        if receipt is not None
        for item in receipt.items
        if item.anchor
    )


def withdraw_anchors(
    registry: Registry, put: Iterable[tuple[str, str]], needed: Collection[tuple[str, str]], report: Reporter
) -> dict[str, str]:
    """Remove the anchors that this import has put, but for those that are needed; what the audit trail says of it.

    Why the bundle was refused matters more than what cannot be removed, so that is remarked on and nothing is raised.
    """
    names = sorted(name for name in put if name not in needed)
    try:
        stuck = remove_tags(registry, names)
    except AirgapError as error:
        _remark(report, [f"{repository}:{tag}" for repository, tag in names], error.message)
        return {"anchors": str(len(names)), "withdrawn": "unknown"}
    if stuck:
        _remark(report, stuck, f"{registry.name} does not let tags be removed")
    return {"anchors": str(len(names)), "withdrawn": str(len(names) - len(stuck))}


def _remark(report: Reporter, names: Collection[str], why: str) -> None:
    shown = ", ".join(list(names)[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    message = f"{count_text(len(names), 'anchor')} of the refused bundle may have stayed: {why}; remove by hand {shown}"
    report(Remark(severity=Severity.WARNING, message=message))
