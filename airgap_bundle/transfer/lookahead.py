"""Content that arrives on several lines at once and leaves on one, in order: the window in between.

Whoever fetches the blob that is due may always go on; those who fetch later ones fill what is left of the window and
then wait. So memory is bounded however large blobs are, and nobody waits for somebody who waits for him, as long as
blobs are begun in their order.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.transfer.scheduler import WAKE_SECONDS, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What may be ahead of the blob that is due (design section 6).
WINDOW_BYTES = 32 * 1024 * 1024
# Pieces of the blob that is due that may wait besides, so that fetching and sending overlap even with a full window.
_DUE_PIECES = 2


@dataclass(slots=True)
class _Blob:
    pieces: deque[bytes] = field(default_factory=deque)
    reserved: int = 0
    """Pieces that are waiting, or being copied."""
    is_whole: bool = False


class LookAhead:
    """The window. Blobs are named by their number in the order in which they leave; one thread fetches each."""

    def __init__(self, window_bytes: int = WINDOW_BYTES) -> None:
        self._window_bytes = window_bytes
        self._changed = threading.Condition()
        self._blobs: dict[int, _Blob] = {}
        self._held = 0
        self._due = 0
        self._closed = False

    def close(self) -> None:
        """Nobody takes any more: whoever waits for room gets `StoppedError`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def put(self, number: int, data: memoryview) -> None:
        """Add a piece of a blob; waits for room."""
        with self._changed:
            blob = self._blobs.setdefault(number, _Blob())
            while not self._has_room(number, blob, len(data)):
                if self._closed:
                    raise StoppedError
                self._changed.wait(WAKE_SECONDS)
            self._held += len(data)
            blob.reserved += 1
        piece = bytes(data)
        with self._changed:
            blob.pieces.append(piece)
            self._changed.notify_all()

    def finish(self, number: int) -> None:
        """The blob is whole."""
        with self._changed:
            self._blobs.setdefault(number, _Blob()).is_whole = True
            self._changed.notify_all()

    def take(self, number: int, check: Callable[[], None]) -> Iterator[bytes]:
        """The pieces of a blob, as they come; blobs have to be taken in order. `check` raises if none will come."""
        with self._changed:
            self._due = number
            blob = self._blobs.setdefault(number, _Blob())
            self._changed.notify_all()
        while True:
            with self._changed:
                while not blob.pieces and not blob.is_whole:
                    check()
                    self._changed.wait(WAKE_SECONDS)
                if not blob.pieces:
                    del self._blobs[number]
                    return
                piece = blob.pieces.popleft()
                blob.reserved -= 1
                self._held -= len(piece)
                self._changed.notify_all()
            yield piece

    def _has_room(self, number: int, blob: _Blob, count: int) -> bool:
        return self._held + count <= self._window_bytes or (number == self._due and blob.reserved < _DUE_PIECES)


class LookAheadSink:
    """One blob's way into the window."""

    def __init__(self, window: LookAhead, number: int) -> None:
        self._window = window
        self._number = number

    def write(self, data: memoryview, /) -> None:
        """Add the next piece."""
        self._window.put(self._number, data)
