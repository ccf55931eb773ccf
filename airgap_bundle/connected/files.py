"""Files of a manifest, locked: from beside it, whole directories, and from the web."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.connected.local_files import describe_local, is_local_directory
from airgap_bundle.connected.supplies import FromDirectory, FromFile, FromWeb, Supply
from airgap_bundle.core.content import Descriptor
from airgap_bundle.core.errors import DocumentError
from airgap_bundle.manifest.locked import DIRECTORY_MEDIA_TYPE, FILE_MEDIA_TYPE, LockedItem

if TYPE_CHECKING:
    from airgap_bundle.connected.stock import Stock
    from airgap_bundle.manifest.entries import FileEntry


def lock_file(entry: FileEntry, stock: Stock, buffer: memoryview) -> LockedItem:
    """Digest and size of a file as it is now; a directory as the tar that it becomes.

    `DocumentError` where it is not there, cannot travel, or is not what its `sha256` says.
    """
    if entry.url:
        digest, size = stock.fetch(entry.url, expected=entry.sha256)
        found = Descriptor(media_type=FILE_MEDIA_TYPE, digest=digest, size=size)
    elif is_local_directory(stock.directory, entry.path):
        digest, size = stock.pack(FromDirectory(entry.path), entry.place)
        found = Descriptor(media_type=DIRECTORY_MEDIA_TYPE, digest=digest, size=size)
    else:
        found = describe_local(stock.directory, entry.path, entry.place, buffer)
    if entry.sha256 is not None and entry.sha256 != found.digest:
        raise DocumentError(
            "AB-MANIFEST-LOCAL-FILE",
            f"{entry.place}: {entry.path} has the digest {found.digest}, not {entry.sha256}",
            hint="it was replaced, or the manifest names an older one",
        )
    return LockedItem(
        kind="file",
        source=entry.source,
        path=entry.name,
        digest=found.digest,
        media_type=found.media_type,
        size=found.size,
    )


def file_supply(file: LockedItem) -> Supply:
    """Where the bytes of a locked file come from."""
    if "://" in file.source:
        return FromWeb(file.source)
    return FromDirectory(file.source) if file.media_type == DIRECTORY_MEDIA_TYPE else FromFile(file.source)
