"""Gives held images their tags, after scans and approvals: `publish RECEIPT`.

The receipt of the hold is replaced by one that says on which evidence and by whose approval its images got their tags.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airgap_bundle.boundary.audit.redaction import without_secrets
from airgap_bundle.boundary.destination import Destination
from airgap_bundle.boundary.judging.release import Released, check_release
from airgap_bundle.boundary.receipts.documents import dump_receipt
from airgap_bundle.boundary.receipts.named import find_receipt
from airgap_bundle.boundary.receipts.receipt import Evidence, Outcome, Publication
from airgap_bundle.boundary.receipts.succession import following
from airgap_bundle.boundary.sending.tagging import move_tags, moves_to_note
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import HostError, TrustError, UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.transfer.plan import TagMove, join_repository
from airgap_bundle.trust import keys
from airgap_bundle.trust.files import read_file
from airgap_bundle.trust.packets import MAX_SIGNATURE_BYTES
from airgap_bundle.trust.received import KnownKeys, receive
from airgap_bundle.trust.signatures import CountedSignature, check_signatures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.boundary.inside import Inside
    from airgap_bundle.boundary.lifecycle.recall import Recall
    from airgap_bundle.boundary.receipts.receipt import Override, Receipt, ReceiptItem, SignedBy
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.trust.overrides import Overrides
    from airgap_bundle.trust.policy_model import Policy

_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Publish:
    """A publication that may happen: the held receipt, the tags that will move, and what is said in the new receipt."""

    inside: Inside
    receipt: Receipt
    registry: Registry
    prefix: str
    tags: tuple[TagMove, ...]
    recall: Recall
    evidence: tuple[Evidence, ...]
    approvals: tuple[SignedBy, ...]
    overrides: tuple[Override, ...] = ()
    """What was set aside for it: the bundle has expired since."""

    @property
    def is_done(self) -> bool:
        """Whether it was published before."""
        return not self.receipt.held

    def run(self) -> Receipt:
        """Move the tags; the receipt that holds now.

        1. Note that it begins: audit trail, and the ledger with every tag that will move.
        2. Move the tags, all or none.
        3. Receipt: audit, ledger, destination.
        """
        if self.is_done:
            # A run that was killed may have ended before the destination had the receipt.
            self.inside.keep(self.receipt, self.registry, self.prefix)
            return self.receipt
        inside, ledger = self.inside, self.inside.ledger
        # 1.
        inside.note(
            "begun",
            self.receipt,
            evidence=", ".join(f"{one.name} {one.digest}" for one in self.evidence),
            approvals=", ".join(one.signer for one in self.approvals),
            **{one.option: one.reason for one in self.overrides},
        )
        begun = inside.begin(self.receipt)
        with inside.stopping(self.receipt, begun=begun):
            ledger.intend(begun, moves_to_note(self.tags, self.prefix))
            # 2.
            documents = {move.digest: self.recall.document(move.repository, move.digest) for move in self.tags}
            moved = move_tags(self.registry, self.tags, documents)
        # 3.
        inside.note("finished", self.receipt, tags=str(moved))
        receipt = ledger.finish(begun, self._published())
        inside.keep(receipt, self.registry, self.prefix)
        return receipt

    def _published(self) -> Receipt:
        current = self.inside.ledger.current(self.receipt.product, self.receipt.destination)
        before = {(move.repository, move.tag): move.previous for move in self.tags}

        def item(one: ReceiptItem) -> ReceiptItem:
            key = (join_repository(self.prefix, one.path), one.tag)
            if key not in before:
                return one
            previous = before[key]
            return replace(one, previous=previous.digest if previous else None)

        published = replace(
            self.receipt,
            held=False,
            items=tuple(item(one) for one in self.receipt.items),
            audit=self.inside.audit.head(),
            overrides=tuple(dict.fromkeys((*self.receipt.overrides, *self.overrides))),
            publication=Publication(
                at=self.inside.now(),
                held=Digest.of(dump_receipt(self.receipt)),
                evidence=self.evidence,
                approvals=self.approvals,
            ),
        )
        return following(published, current)


def plan_publish(
    inside: Inside,
    named: str,
    *,
    evidence: Sequence[Path],
    approvals: Sequence[Path],
    overrides: Overrides | None = None,
) -> Publish:
    """Find out that held images may get their tags, and which. Changes nothing.

    1. The receipt, and the files that were given.
    2. The policy: the one that binds the destination; approvals over the receipt; its expiry, which only `overrides`
       set aside; waiting time; nothing newer is there.
    3. Everything is there: documents and blobs. What the tags name now.
    """
    ledger = inside.ledger
    # 1.
    with inside.refusals():
        receipt = find_receipt(ledger, named)
        inside.lock(receipt.product)
        # Whoever held the lock may have published it meanwhile.
        receipt = ledger.get(receipt.id) or receipt
    files = tuple(_evidence(path) for path in evidence)
    released = Released(approvals=())
    # 2.
    if receipt.held:
        with inside.refusals(receipt.product, receipt.bundle_id, receipt.destination):
            ledger.policies.check(receipt.destination, inside.policy)
            counted = _approvals(inside, receipt, approvals)
            released = check_release(inside.policy, receipt, counted, inside.now(), overrides)
            _check_newest(ledger.current(receipt.product, receipt.destination), receipt)
    elif receipt.publication is None:
        raise UsageError(
            "AB-PUBLISH-NOT-HELD",
            f"{receipt.id} was not held: its tags moved when it was imported",
            hint="airgap-import status shows what is held",
        )
    # 3.
    place = Destination.parse(receipt.destination)
    registry = inside.open(place)
    recall = inside.recall(registry)
    tags: tuple[TagMove, ...] = ()
    if receipt.held:
        chosen = [item for item in receipt.items if item.outcome is not Outcome.SKIPPED]
        full = {id(item): join_repository(place.prefix, item.path) for item in chosen}
        recall.read((full[id(item)], item.digest) for item in chosen)
        recall.read((full[id(item)], one.digest) for item in chosen for one in item.attached)
        recall.check_blobs()
        if recall.faults:
            raise recall.lost(receipt.destination, receipt.id)
        tagged = [item for item in chosen if item.tag]
        heads = inside.inquirer(registry).manifests({(full[id(item)], item.tag) for item in tagged})
        tags = tuple(
            TagMove(
                repository=full[id(item)],
                tag=item.tag,
                digest=item.digest,
                previous=heads.get((full[id(item)], item.tag)),
            )
            for item in tagged
        )
    return Publish(
        inside=inside,
        receipt=receipt,
        registry=registry,
        prefix=place.prefix,
        tags=tags,
        recall=recall,
        evidence=files,
        approvals=released.approvals,
        overrides=released.overrides,
    )


def _evidence(path: Path) -> Evidence:
    """Digest and size of a file of any length."""
    hasher, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                hasher.update(piece)
                size += len(piece)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UsageError("AB-USAGE-FILE", f"there is no evidence {printable(str(path))}", hint="name a file") from error
    except OSError as error:
        raise HostError(
            "AB-HOST-READ", f"the evidence {printable(str(path))} cannot be read: {error.strerror}"
        ) from error
    return Evidence(
        name=printable(without_secrets(path.name)), digest=Digest(f"sha256:{hasher.hexdigest()}"), size=size
    )


def _approvals(inside: Inside, receipt: Receipt, files: Sequence[Path]) -> tuple[CountedSignature, ...]:
    """The signatures over the held receipt that count. One that does not is refused: it was given to be counted."""
    if not files:
        return ()
    raw = dump_receipt(receipt)
    known = known_keys(inside.policy)
    received = [
        receive(read_file(file, "approval", max_bytes=2 * MAX_SIGNATURE_BYTES), raw, str(file), known) for file in files
    ]
    verdict = check_signatures(inside.policy, raw, [(one.name, one.data) for one in received], inside.now())
    for bad in verdict.uncounted:
        raise TrustError(bad.code, f"an approval does not count: {bad.reason}", hint=bad.hint)
    return verdict.counted


def known_keys(policy: Policy) -> KnownKeys:
    """The keys of a policy, to find out whose a signature is."""
    signers = policy.signers.values()
    return KnownKeys(
        openpgp=tuple(key.public_key for signer in signers for key in signer.openpgp),
        plain=tuple(keys.read_public_key(key.pem.encode()) for signer in signers for key in signer.keys),
    )


def _check_newest(current: Receipt | None, receipt: Receipt) -> None:
    if current is not None and current.sequence > receipt.sequence:
        raise TrustError(
            "AB-TRUST-OLDER",
            f"{receipt.id} has the sequence {receipt.sequence}, older than {current.sequence} of {current.id}, which is"
            " current",
            hint="what is older does not replace what is newer; bring a newer bundle",
        )
