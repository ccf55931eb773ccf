"""Bundles cut into volumes, as `airgap-export` cuts them, and what can be wrong with volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.inventory import bundle_id
from airgap_bundle.bundle.volumes.beside import write_table_and_sums
from airgap_bundle.bundle.volumes.naming import volume_name, volume_sizes
from airgap_bundle.bundle.volumes.table import VolumeHash, VolumeTable

if TYPE_CHECKING:
    from pathlib import Path

    from support.bundles import Parts


def cut(parts: Parts, directory: Path, *, size: int, name: str = "acme.tar", table: bool = True) -> list[Path]:
    """Write the volumes of a bundle into a directory, with the table and the sums unless there should be none."""
    directory.mkdir(parents=True, exist_ok=True)
    data = parts.assemble()
    paths, entries, position = [], [], 0
    for number, length in enumerate(volume_sizes(len(data), size), 1):
        piece = data[position : position + length]
        position += length
        hashing = VolumeHash()
        hashing.update(piece)
        path = directory / volume_name(name, number)
        path.write_bytes(piece)
        paths.append(path)
        entries.append(hashing.entry(path.name))
    if table:
        write_table_and_sums(
            directory, VolumeTable(bundle_id=bundle_id(parts.inventory_bytes), entries=tuple(entries)), name
        )
    return paths
