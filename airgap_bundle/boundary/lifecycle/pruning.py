"""Takes away anchors that nothing needs any more, so that the registry may collect what only they keep.

First a plan with a name of its own, then exactly that plan: what has changed in between makes it another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.destination import Destination
from airgap_bundle.boundary.inside import only_destination
from airgap_bundle.boundary.sending.untagging import remove_tags
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import UsageError
from airgap_bundle.transfer.plan import join_repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airgap_bundle.boundary.inside import Inside
    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.registry.abilities import Registry

# How many complete imports one can go back to.
KEPT_RECEIPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class PrunePlan:
    """The anchors (path, tag) that are in the destination and not needed; `kept` counts those that stay."""

    product: str
    destination: str
    anchors: tuple[tuple[str, str], ...]
    kept: int

    @property
    def id(self) -> Digest:
        """What whoever carries it out has to name."""
        names = [f"{path}:{tag}" for path, tag in self.anchors]
        return Digest.of(strictjson.canonical([self.product, self.destination, names]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Prune:
    """A plan, and the registry to carry it out in."""

    inside: Inside
    plan: PrunePlan
    registry: Registry
    prefix: str

    def run(self, confirmed: str) -> tuple[str, ...]:
        """Delete what the plan names; the names that the registry keeps. `UsageError` if another plan was meant."""
        plan = self.plan
        if confirmed != plan.id:
            raise UsageError(
                "AB-USAGE-PLAN",
                f"{confirmed} is not the plan that there is to carry out now: something has changed since",
                hint=f"look at the plan again, then --delete {plan.id}",
            )
        about = self.inside.ledger.latest(plan.product, plan.destination)
        if not plan.anchors or about is None:
            return ()
        self.inside.note("begun", about, plan.destination, plan=plan.id, anchors=str(len(plan.anchors)))
        with self.inside.stopping(about, plan.destination):
            names = [(join_repository(self.prefix, path), tag) for path, tag in plan.anchors]
            stuck = remove_tags(self.registry, names)
        self.inside.note("finished", about, plan.destination, plan=plan.id, stuck=str(len(stuck)))
        return stuck


def anchors_to_keep(
    ledger: Ledger, product: str, destination: str, last: int = KEPT_RECEIPTS
) -> frozenset[tuple[str, str]]:
    """(path, anchor) of everything that `receipts_to_keep` has."""
    kept = receipts_to_keep(ledger, product, destination, last)
    return frozenset(name for receipt in kept for name in _anchors(receipt))


def receipts_to_keep(ledger: Ledger, product: str, destination: str, last: int = KEPT_RECEIPTS) -> Iterator[Receipt]:
    """Everything since the product's last three receipts that one can go back to.

    Partial and held imports are nothing to go back to; they are kept where they are newer than the third. So is what is
    current, however old it is.
    """
    current = ledger.current(product, destination)
    if current is not None:
        yield current
    yield from since_complete(ledger.receipts(product, destination), last)


def since_complete(receipts: Iterable[Receipt], last: int = KEPT_RECEIPTS) -> Iterator[Receipt]:
    """Of receipts, newest first, all up to the third complete one: to partial and held ones nobody goes back."""
    for receipt in receipts:
        if last <= 0:
            return
        yield receipt
        last -= not (receipt.partial or receipt.held)


def plan_prune(inside: Inside, product: str, *, dest: str = "") -> Prune:
    """Find the anchors that the ledger knows, that are there, and that nothing needs. Changes nothing."""
    ledger = inside.ledger
    destination = only_destination(ledger, product, dest)
    inside.lock(product)
    with inside.refusals(product, None, destination):
        ledger.policies.check(destination, inside.policy)
    place = Destination.parse(destination)
    registry = inside.open(place)
    keep = anchors_to_keep(ledger, product, destination)
    known: dict[str, set[str]] = {}
    for receipt in ledger.receipts(product, destination):
        for path, tag in _anchors(receipt):
            known.setdefault(path, set()).add(tag)
    found = sorted(
        (path, tag)
        for path, tags in known.items()
        if any((path, tag) not in keep for tag in tags)
        for tag in registry.list_tags(join_repository(place.prefix, path))
        if tag in tags and (path, tag) not in keep
    )
    plan = PrunePlan(product=product, destination=destination, anchors=tuple(found), kept=len(keep))
    return Prune(inside=inside, plan=plan, registry=registry, prefix=place.prefix)


def _anchors(receipt: Receipt) -> set[tuple[str, str]]:
    return {(item.path, item.anchor) for item in receipt.items if item.anchor}
