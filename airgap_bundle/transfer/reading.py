"""Reads a whole bundle, comparing every byte with the inventory: on all cores from a file, in order from a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.distant import expect_blobs, interrupting
from airgap_bundle.core.content import copy_verified, new_buffer
from airgap_bundle.core.report import BytesMoved, PhaseFinished, PhaseStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from airgap_bundle.bundle.inventory import BlobEntry
    from airgap_bundle.bundle.reader import BundleReader
    from airgap_bundle.core.report import Reporter

_LABEL_DIGITS = 12


class Nowhere:
    """A sink for what only has to be checked."""

    def write(self, data: memoryview, /) -> None:
        """Forget it."""


def read_all(reader: BundleReader, executor: Executor | None, workers: int, report: Reporter) -> None:
    """Check every blob and the end of the archive; `BundleError` at the first that is damaged.

    Without an executor one after another, which is faster where there is little to read.
    """
    blobs = reader.inventory.blobs
    report(PhaseStarted(title="Checking", total_bytes=reader.inventory.total_bytes, total_items=len(blobs)))
    expect_blobs(reader, (blob.digest for blob in blobs))
    if reader.medium.seekable and executor is not None:
        from airgap_bundle.transfer.scheduler import Cancellation, run_all  # noqa: PLC0415 - only where threads pay

        cancellation = Cancellation()
        run_all(
            (_checking(reader, blob, cancellation.check, report) for blob in _best_order(blobs, workers)),
            executor=executor,
            workers=workers,
            cancellation=cancellation,
            abort=interrupting(reader.medium),
        )
    else:
        buffer = new_buffer()
        for blob in blobs:
            # Image documents may have been read before: a stream passes once.
            if reader.loaded(blob.digest) is None:
                _checking(reader, blob, _go_on, report)(buffer)
    reader.check_end()
    report(PhaseFinished(title="Checking"))


def pass_by(reader: BundleReader, blob: BlobEntry, buffer: memoryview) -> None:
    """Check a blob of a stream that nobody needs: the next one comes behind it."""
    with reader.open_blob(blob.digest) as source, reader.damage_of(blob.digest):
        copy_verified(source, Nowhere(), digest=blob.digest, size=blob.size, buffer=buffer)


def _best_order(blobs: Sequence[BlobEntry], workers: int) -> list[BlobEntry]:
    """As they lie, so that a disk reads on and on; but the few that are so long that one left over would be waited for.

    One blob is hashed by one core, however many there are.
    """
    long = sum(blob.size for blob in blobs) // (4 * workers)
    first = sorted((blob for blob in blobs if blob.size > long), key=lambda blob: -blob.size)
    return [*first, *(blob for blob in blobs if blob.size <= long)]


def _go_on() -> None:
    """Alone nobody else can fail."""


def _checking(
    reader: BundleReader, blob: BlobEntry, check_cancelled: Callable[[], None], report: Reporter
) -> Callable[[memoryview], None]:
    label = blob.digest.encoded[:_LABEL_DIGITS]

    def moved(count: int) -> None:
        check_cancelled()
        report(BytesMoved(name=label, count=count))

    def job(buffer: memoryview) -> None:
        with reader.open_blob(blob.digest) as source, reader.damage_of(blob.digest):
            copy_verified(source, Nowhere(), digest=blob.digest, size=blob.size, buffer=buffer, moved=moved)

    return job
