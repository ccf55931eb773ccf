"""Whether the registries still hold what the ledger says: `drift`.

Every tag is asked what it names, every image and attachment that is in effect is read, every blob is asked for, and
with `deep` read and hashed. Changes nothing. What cannot be asked is an error, never "nothing wrong".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.destination import Destination
from airgap_bundle.boundary.receipts.receipt import Outcome
from airgap_bundle.transfer.plan import join_repository

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.boundary.inside import Inside
    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.ledger.standing import Claim
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.core.content import Digest
    from airgap_bundle.registry.abilities import Registry


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Drifted:
    """One thing that is not as the ledger says.

    `kind` is tag, anchor, image, attachment or blob; `name` a tag or a digest. `found` is None where it is not there;
    "" where it is there and damaged.
    """

    destination: str
    repository: str
    kind: str
    name: str
    expected: str
    found: str | None
    products: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftReport:
    """What was looked at and what was found. `tags`, `images` and `blobs` count what was asked for."""

    places: tuple[tuple[str, str], ...]
    drifted: tuple[Drifted, ...]
    tags: int
    images: int
    blobs: int


def find_drift(inside: Inside, places: Iterable[tuple[str, str]], *, deep: bool = False) -> DriftReport:
    """Compare each place (product, destination) with its registry.

    1. Each tag that the product put last names what it was set to.
    2. Each anchor of what is in effect is there.
    3. Each image and each attachment of it is there, with all its documents; each blob too.
    """
    asked = tuple(places)
    drifted: set[Drifted] = set()
    tags = images = blobs = 0
    by_destination: dict[str, list[str]] = {}
    for product, destination in asked:
        by_destination.setdefault(destination, []).append(product)
    for destination, products in by_destination.items():
        place = Destination.parse(destination)
        registry = inside.open(place)
        one = _Place(inside, registry, destination, place.prefix, tuple(products))
        tags += one.check_names()
        counted = one.check_contents(deep=deep)
        images, blobs = images + counted[0], blobs + counted[1]
        drifted |= one.drifted
    return DriftReport(places=asked, drifted=tuple(sorted(drifted, key=_order)), tags=tags, images=images, blobs=blobs)


def in_effect(ledger: Ledger, product: str, destination: str) -> list[Receipt]:
    """The current receipt, and what was brought in partially or is held since."""
    current = ledger.current(product, destination)
    claimed = {claim.number for claim in ledger.standing.claims(destination, product) if claim.product == product}
    found = [current] if current else []
    for name in ledger.standing.waiting(product, destination):
        receipt = ledger.get(name)
        if receipt is not None and (receipt.held or ledger.standing.number(name) in claimed):
            found.append(receipt)
    return found


class _Place:
    """One destination and the products that are looked at there."""

    def __init__(
        self, inside: Inside, registry: Registry, destination: str, prefix: str, products: tuple[str, ...]
    ) -> None:
        self._inside = inside
        self._registry = registry
        self._destination = destination
        self._prefix = prefix
        self._products = products
        self._receipts = [one for name in products for one in in_effect(inside.ledger, name, destination)]
        self.drifted: set[Drifted] = set()

    def check_names(self) -> int:
        """Tags and anchors; how many tags there are."""
        last: dict[tuple[str, str], Claim] = {}
        for claim in self._inside.ledger.standing.claims(self._destination):
            last.setdefault((claim.path, claim.tag), claim)
        wanted: dict[tuple[str, str], tuple[str, Digest]] = {
            (self._full(path), tag): ("tag", claim.digest)
            for (path, tag), claim in last.items()
            if claim.product in self._products
        }
        tags = len(wanted)
        for receipt in self._receipts:
            for item in receipt.items:
                if item.anchor:
                    wanted[self._full(item.path), item.anchor] = ("anchor", item.digest)
        heads = self._inside.inquirer(self._registry).manifests(set(wanted))
        for (repository, name), (kind, digest) in wanted.items():
            found = heads.get((repository, name))
            if found is None or found.digest != digest:
                self._add(repository, kind, name, digest, found.digest if found else None)
        return tags

    def check_contents(self, *, deep: bool) -> tuple[int, int]:
        """Images, attachments and blobs; how many images and blobs were asked for."""
        recall = self._inside.recall(self._registry)
        kinds: dict[tuple[str, Digest], str] = {}
        for receipt in self._receipts:
            for item in receipt.items:
                if item.outcome is not Outcome.SKIPPED:
                    kinds |= {(self._full(item.path), one.digest): "attachment" for one in item.attached}
                    kinds[self._full(item.path), item.digest] = "image"
        recall.read(kinds)
        recall.check_blobs(deep=deep)
        for fault in recall.faults:
            kind = "blob" if fault.what == "blob" else kinds.get((fault.repository, fault.digest), "image")
            self._add(fault.repository, kind, fault.digest, fault.digest, "" if fault.is_damaged else None)
        return len(kinds), len(recall.blobs())

    def _full(self, path: str) -> str:
        return join_repository(self._prefix, path)

    def _add(self, repository: str, kind: str, name: str, expected: str, found: str | None) -> None:
        self.drifted.add(
            Drifted(
                destination=self._destination,
                repository=repository,
                kind=kind,
                name=name,
                expected=expected,
                found=found,
                products=self._products,
            )
        )


def _order(one: Drifted) -> tuple[str, str, str, str]:
    return (one.destination, one.repository, one.kind, one.name)
