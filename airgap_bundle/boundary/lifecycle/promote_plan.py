"""What a promotion moves, as the plan of a push: made from a receipt and from what was read back, not from a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.receipt import Outcome
from airgap_bundle.boundary.sending.presence import plan_names
from airgap_bundle.bundle.inventory import Item
from airgap_bundle.transfer.plan import BlobMove, PushPlan, Target, join_repository, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.boundary.lifecycle.recall import Recall
    from airgap_bundle.boundary.receipts.receipt import Receipt, ReceiptItem
    from airgap_bundle.boundary.sending.presence import Inquirer

# What an item of an inventory may have; a receipt allows more.
_MAX_SOURCE_CHARACTERS = 1024


def targets_of(receipt: Receipt, recall: Recall, source_prefix: str, prefix: str) -> tuple[Target, ...]:
    """The items of a receipt and what is attached to them, with their documents, and where they go below `prefix`."""
    found: list[Target] = []
    for item in receipt.items:
        if item.outcome is Outcome.SKIPPED:
            continue
        came_from = join_repository(source_prefix, item.path)
        repository = join_repository(prefix, item.path)
        for one, anchor in _items(item, recall, came_from):
            documents = recall.documents[came_from, one.digest]
            found.append(Target(item=one, repository=repository, anchor=anchor, documents=documents))
    return tuple(found)


def plan_copy(targets: tuple[Target, ...], *, destination: str, inquirer: Inquirer) -> PushPlan:
    """Ask what is there, and say what will be done. A signature tag that names something else is a conflict."""
    wanted = needs(targets)
    sizes = {blob.digest: blob.size for target in targets for blob in target.blobs}
    held = inquirer.held_among((name, digest, sizes[digest]) for digest, names in wanted.items() for name in names)
    blobs = tuple(
        BlobMove(digest=digest, size=sizes[digest], repositories=names, held=held.get(digest, frozenset()))
        for digest, names in wanted.items()
    )
    return plan_names(targets, blobs, destination=destination, inquirer=inquirer)


def _items(item: ReceiptItem, recall: Recall, repository: str) -> Iterator[tuple[Item, str]]:
    source = item.source[:_MAX_SOURCE_CHARACTERS]
    yield (
        Item(
            kind=item.kind,
            source=source,
            path=item.path,
            tag=item.tag,
            digest=item.digest,
            media_type=item.media_type,
            size=item.size,
        ),
        item.anchor,
    )
    for one in item.attached:
        top = recall.document(repository, one.digest).descriptor
        attached = Item(
            kind="attached",
            source=source,
            path=item.path,
            tag=one.tag,
            digest=one.digest,
            media_type=top.media_type,
            size=top.size,
            subject=one.subject,
        )
        yield attached, ""
