"""A look into a bundle. Nothing that it finds has been verified by anybody."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.bundle.reader import BundleReader, read_head, read_inventory
from airgap_bundle.bundle.volumes.checking import check_shape
from airgap_bundle.core.content import Descriptor, new_buffer
from airgap_bundle.core.oci import TITLE
from airgap_bundle.core.report import PhaseFinished, PhaseStarted
from airgap_bundle.transfer.opening import open_bundle
from airgap_bundle.transfer.reading import pass_by, read_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.bundle.inventory import Inventory, Item
    from airgap_bundle.bundle.media import Medium
    from airgap_bundle.bundle.reader import UnverifiedHead
    from airgap_bundle.bundle.signatures import SignatureFile
    from airgap_bundle.bundle.volumes.sources import MediaSupply
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.transfer.access import Access
    from airgap_bundle.transfer.extraction import Extracted


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What a bundle says of itself. `unverified_files` are the files that travel, by their names.

    `checked`: every byte was compared with the inventory, which proves it undamaged and nothing else. `extracted` is
    what was written into a directory, None where that was not asked for.
    """

    name: str
    bundle_id: Digest
    unverified_inventory: Inventory
    unverified_signatures: tuple[str, ...]
    unverified_files: tuple[tuple[str, Descriptor], ...]
    total_bytes: int
    checked: bool
    extracted: Extracted | None = None


def inspect_bundle(
    bundle: Path | str,
    *,
    check: bool,
    report: Reporter,
    access: Access | None = None,
    media: MediaSupply | None = None,
    extract_to: Path | None = None,
) -> Inspection:
    """Read the head, and with `check` all of it; `BundleError` where it is damaged. `-` is standard input.

    With `extract_to` its documents and files are written into that directory, when all else is done.
    """
    if extract_to is not None:
        from airgap_bundle.transfer.extraction import check_extraction  # noqa: PLC0415 - few ask for it

        check_extraction(str(bundle), extract_to)
    with open_bundle(str(bundle), access, media=media) as opened:
        medium = opened.medium
        if check:
            _forget_cache(medium)
        head = read_head(medium)
        inventory = read_inventory(head, medium.name)
        reader = BundleReader(medium, head, inventory)
        reader.check_head()
        check_shape(reader, head.bundle_id)
        if not medium.seekable:
            _read_stream(reader, report, check=check)
        elif check:
            _check_file(reader, report)
        signatures = (*head.signatures, *opened.read_beside())
        files = tuple(_files(reader))
        return Inspection(
            name=medium.name,
            bundle_id=head.bundle_id,
            unverified_inventory=inventory,
            unverified_signatures=tuple(one.name for one in signatures),
            unverified_files=files,
            total_bytes=reader.layout.total_bytes,
            checked=check,
            extracted=None if extract_to is None else _extracted(extract_to, reader, head, signatures),
        )


def _forget_cache(medium: Medium) -> None:
    """First of all: what stands in memory of the head would otherwise be taken for what the medium holds."""
    from airgap_bundle.bundle.media import FileMedium  # noqa: PLC0415 - for --check only
    from airgap_bundle.bundle.volumes.joined import JoinedMedium  # noqa: PLC0415 - the same

    if isinstance(medium, FileMedium | JoinedMedium):
        medium.forget_cache()


def _extracted(
    directory: Path, reader: BundleReader, head: UnverifiedHead, signatures: tuple[SignatureFile, ...]
) -> Extracted:
    from airgap_bundle.transfer.extraction import extract  # noqa: PLC0415 - few ask for it

    return extract(directory, reader, head, signatures)


def _check_file(reader: BundleReader, report: Reporter) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - for --check only

    workers = max(2, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="airgap") as executor:
        read_all(reader, executor, workers, report)


def _read_stream(reader: BundleReader, report: Reporter, *, check: bool) -> None:
    """What passes only once is read in order: as far as the documents that name files, with `check` to its end."""
    wanted = {item.digest: item for item in reader.inventory.items if item.kind == "files"}
    blobs = reader.inventory.blobs
    last = max((number for number, blob in enumerate(blobs) if blob.digest in wanted), default=-1)
    buffer = new_buffer()
    report(PhaseStarted(title="Reading", total_items=len(blobs) if check else last + 1))
    for blob in blobs if check else blobs[: last + 1]:
        item = wanted.get(blob.digest)
        if item is None:
            pass_by(reader, blob, buffer)
        else:
            reader.load(_document(item))
    if check:
        reader.check_end()
    report(PhaseFinished(title="Reading"))


def _files(reader: BundleReader) -> Iterator[tuple[str, Descriptor]]:
    """The layers of the artifacts that files travel in; their digests are in signed documents, their names too."""
    for item in reader.inventory.items:
        if item.kind == "files":
            for layer in reader.load(_document(item)).layers:
                yield layer.annotations.get(TITLE, layer.digest), layer


def _document(item: Item) -> Descriptor:
    return Descriptor(media_type=item.media_type, digest=item.digest, size=item.size)
