"""A look into a bundle. Nothing that it finds has been verified by anybody."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import BundleReader, read_head, read_inventory
from airgap_bundle.bundle.signing import read_beside
from airgap_bundle.core.content import Descriptor
from airgap_bundle.transfer.reading import read_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.bundle.inventory import Inventory
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.report import Reporter

# The annotation that gives a layer of an artifact its file name (OCI image specification, annotations.md).
_TITLE = "org.opencontainers.image.title"


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What a bundle says of itself. `unverified_files` are the files that travel, by their names.

    `checked`: every byte was compared with the inventory, which proves it undamaged and nothing else.
    """

    name: str
    bundle_id: Digest
    unverified_inventory: Inventory
    unverified_signatures: tuple[str, ...]
    unverified_files: tuple[tuple[str, Descriptor], ...]
    total_bytes: int
    checked: bool


def inspect_bundle(path: Path, *, check: bool, report: Reporter) -> Inspection:
    """Read the head, and with `check` all of it; `BundleError` where it is damaged."""
    with closing(FileMedium(path)) as medium:
        head = read_head(medium)
        inventory = read_inventory(head, medium.name)
        reader = BundleReader(medium, head, inventory)
        reader.check_head()
        reader.check_length()
        if check:
            medium.forget_cache()
            workers = max(2, os.cpu_count() or 1)
            with ThreadPoolExecutor(workers, thread_name_prefix="airgap") as executor:
                read_all(reader, executor, workers, report)
        return Inspection(
            name=str(path),
            bundle_id=head.bundle_id,
            unverified_inventory=inventory,
            unverified_signatures=tuple(one.name for one in (*head.signatures, *read_beside(path))),
            unverified_files=tuple(_files(reader)),
            total_bytes=reader.layout.total_bytes,
            checked=check,
        )


def _files(reader: BundleReader) -> Iterator[tuple[str, Descriptor]]:
    """The layers of the artifacts that files travel in; their digests are in signed documents, their names too."""
    for item in reader.inventory.items:
        if item.kind == "files":
            for layer in reader.load(Descriptor(media_type=item.media_type, digest=item.digest, size=item.size)).layers:
                yield layer.annotations.get(_TITLE, layer.digest), layer
