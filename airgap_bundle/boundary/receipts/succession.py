"""What a receipt says of the time before it: which one was in effect, and what was under the tags that moved.

An import may run twice, and a release may come twice (as a delta, then in full). Each time the tags point to the new
images already; what was there before is then known from the receipt of the first time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airgap_bundle.boundary.receipts.receipt import Receipt, ReceiptItem

# Path, tag, and the digest that the tag was moved to.
TagKey = tuple[str, str, Digest]


def inheriting(receipt: Receipt, earlier: Receipt | None, moved: Mapping[TagKey, Digest | None]) -> Receipt:
    """`receipt`, of a second run, with what only the first could see: what was under the tags that it moved.

    On the second run a tag points to the new image already; without this a repeated import could not be undone.
    `moved` has what earlier runs noted before they moved a tag, by path, tag and new digest; `earlier` is the receipt
    that is there under the same id. What was published or promoted once stays so.
    """
    before: dict[TagKey, Digest | None] = {}
    if earlier is not None:
        receipt = replace(
            receipt,
            # What was held or partial was never in effect, so it says nothing about what was before.
            previous=receipt.previous if earlier.held or earlier.partial else earlier.previous,
            publication=receipt.publication or earlier.publication,
            promotion=receipt.promotion or earlier.promotion,
        )
        before = _previous_of(earlier)
    before.update(moved)
    return replace(receipt, items=tuple(_inheriting_item(item, before) for item in receipt.items))


def following(receipt: Receipt, current: Receipt | None) -> Receipt:
    """`receipt` with what was in effect before it, when `current` is what is in effect now.

    Where that is of the very same release, both have the same before: going back from the one does not lead to the
    other, which would change nothing.
    """
    if current is None or current.id == receipt.id or receipt.release is None or current.release != receipt.release:
        return replace(receipt, previous=current.id if current else "")
    before = _previous_of(current)
    items = tuple(_inheriting_item(item, before) for item in receipt.items)
    return replace(receipt, previous=current.previous, items=items)


def _previous_of(receipt: Receipt) -> dict[TagKey, Digest | None]:
    return {(item.path, item.tag, item.digest): item.previous for item in receipt.items if item.tag}


def _inheriting_item(item: ReceiptItem, before: Mapping[TagKey, Digest | None]) -> ReceiptItem:
    key = (item.path, item.tag, item.digest)
    return replace(item, previous=before[key]) if item.previous == item.digest and key in before else item
