"""A bundle on another machine, as a medium: what is read becomes few requests for ranges.

1. Opening it fetches the front, which in most bundles is the whole head and the image documents.
2. Before it is known what will be read, it reads ahead as a disk does: more each time, so that little is for nothing.
3. Once that is known (`expect`), small neighbours come in one request and large blobs stream on one each.

Memory: what is kept is bounded, and large blobs go straight into the buffer of whoever reads. Safe between threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.transfer.remote.stretches import STRETCH_BYTES, Stretch, Stretches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.core.errors import BundleError

# The signature area alone is 1 MiB; with this the head of a usual bundle, and its image documents, are one request.
FRONT_BYTES = 1280 * 1024
# The first step of reading ahead, doubled up to a stretch: never more for nothing than was read before.
_AHEAD_BYTES = 128 * 1024
# Of what was fetched and not yet read.
_KEPT_BYTES = 8 * STRETCH_BYTES


class Stream(Protocol):
    """The bytes of one range, from front to end."""

    position: int
    end: int

    def readinto(self, buffer: memoryview, /) -> int:
        """The next bytes, as many as have arrived; 0 at the end of the range."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Ranges(Protocol):
    """Something far away that is read by ranges: one file, or volumes."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def size(self) -> int:
        """How long it is; known once it was begun."""
        ...

    def begin(self, limit: int) -> bytes:
        """The first bytes, at most `limit`."""
        ...

    def open(self, start: int, end: int) -> Stream:
        """The bytes from `start` up to `end`."""
        ...

    def close(self) -> None:
        """Close every connection, those in use too."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    start: int
    data: bytes

    def copy(self, offset: int, buffer: memoryview) -> int:
        """What of it stands at `offset`; 0 where nothing does."""
        at = offset - self.start
        if not 0 <= at < len(self.data):
            return 0
        count = min(len(buffer), len(self.data) - at)
        buffer[:count] = memoryview(self.data)[at : at + count]
        return count


class RemoteMedium:
    """A bundle behind a URL. Opened when made: `RegistryError` where it cannot be read by ranges."""

    seekable = True

    def __init__(self, client: Ranges) -> None:
        self.name = client.name
        self._client = client
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._fetching: dict[int, threading.Lock] = {}
        self._streams: dict[int, Stream] = {}
        self._expected = Stretches()
        self._ahead = _AHEAD_BYTES
        front = client.begin(FRONT_BYTES)
        self.size: int | None = client.size
        self._size = client.size
        self._keep(_Kept(0, front))

    def expect(self, ranges: Iterable[tuple[int, int]]) -> None:
        """From now on only these bytes (start, end) will be read, but for a few at the front and at the end."""
        self._expected = Stretches(ranges)

    def read_at(self, offset: int, buffer: memoryview) -> int:
        """What stands at `offset`: from what was fetched already, from this thread's stream, or asked for now."""
        if offset >= self._size or not buffer:
            return 0
        if count := self._copy(offset, buffer):
            return count
        stream = self._stream_at(offset)
        if stream is not None:
            return stream.readinto(buffer)
        stretch = self._expected.at(offset) or self._next(offset, len(buffer))
        if not stretch.is_kept:
            return self._open(offset, stretch.end).readinto(buffer)
        return self._fetch(stretch, offset, buffer)

    def interrupt(self) -> None:
        """Wake up whoever waits for an answer, in any thread; nothing is asked any more."""
        self._client.close()

    def explain(self, error: BundleError, start: int, end: int) -> BundleError:  # noqa: ARG002 - a URL has no parts
        """There is nothing to add."""
        return error

    def close(self) -> None:
        """Let go of every connection."""
        self._client.close()

    def _copy(self, offset: int, buffer: memoryview) -> int:
        with self._lock:
            for key, kept in self._kept.items():
                if count := kept.copy(offset, buffer):
                    self._kept.move_to_end(key)
                    return count
        return 0

    def _keep(self, kept: _Kept) -> None:
        with self._lock:
            self._kept[kept.start] = kept
            total = sum(len(each.data) for each in self._kept.values())
            while total > _KEPT_BYTES:
                total -= len(self._kept.popitem(last=False)[1].data)

    def _next(self, offset: int, wanted: int) -> Stretch:
        """What to ask for where nobody said what will be read."""
        if wanted > STRETCH_BYTES:
            return Stretch(offset, min(self._size, offset + wanted), is_kept=False)
        with self._lock:
            ahead = max(wanted, self._ahead)
            self._ahead = min(2 * self._ahead, STRETCH_BYTES)
        return Stretch(offset, min(self._size, offset + ahead), is_kept=True)

    def _fetch(self, stretch: Stretch, offset: int, buffer: memoryview) -> int:
        """Fetch all of it, once, however many threads want a part of it."""
        with self._lock:
            lock = self._fetching.setdefault(stretch.start, threading.Lock())
        with lock:
            if count := self._copy(offset, buffer):
                return count
            data = bytearray(min(stretch.end, self._size) - stretch.start)
            window = memoryview(data)
            stream = self._client.open(stretch.start, stretch.start + len(data))
            try:
                while window:
                    window = window[stream.readinto(window) :]
            finally:
                stream.close()
            kept = _Kept(stretch.start, bytes(data))
            self._keep(kept)
        return kept.copy(offset, buffer)

    def _stream_at(self, offset: int) -> Stream | None:
        """This thread's stream, where it is at `offset`; any other that it left behind is let go of."""
        stream = self._streams.get(threading.get_ident())
        if stream is None or (stream.position == offset and offset < stream.end):
            return stream
        stream.close()
        del self._streams[threading.get_ident()]
        return None

    def _open(self, offset: int, end: int) -> Stream:
        stream = self._client.open(offset, min(end, self._size))
        self._streams[threading.get_ident()] = stream
        return stream
