"""What `status` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airgap_bundle.bundle.inventory import time_text
from airgap_bundle.core.text import count_text
from airgap_bundle.output.tables import pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.boundary.lifecycle.overview import Overview, Place, Unfinished
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.output.terminal import Terminal

# What finishes something that did not end, by the kind that it is.
_GO_ON = {
    "push": "push the same bundle again to finish it, or undo it with airgap-import rollback {product}",
    "publish": "publish {receipt} again to finish it",
    "promote": "promote again to finish it, or undo it with airgap-import rollback {product}",
    "rollback": "run airgap-import rollback {product} --to {receipt} again to finish it",
}


def show_status(found: Overview, remarks: Sequence[str], terminal: Terminal) -> None:
    """What is current, what waits, and what did not end."""
    for remark in remarks:
        terminal.warn(remark)
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "current": [receipt_record(place.current) for place in found.places if place.current is not None],
                "undone": [
                    {"product": place.product, "destination": place.destination}
                    for place in found.places
                    if place.current is None
                ],
                "held": [receipt_record(one) for place in found.places for one in place.held],
                "partial": [receipt_record(one) for place in found.places for one in place.partial],
                "unfinished": [
                    {
                        "kind": one.begun.kind,
                        "product": one.begun.product,
                        "receipt": one.begun.receipt_id,
                        "destination": one.begun.destination,
                        "started": time_text(one.begun.started),
                        "worker": one.worker or None,
                        "tags": one.may_have_moved,
                    }
                    for one in found.unfinished
                ],
            }
        )
        return
    if not found.places:
        terminal.show("Nothing has been imported yet")
    for place in found.places:
        _show_place(place, terminal)
    for one in found.unfinished:
        terminal.warn(_unfinished_text(one))


def _show_place(place: Place, terminal: Terminal) -> None:
    if place.current is None:
        terminal.show(f"Nothing of {place.product} is current in {place.destination}")
    else:
        # A receipt's id is to be copied: a table would cut it on a narrow terminal.
        terminal.show(f"{place.product} {place.current.version} is current in {place.destination}")
        terminal.show(pairs(receipt_facts(place.current), width=terminal.width))
    for one in place.held:
        terminal.show(f"{one.product} {one.version} is held in {one.destination}: it waits for publish")
        terminal.show(pairs(receipt_facts(one), width=terminal.width))
    for one in place.partial:
        skipped = sum(1 for item in one.items if item.outcome.value == "skipped")
        terminal.show(
            f"{one.product} {one.version} came to {one.destination} partially, without"
            f" {count_text(skipped, 'item')}: it is not current"
        )
        terminal.show(pairs(receipt_facts(one), width=terminal.width))


def receipt_facts(receipt: Receipt) -> list[tuple[str, str]]:
    """What is said of a receipt, as names and values."""
    facts = [
        ("since", time_text(receipt.publication.at if receipt.publication else receipt.finished)),
        ("signed by", ", ".join(signed.signer for signed in receipt.signers)),
    ]
    if receipt.publication is not None:
        given = [f"{one.name} ({one.digest[:19]}…)" for one in receipt.publication.evidence]
        approved = [one.signer for one in receipt.publication.approvals]
        facts.append(
            ("published", f"approved by {', '.join(approved) or 'nobody'}; evidence: {', '.join(given) or 'none'}")
        )
    if receipt.promotion is not None:
        facts.append(("promoted from", receipt.promotion.destination))
    facts.append(("receipt", receipt.id))
    return [(f"  {name}", value) for name, value in facts]


def receipt_record(one: Receipt) -> dict[str, Any]:
    """What is said of a receipt, for machines."""
    return {
        "product": one.product,
        "release": one.version,
        "destination": one.destination,
        "bundleId": one.bundle_id,
        "sequence": one.sequence,
        "receipt": one.id,
        "finished": time_text(one.finished),
        "signers": [signed.signer for signed in one.signers],
        "published": time_text(one.publication.at) if one.publication else None,
        "promotedFrom": one.promotion.destination if one.promotion else None,
    }


def _unfinished_text(one: Unfinished) -> str:
    begun = one.begun
    what = f"a {begun.kind} of {begun.product} to {begun.destination} began at {time_text(begun.started)}"
    if one.worker:
        return f"{what} and has not ended; at work is {one.worker}"
    tags = f"; up to {count_text(one.may_have_moved, 'tag')} may have moved" if one.may_have_moved else ""
    how = _GO_ON.get(begun.kind, "run it again").format(product=begun.product, receipt=begun.receipt_id)
    return f"{what} and did not end, it was stopped or killed{tags}; {how}"
