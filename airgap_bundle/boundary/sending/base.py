"""Proves that what a delta leaves out is inside, before anything is sent.

The destination is asked, and nobody else is believed: not the inventory, not the base that the delta was built against.
Receipts only say where to look: a blob that none of the bundle's own repositories has may be in another one of the same
registry, from which it is mounted.

Who mounts a blob reads it, on behalf of whoever pulls the product. So only repositories count that the policy lets the
product write to anyway, below DEST, and those where the ledger says that this very product was imported to. Else the
author of a delta who knows the digest of a layer of another product could have it put among their own images.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from airgap_bundle.boundary.destination import Destination
from airgap_bundle.core.content import ContentMismatchError, copy_verified
from airgap_bundle.core.errors import BundleError, RegistryError, UsageError
from airgap_bundle.core.report import BytesMoved, PhaseFinished, PhaseStarted
from airgap_bundle.core.text import count_text, size_text
from airgap_bundle.transfer.plan import join_repository
from airgap_bundle.transfer.reading import Nowhere
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.boundary.sending.presence import Inquirer
    from airgap_bundle.bundle.inventory import Inventory
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.transfer.plan import BlobMove, PushPlan

# Repositories in which one blob is looked for. Receipts name one each; the newest are right as a rule.
_MAX_PLACES = 8
# Receipts that are looked through, newest first: years of a site.
_MAX_RECEIPTS = 1000
# Where these have named a place for every blob, older ones are not asked as well.
_ENOUGH_RECEIPTS = 20
# Bundles that an error names; the rest is counted.
_SHOWN = 3
_LABEL_DIGITS = 12
# What a registry is told to have answered when it holds wrong bytes under a right name.
_DAMAGED = frozenset({"AB-REGISTRY-CONTENT", "AB-STORE-DAMAGED", "AB-STORE-SIZE"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What is remembered of imports to one destination: by the ledger, and in the destination itself.

    `may_write` says of a repository below DEST whether the policy gives it to `product`.
    """

    ledger: Ledger
    destination: Destination
    product: str
    may_write: Callable[[str], bool]
    in_destination: tuple[Receipt, ...] = ()

    def places(self, wanted: Collection[Digest]) -> dict[Digest, list[str]]:
        """Repositories of the same registry that are said to have these blobs, and may be mounted from, in full."""
        found: dict[Digest, list[str]] = {}
        for number, (place, receipt, is_own) in enumerate(self._receipts()):
            if number >= _ENOUGH_RECEIPTS and len(found) == len(wanted):
                break
            for one in receipt.content:
                if not (is_own or (place.prefix == self.destination.prefix and self.may_write(one.path))):
                    continue
                try:
                    name = join_repository(place.prefix, one.path)
                except UsageError:
                    # No registry has a repository of such a name: the word of a receipt that nobody has signed.
                    continue
                for digest in wanted:
                    if digest in one.blobs and name not in (names := found.setdefault(digest, [])):
                        names.append(name)
        return {digest: names[:_MAX_PLACES] for digest, names in found.items()}

    def receipt_of(self, bundle_id: Digest) -> str:
        """The receipt of this bundle at this destination; "" where there is none."""
        receipt = self.ledger.receipt_of(bundle_id, str(self.destination))
        kept = (one.id for one in self.in_destination if one.bundle_id == bundle_id)
        return receipt or next(kept, "")

    def _receipts(self) -> Iterator[tuple[Destination, Receipt, bool]]:
        """With each whether it is of this product, on the ledger's word; what DEST keeps may be anybody's."""
        kept = ((receipt, False) for receipt in self.in_destination)
        ours = ((receipt, receipt.product == self.product) for receipt in self.ledger.receipts())
        # One at a time: each may list as many blobs as a bundle has.
        for receipt, is_own in islice(chain(kept, ours), _MAX_RECEIPTS):
            try:
                place = Destination.parse(receipt.destination)
            except UsageError:
                continue
            if (place.host, place.directory) == (self.destination.host, self.destination.directory):
                yield place, receipt, is_own


