"""What `airgap-import` says: verdicts, plans, results and records, for people and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airgap_bundle.bundle.inventory import time_text
from airgap_bundle.cli.delta_text import amount_text, base_lines, delta_facts, delta_record
from airgap_bundle.cli.export_text import count_items, item_record
from airgap_bundle.cli.upstream_text import NOT_CHECKED_AGAIN, has_verdicts, judged_table, upstream_table
from airgap_bundle.core.text import count_text, size_text
from airgap_bundle.output.tables import closing_line, pairs, table
from airgap_bundle.trust.decision import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.boundary.audit.trail import AuditVerdict
    from airgap_bundle.boundary.judging.verify import Verified
    from airgap_bundle.boundary.pushed import Prepared, Pushed
    from airgap_bundle.bundle.inventory import BlobEntry
    from airgap_bundle.output.terminal import Terminal
    from airgap_bundle.trust.decision import Decision, Step
    from airgap_bundle.trust.policy_model import Policy

_FINDINGS_STATUS = 1
# How a check ended, at a glance: what held, what an override lifted, what is worth knowing.
_MARKS = {Outcome.PASSED: "ok", Outcome.OVERRIDDEN: "!!", Outcome.NOTED: "--"}


def show_steps(steps: Sequence[Step], terminal: Terminal) -> None:
    """The checks that held: all of them, or those before the one that did not. For people only."""
    if terminal.json or not steps:
        return
    ordered = sorted(steps, key=lambda step: step.number)
    rows = [(str(step.number), step.title, _MARKS[step.outcome], step.detail) for step in ordered]
    terminal.show(table(("", "CHECK", "", "WHAT WAS SEEN"), rows, width=terminal.width, fold=True))


def show_verdict(bundle: str, verified: Verified, steps: Sequence[Step], seconds: float, terminal: Terminal) -> None:
    """Each check that was made, who signed, and what was not checked."""
    inventory, decision = verified.inventory, verified.decision
    not_checked = [*decision.not_checked, "whether it is newer than what a destination has; push asks that"]
    if inventory.assumed:
        not_checked.append(
            f"whether a destination has what it leaves out ({amount_text(inventory.assumed)}); push asks that"
        )
    if has_verdicts(inventory) and not verified.verdicts:
        not_checked.append(NOT_CHECKED_AGAIN)
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "verdict": "accepted",
                "bundle": bundle,
                **_identity(verified),
                **delta_record(verified.inventory),
                **_trust_record(decision),
                "steps": [_step_record(step) for step in steps],
                "upstream": [one.record for one in verified.verdicts],
                "notChecked": not_checked,
                "items": [item_record(item) for item in inventory.items],
            }
        )
        return
    show_steps(steps, terminal)
    terminal.show("")
    terminal.show(
        closing_line(
            "Accepted",
            f"{inventory.name} {inventory.version}",
            count_items(inventory),
            size=verified.reader.layout.total_bytes,
            seconds=seconds,
        )
    )
    # Digests that are there to be compared stand on lines of their own, in full: 78 columns.
    terminal.show(f"bundle {verified.bundle_id}")
    for line in base_lines(inventory):
        terminal.show(line)
    terminal.show(f"policy {decision.policy_digest}")
    facts = [("policy", f"version {decision.policy_version}, entry {decision.entry!r}")]
    facts += delta_facts(inventory)
    facts.append(("signed by", _signers(decision)))
    facts += [("overridden", f"--{used.option.value}: {used.reason}") for used in decision.overrides]
    terminal.show(pairs(facts, width=terminal.width))
    if verified.verdicts:
        terminal.show("")
        terminal.show(judged_table(verified.verdicts, terminal.width))
    elif has_verdicts(inventory):
        terminal.show("")
        terminal.show(upstream_table(inventory, terminal.width))
    terminal.say(pairs([("not checked", sentence) for sentence in not_checked], width=terminal.width))


def show_plan(prepared: Prepared, terminal: Terminal) -> None:
    """What a push would do."""
    plan, verified = prepared.plan, prepared.verified
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "destination": plan.destination,
                **_identity(verified),
                **delta_record(verified.inventory),
                **_trust_record(verified.decision),
                "upstream": [one.record for one in verified.verdicts],
                "uploads": [
                    {"digest": move.digest, "size": move.size, "to": move.missing[0], "mounts": list(move.missing[1:])}
                    for move in plan.blobs
                    if move.missing and not move.source
                ],
                "mounts": [
                    {"digest": move.digest, "size": move.size, "from": move.source, "to": list(move.missing)}
                    for move in plan.blobs
                    if move.missing and move.source
                ],
                "uploadBytes": plan.upload_bytes,
                "tags": [
                    {
                        "repository": move.repository,
                        "tag": move.tag,
                        "digest": move.digest,
                        "previous": move.previous.digest if move.previous else None,
                    }
                    for move in plan.tags
                ],
            }
        )
        return
    rows = [
        (
            f"{move.repository}:{move.tag}",
            "stays" if not move.changes else "new" if move.previous is None else f"was {move.previous.digest}",
            move.digest,
        )
        for move in plan.tags
    ]
    terminal.show(table(("TAG", "NOW", "WILL BE"), rows, width=terminal.width))
    moving = sum(1 for move in plan.tags if move.changes)
    mounts = sum(len(move.missing) - (0 if move.source else 1) for move in plan.blobs if move.missing)
    terminal.show(
        closing_line(
            "Would push to",
            plan.destination,
            [(plan.upload_count, "blob to upload"), (mounts, "mount"), (moving, "tag")],
            size=plan.upload_bytes,
        ).replace("blob to uploads", "blobs to upload")
        if plan.upload_count or mounts or moving
        else f"{plan.destination} has all of it; nothing to do"
    )
    if proved := _proved(prepared):
        terminal.show(f"What the bundle leaves out is there: {amount_text(proved)}")


def show_pushed(bundle: str, pushed: Pushed, seconds: float, terminal: Terminal) -> None:
    """What a push has done."""
    verified, sent, receipt = pushed.prepared.verified, pushed.sent, pushed.receipt
    inventory = verified.inventory
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "bundle": bundle,
                "destination": receipt.destination,
                **_identity(verified),
                **delta_record(verified.inventory),
                **_trust_record(verified.decision),
                "upstream": [one.record for one in verified.verdicts],
                "receipt": receipt.id,
                "tagsMoved": pushed.tags_moved,
                "held": pushed.held,
                "partial": bool(pushed.prepared.skipped),
                "blobs": {
                    "pushed": sent.blobs_pushed,
                    "mounted": sent.blobs_mounted,
                    "present": sent.blobs_present,
                    "bytesSent": sent.bytes_sent,
                },
                "files": list(pushed.files),
                "items": [
                    {
                        "source": item.source,
                        "path": item.path,
                        "tag": item.tag,
                        "digest": item.digest,
                        "outcome": item.outcome.value,
                        "previous": item.previous,
                    }
                    for item in receipt.items
                ],
            }
        )
        return
    release = f"{inventory.name} {inventory.version}"
    was_there = not (sent.blobs_pushed or sent.blobs_mounted or pushed.tags_moved)
    terminal.show(
        closing_line(
            "Nothing to do:" if was_there else "Pushed",
            f"{receipt.destination} has {release}" if was_there else f"{release} to {receipt.destination}",
            count_items(inventory),
            seconds=seconds,
        )
    )
    blobs = (
        f"{sent.blobs_pushed} sent ({size_text(sent.bytes_sent)}), {sent.blobs_mounted} mounted, "
        f"{sent.blobs_present} there before"
    )
    facts = [
        ("blobs", blobs),
        *([("base", f"{amount_text(proved)} were inside already")] if (proved := _proved(pushed.prepared)) else []),
        ("tags", f"{count_text(pushed.tags_moved, 'tag')} moved"),
        ("signed by", _signers(verified.decision)),
        *([("upstream", _publishers(verified))] if verified.verdicts else []),
        *([("files", f"{count_text(len(pushed.files), 'file')} written")] if pushed.files else []),
        ("receipt", receipt.id),
    ]
    terminal.show(pairs(facts, width=terminal.width))
    if pushed.prepared.skipped:
        left_out = count_text(len(pushed.prepared.skipped), "item")
        terminal.show(f"Partial, without {left_out}: what is current, and what is newest, stays what it was")
    if pushed.held:
        terminal.show(f"Held, no tag has moved: airgap-import publish {receipt.id}")


def show_new_policy(policy: Policy, output: Path, terminal: Terminal) -> None:
    """What was written, and what to do before relying on it."""
    keys = [(name, key.fingerprint) for name, signer in policy.signers.items() for key in signer.openpgp]
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "policy": str(output),
                "digest": policy.digest,
                "signers": [{"signer": name, "openpgp": fingerprint} for name, fingerprint in keys],
            }
        )
        return
    terminal.show(f"Wrote {output}: {', '.join(policy.signers)} may bring in every product, to every repository")
    terminal.show(pairs([(name, fingerprint) for name, fingerprint in keys], width=terminal.width))
    terminal.say("Compare the fingerprint with its owner by telephone, not by the way the key came")


def show_audit(verdict: AuditVerdict, path: Path, terminal: Terminal) -> int:
    """Whether the trail is whole; 1 where it is not."""
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "trail": str(path),
                "records": verdict.records,
                "head": verdict.head.digest,
                "whole": verdict.is_whole,
                "problems": list(verdict.problems),
                "tornBytes": verdict.torn_bytes,
            }
        )
    else:
        for problem in verdict.problems:
            terminal.show(problem)
        whole = "is whole" if verdict.is_whole else "was changed"
        terminal.show(f"{path} {whole}: {count_text(verdict.records, 'record')}, head {verdict.head.digest}")
    return 0 if verdict.is_whole else _FINDINGS_STATUS


def _proved(prepared: Prepared) -> list[BlobEntry]:
    """What the bundle leaves out of the items that come in: the destination has it, as nothing is planned else."""
    needed = {move.digest for move in prepared.plan.blobs}
    return [blob for blob in prepared.verified.inventory.assumed if blob.digest in needed]


def _identity(verified: Verified) -> dict[str, Any]:
    inventory = verified.inventory
    return {
        "bundleId": verified.bundle_id,
        "product": inventory.name,
        "release": inventory.version,
        "sequence": inventory.sequence,
        "created": time_text(inventory.created),
        "expires": time_text(inventory.expires) if inventory.expires else None,
    }


def _trust_record(decision: Decision) -> dict[str, Any]:
    return {
        "policy": {"version": decision.policy_version, "digest": decision.policy_digest, "entry": decision.entry},
        "signers": [
            {
                "signer": one.signer,
                "method": one.method.value,
                "key": one.key,
                "roles": list(decision.roles_of(one.signer)),
            }
            for one in decision.signatures
        ],
        "uncounted": [{"name": one.name, "code": one.code, "reason": one.reason} for one in decision.uncounted],
        "overrides": [{"option": used.option.value, "reason": used.reason} for used in decision.overrides],
    }


def _step_record(step: Step) -> dict[str, Any]:
    return {"number": step.number, "title": step.title, "outcome": step.outcome.value, "detail": step.detail}


def _publishers(verified: Verified) -> str:
    """Whose signatures were demanded, over how much."""
    people = ", ".join(dict.fromkeys(one.by for one in verified.verdicts))
    return f"{count_text(len({one.source for one in verified.verdicts}), 'item')} signed by {people}"


def _signers(decision: Decision) -> str:
    return ", ".join(
        f"{one.signer} ({', '.join(decision.roles_of(one.signer)) or 'not needed'})" for one in decision.signatures
    )
