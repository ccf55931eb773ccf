"""Gives account of an import: the receipt of what was verified, planned and done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle import __version__
from airgap_bundle.boundary.receipts.receipt import (
    Attached,
    AuditHead,
    HeldBlobs,
    MapRule,
    Outcome,
    Override,
    PolicyUsed,
    Receipt,
    ReceiptItem,
    SignedBy,
    Totals,
)
from airgap_bundle.boundary.receipts.succession import following
from airgap_bundle.boundary.relocation.from_lock import named_in, with_names
from airgap_bundle.bundle.release import release_of
from airgap_bundle.transfer.plan import below

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from airgap_bundle.boundary.destination import Destination
    from airgap_bundle.boundary.judging.verify import Verified
    from airgap_bundle.boundary.sending.upload import Sent
    from airgap_bundle.core.content import Digest
    from airgap_bundle.transfer.paths import PathMap
    from airgap_bundle.transfer.plan import PushPlan, TagMove, Target
    from airgap_bundle.trust.policy_model import Policy


def make_receipt(
    verified: Verified,
    plan: PushPlan,
    sent: Sent,
    *,
    destination: Destination,
    policy: Policy,
    path_map: PathMap,
    audit: AuditHead,
    times: tuple[dt.datetime, dt.datetime],
    previous: Receipt | None,
    adopt_reason: str = "",
    skipped: Sequence[Target] = (),
    held: bool = False,
) -> Receipt:
    """The receipt of an import that has ended. `times` are its start and end, `previous` what was in effect before.

    `skipped` are the items that were left out by choice, which makes it partial.
    """
    inventory, decision = verified.inventory, verified.decision
    overrides = [
        Override(option=used.option.value, value=str(verified.bundle_id), reason=used.reason)
        for used in decision.overrides
    ]
    if adopt_reason:
        overrides.append(Override(option="adopt", value=str(destination), reason=adopt_reason))
    started, finished = times
    receipt = Receipt(
        bundle_id=verified.bundle_id,
        product=inventory.name,
        version=inventory.version,
        sequence=inventory.sequence,
        created=inventory.created,
        audience=inventory.audience,
        destination=str(destination),
        policy=PolicyUsed(version=policy.version, digest=policy.digest),
        signers=tuple(
            SignedBy(signer=one.signer, method=one.method.value, key=one.key, roles=decision.roles_of(one.signer))
            for one in decision.signatures
        ),
        started=started,
        finished=finished,
        tool=f"airgap-bundle {__version__}",
        items=with_names(
            (*items_of(plan, destination.prefix), *(_skipped(target, destination.prefix) for target in skipped)),
            named_in(verified.head.lock_raw),
        ),
        partial=bool(skipped),
        held=held,
        audit=audit,
        map=tuple(MapRule(pattern=rule.source, target=rule.target) for rule in path_map.rules),
        overrides=tuple(overrides),
        upstream=verified.verdicts,
        totals=Totals(
            blobs_pushed=sent.blobs_pushed,
            blobs_mounted=sent.blobs_mounted,
            blobs_present=sent.blobs_present,
            bytes_sent=sent.bytes_sent,
        ),
        content=content_of(plan, destination.prefix),
        expires=inventory.expires,
        release=release_of(inventory),
        delta=bool(inventory.assumed),
    )
    return following(receipt, previous)


def content_of(plan: PushPlan, prefix: str) -> tuple[HeldBlobs, ...]:
    """The layers and files of a plan that was carried out, each with one of the repositories that hold it now."""
    configs = {
        document.config.digest
        for target in (*plan.targets, *plan.attached)
        for document in target.documents
        if document.config is not None
    }
    by_path: dict[str, dict[str, int]] = {}
    for move in plan.blobs:
        if move.digest not in configs:
            by_path.setdefault(below(prefix, move.repositories[0]), {})[move.digest] = move.size
    return tuple(HeldBlobs(path=path, blobs=blobs) for path, blobs in sorted(by_path.items()))


def items_of(plan: PushPlan, prefix: str) -> tuple[ReceiptItem, ...]:
    """What is said of each item of a plan that was carried out; `prefix` is that of DEST."""
    moves = {(move.repository, move.tag): move for move in plan.tags}
    incomplete = {(name, move.digest) for move in plan.blobs for name in move.missing}
    # What is attached hangs on a document of an image: its own, a child's, or that of another attachment.
    attached: dict[tuple[str, Digest], list[Target]] = {}
    for target in plan.attached:
        if target.item.subject is not None:
            attached.setdefault((target.repository, target.item.subject), []).append(target)
    return tuple(_item(target, moves, incomplete, attached, prefix) for target in plan.targets)


def _item(
    target: Target,
    moves: dict[tuple[str, str], TagMove],
    incomplete: set[tuple[str, Digest]],
    attached: dict[tuple[str, Digest], list[Target]],
    prefix: str,
) -> ReceiptItem:
    item = target.item
    move = moves.get((target.repository, item.tag))
    return ReceiptItem(
        kind=item.kind,
        source=item.source,
        path=below(prefix, target.repository),
        tag=item.tag,
        digest=item.digest,
        media_type=item.media_type,
        size=item.size,
        previous=move.previous.digest if move and move.previous else None,
        anchor=target.anchor,
        outcome=_outcome(target, incomplete, move),
        attached=tuple(_attached(target, attached, incomplete)),
    )


def _skipped(target: Target, prefix: str) -> ReceiptItem:
    item = target.item
    return ReceiptItem(
        kind=item.kind,
        source=item.source,
        path=below(prefix, target.repository),
        tag=item.tag,
        digest=item.digest,
        media_type=item.media_type,
        size=item.size,
        previous=None,
        anchor="",
        outcome=Outcome.SKIPPED,
    )


def _outcome(target: Target, incomplete: set[tuple[str, Digest]], move: TagMove | None) -> Outcome:
    complete = all((target.repository, blob.digest) not in incomplete for blob in target.blobs)
    return Outcome.PRESENT if complete and (move is None or not move.changes) else Outcome.PUSHED


def _attached(
    target: Target, attached: dict[tuple[str, Digest], list[Target]], incomplete: set[tuple[str, Digest]]
) -> list[Attached]:
    found: list[Attached] = []
    waiting = [document.descriptor.digest for document in target.documents]
    seen = set(waiting)
    while waiting:
        for one in attached.get((target.repository, waiting.pop(0)), ()):
            found.append(
                Attached(
                    subject=one.item.subject or target.item.digest,
                    digest=one.item.digest,
                    media_type=one.item.media_type,
                    artifact_type=one.top.artifact_type,
                    tag=one.item.tag,
                    outcome=_outcome(one, incomplete, None),
                )
            )
            new = [document.descriptor.digest for document in one.documents]
            waiting += [digest for digest in new if digest not in seen]
            seen.update(new)
    return found
