"""Blobs on their way to their places in a growing file, in any order, and the record of those that have arrived.

What a killed run had written of a blob is hashed again where it lies and only the rest is fetched; where that does not
make the right bytes (a machine that lost its power), the blob is fetched from the front.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.content import ContentMismatchError
from airgap_bundle.transfer.journal import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.bundle.inventory import BlobEntry
    from airgap_bundle.bundle.layout import Extent, Layout
    from airgap_bundle.bundle.writer import GrowingFile, RegionSink
    from airgap_bundle.connected.fetching import Fetcher
    from airgap_bundle.core.content import Digest
    from airgap_bundle.transfer.journal import Journal

# Data between two flushes. The medium works while the rest is fetched, so little is left to wait for at the end; more
# often would cost slow media more than it gains.
_CHECKPOINT_BYTES = 64 * 1024 * 1024
# What a kill inside a blob costs at most; a line in the journal for each.
_NOTE_BYTES = 16 * 1024 * 1024


def journal_bytes(blobs: int, total_bytes: int) -> int:
    """How long the journal of a bundle with so many blobs becomes at most."""
    return MAX_LINE_BYTES * (2 * blobs + total_bytes // _NOTE_BYTES + 2)


@dataclass(kw_only=True, slots=True)
class Placement:
    """A file that grows, its journal, and where everything goes."""

    file: GrowingFile
    journal: Journal
    layout: Layout
    fetcher: Fetcher
    reused_bytes: int = 0
    """What did not have to be fetched again, though it was not known to be on the medium."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pending: list[Digest] = field(default_factory=list)
    _pending_bytes: int = 0

    def job(self, blob: BlobEntry) -> Callable[[memoryview], None]:
        """Bring one blob to its place, with what is there of it already."""

        def run(buffer: memoryview) -> None:
            if not self.complete(blob, buffer):
                self._fetch(blob, buffer, 0)
            self.finished(blob)

        return run

    def held(self, blob: BlobEntry) -> int:
        """How many bytes of a blob an earlier run had written and the file still has, unverified."""
        in_file = self.file.size - self.layout.extents[blob.digest].data_at
        held = max(0, min(self.journal.written.get(blob.digest, 0), blob.size, in_file))
        return held if held == blob.size or self.fetcher.can_continue(blob) else 0

    def complete(self, blob: BlobEntry, buffer: memoryview) -> bool:
        """Go on with what is there of a blob; False where there is nothing, or it is not what it should be."""
        held = self.held(blob)
        if not held:
            return False
        try:
            self._fetch(blob, buffer, held)
        except ContentMismatchError:
            return False
        with self._lock:
            self.reused_bytes += held
        return True

    def advanced(self, blob: BlobEntry, before: int, now: int) -> None:
        """Of this blob `before` bytes were in the file, and now are `now`: the journal hears of it now and then."""
        if now // _NOTE_BYTES > before // _NOTE_BYTES:
            self.journal.note(blob.digest, now)

    def finished(self, blob: BlobEntry) -> None:
        """The data of this blob were written. They are flushed now and then, and believed from then on."""
        self.journal.note(blob.digest, blob.size)
        with self._lock:
            self._pending.append(blob.digest)
            self._pending_bytes += blob.size
            if self._pending_bytes < _CHECKPOINT_BYTES:
                return
            pending, self._pending, self._pending_bytes = self._pending, [], 0
        # Outside the lock: the other workers go on writing while this one waits for the medium.
        self.file.flush()
        self.journal.add(pending)

    def save(self) -> None:
        """Everything that was finished is on the medium when this returns."""
        self.file.flush()
        self.journal.add(self._pending)
        self._pending, self._pending_bytes = [], 0

    def _fetch(self, blob: BlobEntry, buffer: memoryview, held: int) -> None:
        extent: Extent = self.layout.extents[blob.digest]
        sink = self.file.blob_sink(extent, held=held)
        noting = _NotingSink(sink, blob, self)
        self.fetcher.fetch(blob, noting, buffer, held=self.file.held_source(extent, held) if held else None)
        sink.finish()


class _NotingSink:
    """A sink that writes into the journal how far a long blob has come."""

    def __init__(self, sink: RegionSink, blob: BlobEntry, placement: Placement) -> None:
        self._sink = sink
        self._blob = blob
        self._placement = placement

    def write(self, data: memoryview, /) -> None:
        """Write the next piece."""
        before = self._sink.count
        self._sink.write(data)
        self._placement.advanced(self._blob, before, self._sink.count)
