"""What is here: for each product and destination what is in effect, what waits, and what did not end. For `status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.ledger.values import Begun
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.boundary.state import StateDirectory


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfinished:
    """Something that began and did not end. `worker` is who works on the product now, "" where nobody does.

    `may_have_moved` counts the tags that it meant to move: nobody knows how many of them it did.
    """

    begun: Begun
    worker: str
    may_have_moved: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One product at one destination. `held` and `partial` are newer than `current`; the newest comes first."""

    product: str
    destination: str
    current: Receipt | None
    held: tuple[Receipt, ...] = ()
    partial: tuple[Receipt, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """Everything that the ledger knows of what is in effect."""

    places: tuple[Place, ...]
    unfinished: tuple[Unfinished, ...]


def overview(ledger: Ledger, state: StateDirectory, product: str = "") -> Overview:
    """Look it up, for one product or all."""
    places = [_place(ledger, *one) for one in ledger.places() if product in {"", one[0]}]
    return Overview(
        places=tuple(places),
        unfinished=tuple(
            Unfinished(begun=begun, worker=state.worker(begun.product), may_have_moved=len(ledger.intended(begun)))
            for begun in ledger.unfinished(product)
        ),
    )


def _place(ledger: Ledger, product: str, destination: str) -> Place:
    waiting = [one for name in ledger.standing.waiting(product, destination) if (one := ledger.get(name)) is not None]
    return Place(
        product=product,
        destination=destination,
        current=ledger.current(product, destination),
        held=tuple(one for one in waiting if one.held),
        partial=tuple(one for one in waiting if one.partial and not one.held),
    )
