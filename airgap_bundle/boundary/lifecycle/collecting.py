"""Collects what neither a tag nor a receipt needs in the storage of the embedded registry.

Tags keep what they reach; so do the last three complete imports of each product and everything since, whether their
anchors are still there or not: that is what one can go back to. The receipts are those that the storage itself keeps,
so that it works on any machine that has the directory, and those of the ledger where it is at hand. Each can only keep
more: whoever may push to `airgap-receipts/` could remove receipts there, or push real ones out by newer forged ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.destination import Destination
from airgap_bundle.boundary.lifecycle.pruning import receipts_to_keep, since_complete
from airgap_bundle.boundary.receipts.documents import RECEIPTS_REPOSITORY
from airgap_bundle.boundary.receipts.kept import read_receipts
from airgap_bundle.core.errors import UsageError
from airgap_bundle.registry.collection import Collection, Collector, grace_begins
from airgap_bundle.registry.store import DirectoryRegistry
from airgap_bundle.transfer.plan import join_repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.core.content import Digest


# Far more than are kept for a product; partial and held imports may stand between those that count.
_READ_AT_MOST = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Collecting:
    """What would go from a directory, and the collector that does it; `receipts` counts those that keep something.

    `has_ledger` says whether a ledger was asked too.
    """

    directory: Path
    receipts: int
    has_ledger: bool
    plan: Collection
    collector: Collector

    def run(self) -> Collection:
        """Carry the plan out; what has gone."""
        return self.collector.run(self.plan)


def plan_collecting(directory: Path, *, grace_seconds: float, ledger: Ledger | None = None) -> Collecting:
    """Find what can go from the storage in `directory`. Changes nothing. `UsageError` where there is no storage."""
    registry = DirectoryRegistry(directory, make=False)
    if not registry.storage.contents.is_there():
        raise UsageError(
            "AB-COLLECT-NO-STORAGE",
            f"there is no registry in {directory}",
            hint="name the directory that serve, or push to dir:PATH, was given",
        )
    needed: dict[str, set[Digest]] = {}
    counted: set[tuple[str, str]] = set()
    for prefix, receipt in (*_stored(registry), *_remembered(ledger, directory.resolve())):
        counted.add((prefix, receipt.id))
        for item in receipt.items:
            needed.setdefault(join_repository(prefix, item.path), set()).add(item.digest)
    collector = Collector(
        registry.storage,
        older_than=grace_begins(grace_seconds),
        needed={repository: frozenset(digests) for repository, digests in needed.items()},
    )
    return Collecting(
        directory=directory,
        receipts=len(counted),
        has_ledger=ledger is not None,
        plan=collector.plan(),
        collector=collector,
    )


def _stored(registry: DirectoryRegistry) -> Iterator[tuple[str, Receipt]]:
    """The receipts that the storage keeps, each with the path of its destination. Nobody vouches for them."""
    for repository in registry.storage.repositories():
        prefix, found, product = _receipts_of(repository)
        if found:
            for receipt in since_complete(read_receipts(registry, prefix, product, at_most=_READ_AT_MOST)):
                yield prefix, receipt


def _remembered(ledger: Ledger | None, directory: Path) -> Iterator[tuple[str, Receipt]]:
    """The receipts of the ledger for whatever may be this storage: another directory certainly is not.

    Under which names it is served nobody says here; a receipt of another registry keeps at most what is here besides.
    """
    if ledger is None:
        return
    for product, destination in ledger.places():
        place = Destination.parse(destination)
        if place.directory in {None, directory}:
            for receipt in receipts_to_keep(ledger, product, destination):
                yield place.prefix, receipt


def _receipts_of(repository: str) -> tuple[str, bool, str]:
    """The prefix of the destination and the product whose receipts a repository keeps, and whether it keeps any."""
    parts = repository.split("/")
    if len(parts) < 2 or parts[-2] != RECEIPTS_REPOSITORY:  # noqa: PLR2004 - the place of receipts and a product
        return "", False, ""
    return "/".join(parts[:-2]), True, parts[-1]
