"""`relocate`: which receipts, for which clusters, as which files. Asks no registry; everything is in the receipts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.boundary.destination import Destination
from airgap_bundle.boundary.receipts.named import find_receipt
from airgap_bundle.boundary.relocation.compose import compose
from airgap_bundle.boundary.relocation.consumers import Consumer
from airgap_bundle.boundary.relocation.containerd import containerd
from airgap_bundle.boundary.relocation.crio import crio
from airgap_bundle.boundary.relocation.helm import helm
from airgap_bundle.boundary.relocation.k3s import k3s, rke2
from airgap_bundle.boundary.relocation.kustomize import kustomize
from airgap_bundle.boundary.relocation.moves import Home, Moves, collect
from airgap_bundle.boundary.relocation.openshift import openshift
from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.registry.origin import registry_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.boundary.relocation.output import Made, Output, Unplaced


_FORMATS: Mapping[Consumer, Callable[[Moves], Output]] = {
    Consumer.CONTAINERD: containerd,
    Consumer.CRIO: crio,
    Consumer.OPENSHIFT: openshift,
    Consumer.K3S: k3s,
    Consumer.RKE2: rke2,
    Consumer.HELM: helm,
    Consumer.KUSTOMIZE: kustomize,
    Consumer.COMPOSE: compose,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Receipts of one destination. `remarks` is what the person should know about the choice."""

    destination: str
    receipts: tuple[Receipt, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Relocation:
    """What came of it: the output by consumer, and every file once. `moves` says where everything went."""

    destination: str
    home: str
    moves: Moves
    outputs: Mapping[Consumer, Output]
    remarks: tuple[str, ...] = field(default=())

    @property
    def files(self) -> tuple[Made, ...]:
        """Every file, in order; k3s and RKE2 share theirs."""
        found = {made.path: made for output in self.outputs.values() for made in output.files}
        return tuple(made for _, made in sorted(found.items()))

    @property
    def others(self) -> tuple[str, ...]:
        """What came in and is no image, so that clusters ask for it in ways of their own."""
        charts = () if Consumer.HELM in self.outputs else tuple(f"chart {one.source}" for one in self.moves.charts)
        return (*charts, *self.moves.others)

    def unplaced(self, consumer: Consumer) -> tuple[Unplaced, ...]:
        """What the format of a consumer cannot say."""
        return (*self.moves.unreadable, *self.outputs[consumer].unplaced)


def choose_receipts(ledger: Ledger, named: str = "", dest: str = "") -> Chosen:
    """The receipt that is named, or all that is in effect at the one destination that is meant.

    `UsageError` where several destinations are known and none was named, or nothing was imported to that one.
    """
    if named:
        receipt = find_receipt(ledger, named)
        if dest and str(Destination.parse(dest)) != receipt.destination:
            raise UsageError(
                "AB-RECEIPT-DESTINATION",
                f"{receipt.id} is a receipt of {receipt.destination}, not of {Destination.parse(dest)}",
                hint="leave out --dest, or name another receipt",
            )
        return Chosen(destination=receipt.destination, receipts=(receipt,), remarks=tuple(_remarks(ledger, receipt)))
    known = sorted({destination for _, destination in ledger.places()})
    if dest:
        wanted = str(Destination.parse(dest))
        if wanted not in known:
            raise UsageError(
                "AB-USAGE-NOT-IMPORTED",
                f"nothing was imported to {wanted}",
                hint=f"it was imported to: {', '.join(known) or 'nothing'}; --state names another state directory",
            )
        known = [wanted]
    if len(known) > 1:
        raise UsageError(
            "AB-USAGE-WHICH-DESTINATION",
            f"there are several destinations: {', '.join(known)}",
            hint="say which one the clusters pull from with --dest",
        )
    if not known:
        return Chosen(destination="")
    return Chosen(destination=known[0], receipts=tuple(_in_effect(ledger, known[0])))


def _in_effect(ledger: Ledger, destination: str) -> list[Receipt]:
    """What is current, and what came partially since and was not undone. What is held has no tags yet."""
    found: list[Receipt] = []
    for product, place in ledger.places():
        if place != destination:
            continue
        current = ledger.current(product, destination)
        found += [current] if current is not None else []
        claimed = {claim.number for claim in ledger.standing.claims(destination, product) if claim.product == product}
        for name in ledger.standing.waiting(product, destination):
            receipt = ledger.get(name)
            if receipt is not None and not receipt.held and ledger.standing.number(name) in claimed:
                found.append(receipt)
    return found


def _remarks(ledger: Ledger, receipt: Receipt) -> list[str]:
    if receipt.held and receipt.publication is None:
        return [f"{receipt.id} is held: its tags are not there before airgap-import publish"]
    current = ledger.current(receipt.product, receipt.destination)
    if current is None or (current.id != receipt.id and not receipt.partial):
        return [f"{receipt.id} is not what is current at {receipt.destination}"]
    return []


def home_of(destination: str, registry: str = "", *, plain_http: Sequence[str] = (), ca_file: str = "") -> Home:
    """The registry as clusters reach it: the destination, or where that has another name for them, `registry`.

    `UsageError` for a directory without `registry`.
    """
    place = Destination.parse(registry or destination)
    if place.directory is not None:
        raise UsageError(
            "AB-USAGE-DESTINATION",
            f"clusters cannot pull from a directory: {place}",
            hint="name the address at which airgap-import serve offers it with --registry HOST[:PORT]",
        )
    try:
        return Home(
            host=place.host,
            prefix=place.prefix,
            plain_http=registry_origin(place.host, plain_http, loopback_has_tls=bool(ca_file)).scheme == "http",
            ca_file=ca_file,
        )
    except InvalidValueError as error:
        raise UsageError("AB-USAGE-VALUE", f"--ca-file: {error}", hint="name it as it lies on the nodes") from error


def relocate(chosen: Chosen, home: Home, consumers: Sequence[Consumer]) -> Relocation:
    """Make everything for these consumers. The same receipts give the same bytes."""
    moves = collect(chosen.receipts, home)
    return Relocation(
        destination=chosen.destination,
        home=f"{home.host}/{home.prefix}" if home.prefix else home.host,
        moves=moves,
        outputs={consumer: _FORMATS[consumer](moves) for consumer in dict.fromkeys(consumers)},
        remarks=chosen.remarks,
    )
