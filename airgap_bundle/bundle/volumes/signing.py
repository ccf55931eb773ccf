"""Signs a bundle that is cut: beside it, in `NAME.signatures/`, as a volume never changes once it is written."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from airgap_bundle.bundle.reader import read_head
from airgap_bundle.bundle.signing import add_beside
from airgap_bundle.bundle.volumes.beside import write_table_and_sums
from airgap_bundle.bundle.volumes.complaints import missing
from airgap_bundle.bundle.volumes.in_turn import InTurnMedium

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.bundle.signatures import SignatureFile
    from airgap_bundle.bundle.volumes.supply import MediaPlaces


def read_inventory_of(places: MediaPlaces) -> bytes:
    """What is signed. Only the volumes that the head lies in have to be in reach: mostly the first."""
    with closing(InTurnMedium(places.find(), places)) as medium:
        return read_head(medium).inventory_raw


def add_to_volumes(places: MediaPlaces, signature: SignatureFile) -> Path | None:
    """Add one beside the first volume, and to the sums there; where it went, None if the same key had signed before."""
    found = places.find()
    if 1 not in found.files:
        raise missing(places.name, (1,))
    directory = found.files[1].parent
    place = add_beside(directory / places.name, signature)
    table = found.unverified_tables.get(directory)
    if place is not None and table is not None:
        write_table_and_sums(directory, table, places.name)
    return place
