"""Reads the two sides of `airgap-manifest diff`: a manifest, a lock or a bundle each, recognised by its content."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airgap_bundle.connected.contents import gather
from airgap_bundle.connected.workshop import ASKING_JOBS
from airgap_bundle.core.report import silent
from airgap_bundle.manifest import yamltext
from airgap_bundle.manifest.diff import Compared, Side, of_lock, of_manifest
from airgap_bundle.manifest.lock import API_VERSION, MAX_LOCK_BYTES, parse_lock
from airgap_bundle.manifest.model import parse_manifest, read_document
from airgap_bundle.transfer.inspection import inspect_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.connected.contents import Contents
    from airgap_bundle.connected.workshop import Workshop
    from airgap_bundle.manifest.locked import Lock

# A bundle begins with the tar header of this member.
_BUNDLE_START = b"oci-layout\0"
_HEAD_BYTES = 4096


def load_side(path: Path, shop: Workshop | None = None) -> Side:
    """One side. With `shop` the sizes of what a lock names are asked of the registries.

    Nothing that a bundle says is verified here. Raises as the readers of the three kinds do.
    """
    if path.is_dir() or read_document(path, max_bytes=_HEAD_BYTES).startswith(_BUNDLE_START):
        return _of_bundle(path)
    raw = read_document(path, max_bytes=MAX_LOCK_BYTES)
    if API_VERSION.encode() in raw[:_HEAD_BYTES]:
        lock = parse_lock(raw, str(path))
        side = of_lock(lock, str(path))
        return side if shop is None else _weighed(side, lock, path, shop)
    return of_manifest(parse_manifest(raw[: yamltext.MAX_BYTES + 1], str(path)))


def _of_bundle(path: Path) -> Side:
    found = inspect_bundle(path, check=False, report=silent)
    inventory = found.unverified_inventory
    entries = tuple(
        Compared(
            kind=item.kind,
            source=item.source,
            path=item.path,
            digest=str(item.digest),
            platforms=tuple(one for one in item.platforms if one != "unknown/unknown"),
        )
        for item in inventory.items
        if item.kind not in {"attached", "files"}
    )
    files = tuple(
        Compared(kind="file", source=name, path=name, digest=str(layer.digest), size=layer.size)
        for name, layer in found.unverified_files
    )
    return Side(
        title=str(path),
        product=inventory.name,
        version=inventory.version,
        entries=(*entries, *files),
        # Whoever has imported a delta has what it left out too.
        blobs={str(blob.digest): blob.size for blob in (*inventory.blobs, *inventory.assumed)},
    )


def _weighed(side: Side, lock: Lock, path: Path, shop: Workshop) -> Side:
    shop.sources.directory = path.parent
    contents = gather(lock, shop.sources, shop.executor, ASKING_JOBS)
    sizes = _sizes(contents)
    entries = tuple(one if one.size is not None else replace(one, size=sizes.get(one.digest)) for one in side.entries)
    return replace(side, entries=entries, blobs={str(blob.digest): blob.size for blob in contents.blobs})


def _sizes(contents: Contents) -> dict[str, int]:
    """The size of each image by digest: its documents and blobs, each counted once within it."""
    sizes: dict[str, int] = {}
    for item, documents in contents.images:
        blobs = {document.descriptor.digest: document.descriptor.size for document in documents}
        blobs |= {blob.digest: blob.size for document in documents for blob in document.blobs}
        sizes[str(item.digest)] = sum(blobs.values())
    return sizes
