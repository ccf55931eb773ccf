"""What a delta can be built against: the blobs that are in effect inside, as a file to carry out.

`holdings.v1.schema.json` beside this module describes it; the bytes are RFC 8785 and a line feed. Only what the
registry says it has is listed. The connected side takes it as a statement of what may be left out, never as something
to trust: the import proves again that it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.destination import Destination
from airgap_bundle.boundary.receipts.receipt import Outcome
from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core import strictjson
from airgap_bundle.core.moments import moment_text
from airgap_bundle.core.whole_files import write_whole
from airgap_bundle.transfer.bases import HOLDINGS_TYPE
from airgap_bundle.transfer.plan import join_repository

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable
    from pathlib import Path

    from airgap_bundle.boundary.inside import Inside
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.core.content import Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldThere:
    """One destination: the receipts in effect there, and the blobs that they need and that are there."""

    destination: str
    receipts: tuple[Receipt, ...]
    blobs: tuple[tuple[Digest, int], ...]
    missing: int = 0


def collect_holdings(inside: Inside, places: Iterable[tuple[str, str]]) -> tuple[HeldThere, ...]:
    """Ask each destination for what the current receipts of these products need.

    What is missing is left out and counted: `drift` says what it is.
    """
    by_destination: dict[str, list[Receipt]] = {}
    for product, destination in places:
        current = inside.ledger.current(product, destination)
        if current is not None:
            by_destination.setdefault(destination, []).append(current)
    return tuple(_held(inside, destination, receipts) for destination, receipts in by_destination.items())


def dump_holdings(held: Iterable[HeldThere], created: dt.datetime) -> bytes:
    """The file."""
    return strictjson.canonical(
        {
            "_type": HOLDINGS_TYPE,
            "created": moment_text(created.replace(microsecond=0)),
            "destinations": [
                {
                    "destination": one.destination,
                    "bundles": [
                        {
                            "product": receipt.product,
                            "version": receipt.version,
                            "sequence": receipt.sequence,
                            "bundle": receipt.bundle_id,
                            "receipt": receipt.id,
                        }
                        for receipt in one.receipts
                    ],
                    "blobs": [{"digest": digest, "size": size} for digest, size in one.blobs],
                }
                for one in held
            ],
        }
    )


def write_holdings(output: Path, held: Iterable[HeldThere], created: dt.datetime) -> None:
    """Write the file, complete or not at all. One that is there is replaced: it is a list, and not the only one."""
    try:
        write_whole(output, dump_holdings(held, created) + b"\n")
    except OSError as error:
        raise cannot_write(output, error) from error


def _held(inside: Inside, destination: str, receipts: list[Receipt]) -> HeldThere:
    place = Destination.parse(destination)
    registry = inside.open(place)
    recall = inside.recall(registry)
    for receipt in receipts:
        items = [item for item in receipt.items if item.outcome is not Outcome.SKIPPED]
        recall.read((join_repository(place.prefix, item.path), item.digest) for item in items)
        recall.read((join_repository(place.prefix, item.path), one.digest) for item in items for one in item.attached)
    recall.check_blobs()
    lost = {(fault.repository, fault.digest) for fault in recall.faults}
    there = {blob.digest: blob.size for repository, blob in recall.blobs() if (repository, blob.digest) not in lost}
    return HeldThere(
        destination=destination,
        receipts=tuple(receipts),
        blobs=tuple(sorted(there.items())),
        missing=len(recall.faults),
    )
