"""Blobs in the order of the archive: fetched on several lines at once, written one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.transfer.lookahead import LookAhead, LookAheadSink
from airgap_bundle.transfer.scheduler import working

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from airgap_bundle.bundle.inventory import BlobEntry
    from airgap_bundle.bundle.layout import Layout
    from airgap_bundle.bundle.ordered import OrderedWriter
    from airgap_bundle.connected.fetching import Fetcher


def write_in_order(
    blobs: Sequence[BlobEntry],
    out: OrderedWriter,
    layout: Layout,
    fetcher: Fetcher,
    *,
    executor: Executor,
    workers: int,
    advanced: Callable[[BlobEntry, int, int], None] | None = None,
    finished: Callable[[BlobEntry], None] | None = None,
) -> None:
    """Write header, data and padding of each blob.

    `finished` hears of each that was written, `advanced` on the way there how many bytes of it were, before and now.

    The last piece of a blob is written only when its digest is right; before that, pieces of it may have left already.
    Whoever reads what failed in the middle of one sees an archive without an end.
    """
    window = LookAhead()

    def abort() -> None:
        window.close()
        fetcher.sources.close()

    def fetching(number: int, blob: BlobEntry) -> Callable[[memoryview], None]:
        def job(buffer: memoryview) -> None:
            fetcher.fetch(blob, LookAheadSink(window, number), buffer)
            window.finish(number)

        return job

    with working(
        (fetching(number, blob) for number, blob in enumerate(blobs)),
        executor=executor,
        workers=max(1, min(workers, len(blobs))),
        cancellation=fetcher.cancellation,
        abort=abort,
    ) as check:
        for number, blob in enumerate(blobs):
            out.write(layout.extents[blob.digest].header)
            count = 0
            for piece in window.take(number, check):
                out.write(piece)
                count += len(piece)
                if advanced is not None:
                    advanced(blob, count - len(piece), count)
            out.pad(blob.size)
            if finished is not None:
                finished(blob)