def prove_base(
    plan: PushPlan, inventory: Inventory, memory: Memory, inquirer: Inquirer, report: Reporter, *, deep: bool
) -> PushPlan:
    """The plan, knowing from which other repositories blobs can be mounted.

    1. What is left out and no repository of the plan has is looked for where receipts say that it was.
    2. With `deep` everything that is there already is read and hashed, not only asked for.
    3. What is left out and not there is a `BundleError` that names the base; nothing was changed.

    A blob that the bundle has and the destination holds damaged is a `RegistryError`: sending it again does not help.
    """
    assumed = {blob.digest for blob in inventory.assumed}
    # 1.
    plan = _with_places(plan, assumed, memory, inquirer)
    # 2.
    damaged = _read_all(plan, inquirer, report) if deep else {}
    others = {digest: where for digest, where in damaged.items() if digest not in assumed}
    # 3.
    lacking = [move for move in plan.blobs if move.digest in assumed and (not move.source or move.digest in damaged)]
    if lacking:
        raise _missing(plan, inventory, lacking, damaged, memory)
    if others:
        digest = min(others)
        raise RegistryError(
            "AB-REGISTRY-CONTENT",
            f"{plan.destination} holds {count_text(len(others), 'blob')} with other bytes than their digests say, such"
            f" as {digest} in {others[digest]}",
            hint="restore its storage, or remove these blobs; airgap-import drift --deep finds all of them",
        )
    return plan


def _with_places(plan: PushPlan, assumed: set[Digest], memory: Memory, inquirer: Inquirer) -> PushPlan:
    homeless = {move.digest: move.size for move in plan.blobs if move.digest in assumed and not move.source}
    if not homeless:
        return plan
    places = memory.places(homeless)
    there = inquirer.held_among(
        ((name, digest, homeless[digest]) for digest, names in places.items() for name in names), tolerant=True
    )
    found = {digest: next(name for name in places[digest] if name in names) for digest, names in there.items()}
    blobs = tuple(replace(move, elsewhere=found[move.digest]) if move.digest in found else move for move in plan.blobs)
    return replace(plan, blobs=blobs)


def _read_all(plan: PushPlan, inquirer: Inquirer, report: Reporter) -> dict[Digest, str]:
    """Read and hash what is there already; the blobs whose bytes are wrong, with the repository."""
    moves = [move for move in plan.blobs if move.source]
    damaged: dict[Digest, str] = {}
    lock = threading.Lock()
    title = "Reading back"

    def reading(move: BlobMove) -> Callable[[memoryview], None]:
        def job(buffer: memoryview) -> None:
            try:
                _hash(move, inquirer, report, buffer)
            except ContentMismatchError:
                pass
            except RegistryError as error:
                if error.code not in _DAMAGED:
                    raise
            else:
                return
            with lock:
                damaged[move.digest] = move.source

        return job

    report(PhaseStarted(title=title, total_bytes=sum(move.size for move in moves), total_items=len(moves)))
    run_all(
        map(reading, moves),
        executor=inquirer.executor,
        workers=inquirer.workers,
        cancellation=Cancellation(),
        abort=inquirer.registry.close,
    )
    report(PhaseFinished(title=title))
    return damaged


def _hash(move: BlobMove, inquirer: Inquirer, report: Reporter, buffer: memoryview) -> None:
    label = move.digest.encoded[:_LABEL_DIGITS]
    with inquirer.registry.open_blob(move.source, move.digest, move.size) as source:
        copy_verified(
            source,
            Nowhere(),
            digest=move.digest,
            size=move.size,
            buffer=buffer,
            moved=lambda count: report(BytesMoved(name=label, count=count)),
        )


def _missing(
    plan: PushPlan, inventory: Inventory, lacking: list[BlobMove], damaged: Collection[Digest], memory: Memory
) -> BundleError:
    bases = [(one, memory.receipt_of(one)) for one in inventory.base]
    # What never came is what has to be brought.
    bases.sort(key=lambda pair: bool(pair[1]))
    names = [
        f"{one} ({f'imported there as {receipt}' if receipt else 'never imported there'})" for one, receipt in bases
    ]
    if len(names) > _SHOWN:
        names = [*names[:_SHOWN], f"{len(names) - _SHOWN} more"]
    is_all_known = bool(bases) and all(receipt for _, receipt in bases)
    amount = f"{count_text(len(lacking), 'blob')} ({size_text(sum(move.size for move in lacking))})"
    first = next((move for move in lacking if move.digest not in damaged), lacking[0])
    how = "lacks" if first.digest not in damaged else "holds damaged"
    return BundleError(
        "AB-BUNDLE-BASE",
        f"the bundle leaves out what it says is inside already, and {plan.destination} {how} {amount} of that, such as"
        f" {first.digest}; it builds on {_listed(names) or 'a bundle that it does not name'}",
        hint=("what that brought is gone: push it again" if is_all_known else "push that bundle first")
        + ", to the same destination and with the same --map; or build against what is there (airgap-import holdings"
        f" {inventory.name} -o FILE, then airgap-export build --base FILE), or without --base",
    )


def _listed(names: Iterable[str]) -> str:
    *most, last = list(names) or [""]
    return f"{', '.join(most)} and {last}" if most else last
