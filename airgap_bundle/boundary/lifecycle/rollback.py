"""Goes back: the tags of a product name what an earlier receipt says, after checking that all of it is still there.

Killed at any step it is run again and finishes: what a tag names now says what is left to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airgap_bundle.boundary.destination import Destination
from airgap_bundle.boundary.inside import only_destination
from airgap_bundle.boundary.ledger.standing import Claim
from airgap_bundle.boundary.ledger.values import TagMove as Noted
from airgap_bundle.boundary.lifecycle.rollback_plan import (
    RollbackPlan,
    Target,
    decide_tags,
    sort_words,
    tags_of,
    touched_names,
)
from airgap_bundle.boundary.receipts.named import find_receipt
from airgap_bundle.boundary.sending.tagging import move_tags
from airgap_bundle.boundary.sending.untagging import remove_tags
from airgap_bundle.bundle.inventory import check_product
from airgap_bundle.core.errors import InvalidValueError, TrustError, UsageError
from airgap_bundle.transfer.plan import TagMove, join_repository

if TYPE_CHECKING:
    from airgap_bundle.boundary.inside import Inside
    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.lifecycle.recall import Recall
    from airgap_bundle.boundary.lifecycle.rollback_plan import Name, Words
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.core.content import Digest
    from airgap_bundle.registry.abilities import Registry

# For --to: before the first import. No id of a receipt is a word without a hyphen.
NOTHING = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class RolledBack:
    """What a rollback did. `stuck` are new tags whose names the registry did not remove."""

    plan: RollbackPlan
    moved: int
    removed: int
    stuck: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollback:
    """A rollback that is possible: the plan, the registry, and what was read back from it."""

    inside: Inside
    plan: RollbackPlan
    registry: Registry
    prefix: str
    recall: Recall

    def run(self) -> RolledBack:
        """Move the tags back.

        1. Note that it begins: audit trail and ledger, with every tag that will move.
        2. Put back old digests, all or none.
        3. Remove the names that were new; those that the registry keeps are listed.
        4. The ledger says what is current now; audit trail.
        """
        plan, inside, ledger = self.plan, self.inside, self.inside.ledger
        about = plan.target or plan.current
        if about is None or not plan.is_needed:
            return RolledBack(plan=plan, moved=0, removed=0)
        # 1.
        inside.note("begun", about, plan.destination, to=plan.target.id if plan.target else NOTHING)
        begun = inside.begin(about, plan.destination)
        with inside.stopping(about, plan.destination, begun):
            ledger.intend(begun, self._noted())
            # 2.
            back = [move for move in self._tag_moves() if move.changes]
            documents = {move.digest: self.recall.document(move.repository, move.digest) for move in back}
            moved = move_tags(self.registry, back, documents)
        with inside.stopping(about, plan.destination):
            # 3.
            names = [(self._full(m.path), m.tag) for m in plan.moves if m.to is None and m.now is not None]
            stuck = remove_tags(self.registry, names)
        # 4.
        ledger.reinstate(begun, plan.target, plan.claims, plan.gone, at=inside.now())
        inside.note(
            "finished",
            about,
            plan.destination,
            to=plan.target.id if plan.target else NOTHING,
            moved=str(moved),
            removed=str(len(names) - len(stuck)),
            left=str(len(plan.left)),
            stuck=", ".join(stuck),
        )
        return RolledBack(plan=plan, moved=moved, removed=len(names) - len(stuck), stuck=stuck)

    def _full(self, path: str) -> str:
        return join_repository(self.prefix, path)

    def _tag_moves(self) -> list[TagMove]:
        return [
            TagMove(repository=self._full(move.path), tag=move.tag, digest=move.to, previous=move.now)
            for move in self.plan.moves
            if move.to is not None
        ]

    def _noted(self) -> list[Noted]:
        return [
            Noted(path=move.path, tag=move.tag, previous=move.now.digest if move.now else None, digest=move.to)
            for move in self.plan.moves
            if move.to is not None and move.changes
        ]


def plan_rollback(inside: Inside, product: str, *, to: str = "", dest: str = "") -> Rollback:
    """Find out what going back means, and that it can be done. Changes nothing.

    1. Which destination and which receipt are meant.
    2. The policy that binds the destination, which must not have revoked what to go back to.
    3. What the tags name now; which of them move.
    4. Everything that the tags will name is there: documents and blobs.
    """
    ledger = inside.ledger
    # 1.
    with inside.refusals(product):
        named = find_receipt(ledger, to) if to and to != NOTHING else None
    inside.lock(named.product if named else check_product_name(product))
    destination = only_destination(ledger, product, dest or (named.destination if named else ""))
    receipt = _target(ledger, product, destination, named, to)
    # 2.
    bundle_id = receipt.bundle_id if receipt else None
    with inside.refusals(product, bundle_id, destination):
        ledger.policies.check(destination, inside.policy)
        if receipt is not None and receipt.bundle_id in inside.policy.revoked_bundles:
            raise TrustError(
                "AB-TRUST-REVOKED-BUNDLE",
                f"the policy has revoked the bundle of {receipt.id}, so nothing goes back to it",
                hint="go back to another receipt with --to, or ask for the bundle that replaces it",
            )
    # 3.
    place = Destination.parse(destination)
    registry = inside.open(place)
    unfinished = ledger.unfinished(product, destination)
    noted = [move for begun in unfinished for move in ledger.intended(begun)]
    words = sort_words(product, ledger.standing.claims(destination, product), noted)
    target = Target(receipt=receipt, number=ledger.standing.number(receipt.id) if receipt else 0)
    target = _with_history(ledger, words, target, product, destination)
    names = touched_names(words, target)
    full = {name: join_repository(place.prefix, name[0]) for name in names}
    heads = inside.inquirer(registry).manifests({(full[name], name[1]) for name in names})
    found = {name: heads[full[name], name[1]] for name in names if (full[name], name[1]) in heads}
    moves, left, gone = decide_tags(words, target, found)
    plan = RollbackPlan(
        product=product,
        destination=destination,
        current=ledger.current(product, destination),
        target=receipt,
        moves=tuple(moves),
        left=tuple(left),
        claims=tuple(_claims(product, target)),
        gone=tuple(gone),
        unfinished=unfinished,
    )
    # 4.
    recall = inside.recall(registry)
    recall.read((full[move.path, move.tag], move.to) for move in moves if move.to and move.changes)
    recall.read((join_repository(place.prefix, one.path), one.digest) for one in (receipt.items if receipt else ()))
    recall.check_blobs()
    if recall.faults:
        raise recall.lost(destination, receipt.id if receipt else "what was there before")
    return Rollback(inside=inside, plan=plan, registry=registry, prefix=place.prefix, recall=recall)


def check_product_name(product: str) -> str:
    """`product` if it can name one; `UsageError` else."""
    try:
        return check_product(product)
    except InvalidValueError as error:
        raise UsageError("AB-USAGE-VALUE", str(error), hint="airgap-import status shows the products") from error


def _target(ledger: Ledger, product: str, destination: str, named: Receipt | None, to: str) -> Receipt | None:
    if to == NOTHING:
        return None
    if named is not None:
        _check_named(named, product, destination)
        return named
    current = ledger.current(product, destination)
    if _something_is_pending(ledger, product, destination, current):
        # What is half done, or was imported in part on top of it, is undone first.
        return current
    before = ledger.get(current.previous) if current is not None and current.previous else None
    while before is not None and (before.partial or before.held):
        before = ledger.get(before.previous) if before.previous else None
    if before is None:
        raise UsageError(
            "AB-ROLLBACK-NOTHING",
            f"{product} has no earlier complete import at {destination} to go back to",
            hint=f"--to {NOTHING} takes away what its first import brought, or puts back what was there before",
        )
    return before


def _something_is_pending(ledger: Ledger, product: str, destination: str, current: Receipt | None) -> bool:
    last = ledger.standing.last_finished(product, destination)
    if any(one.number > last and one.kind != "rollback" for one in ledger.unfinished(product, destination)):
        return True
    number = ledger.standing.number(current.id) if current else 0
    claims = ledger.standing.claims(destination, product)
    return any(claim.product == product and claim.number > number for claim in claims)


def _check_named(receipt: Receipt, product: str, destination: str) -> None:
    if receipt.product != product or receipt.destination != destination:
        raise UsageError(
            "AB-RECEIPT-DESTINATION",
            f"{receipt.id} is a receipt of {receipt.product} at {receipt.destination},"
            f" not of {product} at {destination}",
            hint="airgap-import status shows the receipts of each product and destination",
        )
    if receipt.partial or receipt.held:
        kind = "of a partial import" if receipt.partial else "held and was never published"
        raise UsageError(
            "AB-ROLLBACK-INCOMPLETE",
            f"{receipt.id} is {kind}, so there is nothing complete to go back to",
            hint="name the receipt of a complete import",
        )


def _with_history(ledger: Ledger, words: Words, target: Target, product: str, destination: str) -> Target:
    """The target with what was under the tags that came after it. Older receipts are read only where that matters."""
    own = tags_of(target.receipt) if target.receipt else {}
    later = {name for name, claim in words.own.items() if claim.number > target.number and name not in own}
    if not later:
        return target
    before: dict[Name, Digest | None] = {}
    older: dict[Name, Claim] = {}
    is_later = True
    for receipt in ledger.receipts(product, destination):
        number = ledger.standing.number(receipt.id)
        if number <= target.number:
            is_later = False
            if not any(before.get(name) for name in later if name not in older):
                break
        if receipt.held:
            continue
        for item in receipt.items:
            name = (item.path, item.tag)
            if name not in later:
                continue
            if is_later:
                before[name] = item.previous
            elif name not in older and before.get(name) == item.digest:
                older[name] = Claim(path=item.path, tag=item.tag, product=product, digest=item.digest, number=number)
    return replace(target, before=before, older=older)


def _claims(product: str, target: Target) -> list[Claim]:
    own = [
        Claim(path=path, tag=tag, product=product, digest=digest, number=target.number)
        for (path, tag), digest in target.tags().items()
    ]
    return [*own, *target.older.values()]
