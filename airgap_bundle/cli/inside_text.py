"""What the commands say that work with what was imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airgap_bundle.cli.status_text import receipt_facts, receipt_record
from airgap_bundle.core.text import count_text, size_text
from airgap_bundle.output.tables import closing_line, pairs, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from airgap_bundle.boundary.lifecycle.holdings import HeldThere
    from airgap_bundle.boundary.lifecycle.promote import Promote, Promoted
    from airgap_bundle.boundary.lifecycle.pruning import PrunePlan
    from airgap_bundle.boundary.lifecycle.publish import Publish
    from airgap_bundle.boundary.lifecycle.reconcile import Drifted, DriftReport
    from airgap_bundle.boundary.lifecycle.rollback import RolledBack
    from airgap_bundle.boundary.lifecycle.rollback_plan import RollbackPlan, TagBack
    from airgap_bundle.boundary.receipts.receipt import Override, Receipt
    from airgap_bundle.output.terminal import Terminal
    from airgap_bundle.transfer.plan import TagMove

_FINDINGS_STATUS = 1


def show_publish_plan(planned: Publish, terminal: Terminal) -> None:
    """What publishing would do."""
    if terminal.json:
        terminal.emit({"version": 1, "receipt": planned.receipt.id, "tags": [_move_record(m) for m in planned.tags]})
        return
    _show_moves(planned.tags, terminal)
    moving = sum(1 for move in planned.tags if move.changes)
    done = "; it was published already" if planned.is_done else ""
    terminal.show(f"Would publish {planned.receipt.id}: {count_text(moving, 'tag')} would move{done}")


def show_published(planned: Publish, receipt: Receipt, terminal: Terminal) -> None:
    """What publishing has done."""
    publication = receipt.publication
    moved = sum(1 for move in planned.tags if move.changes)
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                **receipt_record(receipt),
                "tagsMoved": moved,
                "evidence": [
                    {"name": one.name, "digest": one.digest, "size": one.size}
                    for one in (publication.evidence if publication else ())
                ],
                "approvals": [
                    {"signer": one.signer, "roles": list(one.roles)}
                    for one in (publication.approvals if publication else ())
                ],
                "overrides": _override_records(planned.overrides),
            }
        )
        return
    if planned.is_done:
        terminal.show(f"{receipt.id} was published already; nothing to do")
        return
    terminal.show(
        f"Published {receipt.product} {receipt.version} in {receipt.destination}: {count_text(moved, 'tag')} moved"
    )
    terminal.show(pairs([*receipt_facts(receipt), *_override_facts(planned.overrides, "  ")], width=terminal.width))


def _override_records(overrides: Iterable[Override]) -> list[dict[str, str]]:
    return [{"option": one.option, "reason": one.reason} for one in overrides]


def _override_facts(overrides: Iterable[Override], margin: str = "") -> list[tuple[str, str]]:
    return [(f"{margin}overridden", f"--{one.option}: {one.reason}") for one in overrides]


def show_rollback_plan(plan: RollbackPlan, terminal: Terminal) -> int:
    """What going back would do."""
    if terminal.json:
        terminal.emit({"version": 1, **_rollback_record(plan)})
        return 0
    rows = [(f"{move.path}:{move.tag}", *_back_words(move)) for move in plan.moves]
    rows += [(f"{one.path}:{one.tag}", f"stays: {one.reason}", one.now or "") for one in plan.left]
    terminal.show(table(("TAG", "NOW", "WILL BE"), rows, width=terminal.width))
    to = plan.target.id if plan.target else "before the first import"
    needed = "" if plan.is_needed else "; nothing to do"
    terminal.show(f"Would go back to {to} in {plan.destination}{needed}")
    return 0


def show_rolled_back(done: RolledBack, terminal: Terminal) -> int:
    """What going back has done; 1 where the registry keeps tags that should be gone."""
    plan = done.plan
    status = _FINDINGS_STATUS if done.stuck else 0
    if terminal.json:
        counts = {"moved": done.moved, "removed": done.removed, "stuck": list(done.stuck)}
        terminal.emit({"version": 1, **_rollback_record(plan), **counts})
        return status
    what = f"{plan.product} {plan.target.version}" if plan.target else f"before the first import of {plan.product}"
    if not plan.is_needed:
        terminal.show(f"{plan.destination} is at {what} already; nothing to do")
        return status
    terminal.show(
        closing_line(
            "Went back to",
            f"{what} in {plan.destination}",
            [(done.moved, "tag moved"), (done.removed, "tag removed")],
        )
        .replace("tag moveds", "tags moved")
        .replace("tag removeds", "tags removed")
    )
    if plan.target is not None:
        terminal.show(pairs([("receipt", plan.target.id)], width=terminal.width))
    for one in plan.left:
        terminal.warn(f"{one.path}:{one.tag} is left as it is ({one.now}): {one.reason}")
    for name in done.stuck:
        terminal.show(f"not removed, the registry keeps it: {name}")
    return status


def _rollback_record(plan: RollbackPlan) -> dict[str, Any]:
    return {
        "product": plan.product,
        "destination": plan.destination,
        "from": plan.current.id if plan.current else None,
        "to": plan.target.id if plan.target else None,
        "tags": [
            {"path": m.path, "tag": m.tag, "now": m.now.digest if m.now else None, "to": m.to, "changes": m.changes}
            for m in plan.moves
        ],
        "left": [{"path": one.path, "tag": one.tag, "now": one.now, "reason": one.reason} for one in plan.left],
        "unfinished": [one.receipt_id for one in plan.unfinished],
    }


def _back_words(move: TagBack) -> tuple[str, str]:
    now = move.now.digest if move.now else "not there"
    if not move.changes:
        return "stays", move.to or "not there"
    return now, move.to or "removed"


def show_promote_plan(planned: Promote, terminal: Terminal) -> None:
    """What promoting would do."""
    plan = planned.plan
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "receipt": planned.receipt.id,
                "destination": plan.destination,
                "uploadBytes": plan.upload_bytes,
                "uploads": plan.upload_count,
                "tags": [_move_record(move) for move in plan.tags],
            }
        )
        return
    _show_moves(plan.tags, terminal)
    moving = sum(1 for move in plan.tags if move.changes)
    terminal.show(
        f"Would promote {planned.receipt.id} to {plan.destination}: {count_text(plan.upload_count, 'blob')},"
        f" {size_text(plan.upload_bytes)}, {count_text(moving, 'tag')}"
    )


def show_promoted(done: Promoted, terminal: Terminal) -> None:
    """What promoting has done."""
    receipt, totals = done.receipt, done.receipt.totals
    if terminal.json:
        record = {
            "pushed": totals.blobs_pushed,
            "mounted": totals.blobs_mounted,
            "present": totals.blobs_present,
            "bytesSent": totals.bytes_sent,
        }
        lifted = _override_records(done.overrides)
        moved = {"tagsMoved": done.tags_moved, "blobs": record, "overrides": lifted}
        terminal.emit({"version": 1, **receipt_record(receipt), **moved})
        return
    terminal.show(f"Promoted {receipt.product} {receipt.version} to {receipt.destination}")
    blobs = (
        f"{totals.blobs_pushed} sent ({size_text(totals.bytes_sent)}), {totals.blobs_mounted} mounted,"
        f" {totals.blobs_present} there before"
    )
    facts = [
        ("blobs", blobs),
        ("tags", f"{count_text(done.tags_moved, 'tag')} moved"),
        ("receipt", receipt.id),
        *_override_facts(done.overrides),
    ]
    terminal.show(pairs(facts, width=terminal.width))


def show_drift(report: DriftReport, terminal: Terminal) -> int:
    """What has drifted; 1 where anything has."""
    status = _FINDINGS_STATUS if report.drifted else 0
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "checked": {"tags": report.tags, "images": report.images, "blobs": report.blobs},
                "drifted": [
                    {
                        "destination": one.destination,
                        "repository": one.repository,
                        "kind": one.kind,
                        "name": one.name,
                        "expected": one.expected,
                        "found": one.found or None,
                        "state": _drift_state(one),
                        "products": list(one.products),
                    }
                    for one in report.drifted
                ],
            }
        )
        return status
    for one in report.drifted:
        joint = ":" if one.kind in {"tag", "anchor"} else "@"
        sentence = f"the {one.kind} {one.repository}{joint}{one.name} is {_drift_state(one)}"
        moved = f": {one.found} instead of {one.expected}" if one.found else ""
        terminal.show(f"{one.destination}: {sentence}{moved}")
    asked = (
        f"{count_text(report.tags, 'tag')}, {count_text(report.images, 'image')}, {count_text(report.blobs, 'blob')}"
    )
    if report.drifted:
        terminal.show(f"{count_text(len(report.drifted), 'thing')} drifted, of {asked}")
        terminal.say("hint: push the bundle again; it restores what is missing and sets the tags")
    else:
        terminal.show(f"Everything is as the ledger says: {asked}")
    return status


def _drift_state(one: Drifted) -> str:
    if one.found is None:
        return "missing"
    return "moved" if one.found else "damaged"


def show_holdings(held: Sequence[HeldThere], output: Path, terminal: Terminal) -> None:
    """What was written."""
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "file": str(output),
                "destinations": [
                    {
                        "destination": one.destination,
                        "receipts": [receipt.id for receipt in one.receipts],
                        "blobs": len(one.blobs),
                        "bytes": sum(size for _, size in one.blobs),
                        "missing": one.missing,
                    }
                    for one in held
                ],
            }
        )
        return
    for one in held:
        products = ", ".join(f"{receipt.product} {receipt.version}" for receipt in one.receipts)
        size = size_text(sum(size for _, size in one.blobs))
        terminal.show(f"{one.destination}: {count_text(len(one.blobs), 'blob')}, {size}, of {products}")
        if one.missing:
            terminal.warn(f"{count_text(one.missing, 'thing')} missing there; airgap-import drift says what")
    terminal.show(f"Wrote {output}")


def show_prune_plan(plan: PrunePlan, terminal: Terminal) -> int:
    """What pruning would delete, and the id that carries it out."""
    if terminal.json:
        terminal.emit({"version": 1, **_prune_record(plan)})
        return 0
    for path, tag in plan.anchors:
        terminal.show(f"{path}:{tag}")
    if not plan.anchors:
        terminal.show(f"Nothing to prune in {plan.destination}: {count_text(plan.kept, 'anchor')} needed")
        return 0
    terminal.show(
        f"Would delete {count_text(len(plan.anchors), 'anchor')} of {plan.product} in {plan.destination};"
        f" {count_text(plan.kept, 'anchor')} stay"
    )
    terminal.say(f"hint: carry it out with --delete {plan.id}")
    return 0


def show_pruned(plan: PrunePlan, stuck: Sequence[str], terminal: Terminal) -> int:
    """What pruning has deleted; 1 where the registry keeps some."""
    status = _FINDINGS_STATUS if stuck else 0
    if terminal.json:
        terminal.emit({"version": 1, **_prune_record(plan), "stuck": list(stuck)})
        return status
    for name in stuck:
        terminal.show(f"not deleted, the registry keeps it: {name}")
    terminal.show(
        f"Deleted {count_text(len(plan.anchors) - len(stuck), 'anchor')} of {plan.product} in {plan.destination}"
    )
    return status


def _prune_record(plan: PrunePlan) -> dict[str, Any]:
    anchors = [{"path": path, "tag": tag} for path, tag in plan.anchors]
    return {
        "product": plan.product,
        "destination": plan.destination,
        "plan": plan.id,
        "anchors": anchors,
        "kept": plan.kept,
    }


def write_lines(lines: Iterable[bytes], terminal: Terminal) -> None:
    """The lines of a trail as they are; a record of ours is printable in every encoding that has ASCII and UTF-8."""
    for line in lines:
        terminal.write(line.decode("utf-8", "backslashreplace"))


def _move_record(move: TagMove) -> dict[str, Any]:
    return {
        "repository": move.repository,
        "tag": move.tag,
        "digest": move.digest,
        "previous": move.previous.digest if move.previous else None,
    }


def _show_moves(moves: Sequence[TagMove], terminal: Terminal) -> None:
    rows = [
        (
            f"{move.repository}:{move.tag}",
            "stays" if not move.changes else "new" if move.previous is None else f"was {move.previous.digest}",
            move.digest,
        )
        for move in moves
    ]
    terminal.show(table(("TAG", "NOW", "WILL BE"), rows, width=terminal.width))
