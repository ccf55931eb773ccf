"""Takes out of a bundle what people look at with other tools: its documents, signatures and files, but no images.

Nothing of it has been verified: that it is undamaged is all that is known. The names are those of FORMAT.md without
`airgap/`, with the files that travel below `files/`.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.bundle import layout
from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core.content import Descriptor
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.oci import TITLE
from airgap_bundle.transfer.opening import STANDARD_INPUT
from airgap_bundle.transfer.plan import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from airgap_bundle.bundle.reader import BundleReader, UnverifiedHead
    from airgap_bundle.bundle.signatures import SignatureFile
    from airgap_bundle.core.content import Source

_FILES = "files"
_SIGNATURES = "signatures"
_PREFIX = "airgap/"
# The annotation that gives a layer of an artifact its file name (OCI image specification, annotations.md).


@dataclass(frozen=True, kw_only=True, slots=True)
class Extracted:
    """The names that were written below `directory`. `left_out` are those that were not, each with the reason."""

    directory: Path
    names: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...] = ()


def check_extraction(bundle: str, directory: Path) -> None:
    """Whether it can be asked for; `UsageError` for a stream, and for a directory that is not new or empty."""
    if bundle == STANDARD_INPUT:
        raise UsageError(
            "AB-USAGE-EXTRACT-STREAM",
            "nothing can be extracted from standard input, which passes only once",
            hint="save the bundle as a file first, then name that file",
        )
    try:
        if os.path.lexists(directory) and (
            directory.is_symlink() or not directory.is_dir() or any(directory.iterdir())
        ):
            raise UsageError(
                "AB-USAGE-OUTPUT-EXISTS",
                f"{directory} exists already and is not an empty directory",
                hint="name a new or empty one; nothing is ever overwritten",
            )
    except OSError as error:
        raise cannot_write(directory, error) from error
    if not directory.parent.is_dir():
        raise UsageError("AB-USAGE-VALUE", f"there is no directory {directory.parent}", hint="make it first")


def extract(
    directory: Path, reader: BundleReader, head: UnverifiedHead, signatures: Sequence[SignatureFile]
) -> Extracted:
    """Write it all into `directory`, or nothing; the directory is made where it is missing.

    `BundleError` where the bundle is cut short, a file is damaged, or its name leads out; `HostError` where the system
    refuses.
    """
    from airgap_bundle.transfer.files_out import stage  # noqa: PLC0415 - few who look want files

    reader.check_length()
    documents = {
        layout.MANIFEST.removeprefix(_PREFIX): head.manifest_raw,
        layout.LOCK.removeprefix(_PREFIX): head.lock_raw,
        layout.INVENTORY.removeprefix(_PREFIX): head.inventory_raw,
    }
    left_out: list[tuple[str, str]] = []
    for signature in signatures:
        name = f"{_SIGNATURES}/{signature.name}"
        if documents.setdefault(name, signature.data) != signature.data:
            left_out.append((name, "another one of this name is in the bundle, and this one lies beside it"))
    targets = tuple(_targets(reader))
    assumed = {blob.digest for blob in reader.inventory.assumed}
    for target in targets:
        for layer in target.top.layers:
            if layer.digest in assumed:
                name = f"{_FILES}/{layer.annotations.get(TITLE, layer.digest)}"
                left_out.append((name, "this bundle is a delta, and the file is in its base"))

    def open_blob(_: str, layer: Descriptor) -> AbstractContextManager[Source]:
        return reader.open_blob(layer.digest)

    with (
        _directory(directory),
        stage(directory, targets, open_blob, below=_FILES, without=assumed, documents=documents) as staged,
    ):
        staged.check()
        staged.publish()
        return Extracted(directory=directory, names=tuple(sorted(staged.put)), left_out=tuple(left_out))


@contextlib.contextmanager
def _directory(directory: Path) -> Iterator[None]:
    """A directory that was not there before is gone again where the block fails."""
    is_new = not directory.exists()
    try:
        yield
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                directory.rmdir()
        raise


def _targets(reader: BundleReader) -> Iterator[Target]:
    for item in reader.inventory.items:
        if item.kind == "files":
            document = reader.load(Descriptor(media_type=item.media_type, digest=item.digest, size=item.size))
            yield Target(item=item, repository=item.path, anchor="", documents=(document,))
