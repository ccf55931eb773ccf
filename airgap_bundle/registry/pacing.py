"""How fast hosts are spoken to: a rate that all transfers share, and pauses that a host has asked for.

One object for all clients of a command, so that four workers, two registries and their storage hosts keep one limit
together, and a host that says "not now" to one of them is left alone by all. Takes the clock as an argument and never
sleeps: it says how long to wait.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from airgap_bundle.registry.origin import Origin

# How much of a second is moved at once under a limit: small enough that the line is used evenly, large enough that the
# clock does not matter.
_PIECES_PER_SECOND = 20
_MIN_PIECE_BYTES = 4 * 1024


class Pacing:
    """Limits for every transfer of a command; safe between threads. `bytes_per_second` is None for no limit."""

    def __init__(self, bytes_per_second: int | None = None) -> None:
        if bytes_per_second is not None and bytes_per_second <= 0:
            raise InvalidValueError(f"not a rate: {bytes_per_second} bytes a second")
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._not_before: dict[Origin, float] = {}

    def piece(self, count: int) -> int:
        """How many of `count` bytes to move before asking again."""
        if self._rate is None:
            return count
        return min(count, max(_MIN_PIECE_BYTES, self._rate // _PIECES_PER_SECOND))

    def spend(self, count: int, now: float) -> float:
        """Book `count` bytes that were or will be moved; the seconds to wait so that the limit holds."""
        if self._rate is None:
            return 0.0
        with self._lock:
            self._free_at = max(self._free_at, now) + count / self._rate
            return self._free_at - now

    def pause(self, origin: Origin, until: float) -> None:
        """Nobody asks this host for anything before the clock says `until`; an earlier, longer pause stays."""
        with self._lock:
            self._not_before[origin] = max(until, self._not_before.get(origin, 0.0))

    def pause_left(self, origin: Origin, now: float) -> float:
        """How many seconds the host still wants to be left alone."""
        if not self._not_before:
            return 0.0
        with self._lock:
            left = self._not_before.get(origin, 0.0) - now
            if left <= 0:
                self._not_before.pop(origin, None)
            return max(0.0, left)
