"""The bytes of one upload on their way: in one request, or in chunks of which the last one commits.

What the registry has already from an earlier attempt is hashed by whoever copies, and passed over here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.registry.connections import Exchange
    from airgap_bundle.registry.transport import Answer


class EarlyAnswerError(Exception):
    """The registry answers before it has everything."""


class Requests(Protocol):
    """Makes the requests of an upload."""

    def begin(self, start: int, count: int, *, is_last: bool) -> Exchange:
        """Begin the request for `count` bytes from `start` on."""
        ...

    def end_chunk(self, exchange: Exchange) -> None:
        """A chunk that is not the last was sent: hear what the registry says."""
        ...


class UploadBody:
    """The sink of one attempt. A request begins with its first piece, so that wrong small content sends nothing."""

    def __init__(
        self, size: int, requests: Requests, *, held: int, chunk_bytes: int, moved: Callable[[int], None] | None
    ) -> None:
        self.size = size
        self._requests = requests
        self._held = held
        self._chunk_bytes = chunk_bytes
        self._moved = moved
        self._counted = 0
        self._position = 0
        self._left = 0
        self._exchange: Exchange | None = None

    @property
    def is_last(self) -> bool:
        """Whether the request under way, or due, is the one that commits."""
        return self._position + self._left == self.size

    def write(self, data: memoryview, /) -> None:
        """Send a piece."""
        if self._position < self._held:
            passed = min(len(data), self._held - self._position)
            self._position += passed
            data = data[passed:]
        while data:
            exchange = self.exchange()
            piece = data[: self._left]
            if not exchange.write(piece):
                raise EarlyAnswerError
            self._left -= len(piece)
            self._position += len(piece)
            data = data[len(piece) :]
            if not self._left and self._position < self.size:
                self._exchange = None
                self._requests.end_chunk(exchange)

    def exchange(self) -> Exchange:
        """The request that is under way, or the next one."""
        if self._exchange is None:
            rest = self.size - self._position
            self._left = min(rest, self._chunk_bytes)
            self._exchange = self._requests.begin(self._position, self._left, is_last=self._left == rest)
        return self._exchange

    def finish(self, wait: float | None = None) -> Answer:
        """What the registry says to the last request; `wait` as in `Exchange.finish`."""
        return self.exchange().finish(wait)

    def count(self, count: int) -> None:
        """Tell that bytes are through."""
        self._counted += count
        if self._moved is not None and count:
            self._moved(count)

    def undo(self) -> None:
        """Tell that all of it has to be done again."""
        self.count(-self._counted)

    def complete(self) -> None:
        """Tell that all of it is there after all."""
        self.count(self.size - self._counted)
