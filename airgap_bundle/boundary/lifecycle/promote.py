"""From one registry inside to another, exactly what a receipt says: `promote RECEIPT FROM TO`.

The bundle is not needed again. That its signatures held is what the ledger remembers; whether they are enough for the
other destination is asked of that one's policy. Every byte is hashed on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airgap_bundle import __version__
from airgap_bundle.boundary.judging.release import check_promotion
from airgap_bundle.boundary.lifecycle import promote_plan
from airgap_bundle.boundary.receipts.documents import dump_receipt
from airgap_bundle.boundary.receipts.kept import read_receipts
from airgap_bundle.boundary.receipts.making import content_of, items_of
from airgap_bundle.boundary.receipts.named import find_receipt
from airgap_bundle.boundary.receipts.receipt import Outcome, PolicyUsed, Promotion, Totals
from airgap_bundle.boundary.receipts.succession import following
from airgap_bundle.boundary.relocation.from_lock import names_of, with_names
from airgap_bundle.boundary.sending.attaching import attach_all
from airgap_bundle.boundary.sending.copying import Copier
from airgap_bundle.boundary.sending.presence import check_presence, refresh_tags
from airgap_bundle.boundary.sending.tagging import move_tags, moves_to_note
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import UsageError
from airgap_bundle.transfer.plan import below, join_repository

if TYPE_CHECKING:
    import datetime as dt

    from airgap_bundle.boundary.destination import Destination
    from airgap_bundle.boundary.inside import Inside
    from airgap_bundle.boundary.receipts.receipt import Override, Receipt
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.transfer.plan import PushPlan
    from airgap_bundle.trust.overrides import Overrides


@dataclass(frozen=True, kw_only=True, slots=True)
class Promoted:
    """What a promotion did."""

    receipt: Receipt
    tags_moved: int
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Promote:
    """A promotion that may happen, and what it will do."""

    inside: Inside
    receipt: Receipt
    source: Registry
    source_place: Destination
    registry: Registry
    place: Destination
    plan: PushPlan
    overrides: tuple[Override, ...] = ()
    """What was set aside for it: the bundle has expired since it was accepted in the first registry."""

    def run(self) -> Promoted:
        """Bring everything over.

        1. Bind the destination to the policy; note that it begins: audit trail, ledger.
        2. Copy the missing blobs, hashed on the way; put the images under their anchors.
        3. Ask once more that everything is there; attach; ask what the tags name now.
        4. Move the tags, all or none.
        5. Receipt: audit, ledger, destination.
        """
        inside, ledger, destination = self.inside, self.inside.ledger, str(self.place)
        started = inside.now()
        # 1.
        ledger.policies.enrol(destination, inside.policy, at=started)
        lifted = {one.option: one.reason for one in self.overrides}
        inside.note("begun", self.receipt, destination, **lifted)
        begun = inside.begin(self.receipt, destination)
        with inside.stopping(self.receipt, destination, begun):
            # 2.
            copier = Copier(
                plan=self.plan,
                source=self.source,
                from_repository=self._from_repository,
                is_same_registry=self.source.name == self.registry.name,
                registry=self.registry,
                report=inside.report,
            )
            copier.run(inside.executor, inside.workers)
            # 3.
            inquirer = inside.inquirer(self.registry)
            check_presence(self.plan, inquirer)
            attach_all(self.plan, self.registry, executor=inside.executor, workers=inside.workers)
            plan = refresh_tags(self.plan, inquirer)
            inside.note("sent", self.receipt, destination, blobs=str(copier.sent), bytes=str(copier.bytes_sent))
            # 4.
            ledger.intend(begun, moves_to_note(plan.tags, self.place.prefix))
            documents = {target.top.descriptor.digest: target.top for target in plan.targets}
            moved = move_tags(self.registry, plan.tags, documents)
        # 5.
        inside.note("finished", self.receipt, destination, tags=str(moved))
        totals = Totals(
            blobs_pushed=copier.sent,
            blobs_mounted=copier.mounted,
            blobs_present=copier.present,
            bytes_sent=copier.bytes_sent,
        )
        receipt = ledger.finish(begun, self._account(plan, totals, started))
        inside.keep(receipt, self.registry, self.place.prefix)
        return Promoted(receipt=receipt, tags_moved=moved, overrides=self.overrides)

    def _from_repository(self, repository: str) -> str:
        return join_repository(self.source_place.prefix, below(self.place.prefix, repository))

    def _account(self, plan: PushPlan, totals: Totals, started: dt.datetime) -> Receipt:
        inside = self.inside
        current = inside.ledger.current(self.receipt.product, str(self.place))
        receipt = replace(
            self.receipt,
            destination=str(self.place),
            policy=PolicyUsed(version=inside.policy.version, digest=inside.policy.digest),
            started=started,
            finished=inside.now(),
            tool=f"airgap-bundle {__version__}",
            items=with_names(items_of(plan, self.place.prefix), names_of(self.receipt.items)),
            content=content_of(plan, self.place.prefix),
            audit=inside.audit.head(),
            totals=totals,
            overrides=tuple(dict.fromkeys((*self.receipt.overrides, *self.overrides))),
            promotion=Promotion(
                destination=self.receipt.destination,
                receipt=self.receipt.id,
                digest=Digest.of(dump_receipt(self.receipt)),
            ),
        )
        return following(receipt, current)


def plan_promote(
    inside: Inside,
    named: str,
    source_place: Destination,
    place: Destination,
    *,
    overrides: Overrides | None = None,
) -> Promote:
    """Find out that what a receipt names may and can be brought over, and what that does. Changes nothing.

    1. The receipt is complete, of FROM, and TO is another place.
    2. The policy that binds TO lets it in: signatures, hold, repositories, audience, freshness there, of which only
       `overrides` set expiry aside.
    3. FROM still holds all of it.
    4. What TO holds already, and what its tags name.
    """
    ledger = inside.ledger
    # 1.
    with inside.refusals(destination=str(place)):
        receipt = find_receipt(ledger, named)
    _check_places(receipt, source_place, place)
    inside.lock(receipt.product)
    # 2.
    registry = inside.open(place)
    with inside.refusals(receipt.product, receipt.bundle_id, str(place)):
        kept = read_receipts(registry, place.prefix, receipt.product)
        ledger.policies.check(str(place), inside.policy, kept)
        history = ledger.history(receipt.product, str(place), inside.policy.revoked_bundles, in_destination=kept)
        lifted = check_promotion(inside.policy, receipt, history, inside.now(), overrides)
    # 3.
    source = inside.open(source_place)
    recall = inside.recall(source)
    chosen = [item for item in receipt.items if item.outcome is not Outcome.SKIPPED]
    where = {id(item): join_repository(source_place.prefix, item.path) for item in chosen}
    recall.read((where[id(item)], item.digest) for item in chosen)
    recall.read((where[id(item)], one.digest) for item in chosen for one in item.attached)
    recall.check_blobs()
    if recall.faults:
        raise recall.lost(receipt.destination, receipt.id)
    # 4.
    targets = promote_plan.targets_of(receipt, recall, source_place.prefix, place.prefix)
    plan = promote_plan.plan_copy(targets, destination=str(place), inquirer=inside.inquirer(registry))
    return Promote(
        inside=inside,
        receipt=receipt,
        source=source,
        source_place=source_place,
        registry=registry,
        place=place,
        plan=plan,
        overrides=lifted,
    )


def _check_places(receipt: Receipt, source: Destination, place: Destination) -> None:
    if receipt.destination != str(source):
        raise UsageError(
            "AB-RECEIPT-DESTINATION",
            f"{receipt.id} is a receipt of {receipt.destination}, not of {source}",
            hint="name the registry that the receipt is of as FROM",
        )
    if str(source) == str(place):
        raise UsageError(
            "AB-USAGE-SAME-PLACE", f"FROM and TO are the same place: {place}", hint="name another registry or path"
        )
    if receipt.held or receipt.partial:
        kind = "held and was not published" if receipt.held else "of a partial import"
        raise UsageError(
            "AB-PROMOTE-INCOMPLETE",
            f"{receipt.id} is {kind}, so it is not ready to be promoted",
            hint="publish it first" if receipt.held else "push the whole bundle first",
        )
