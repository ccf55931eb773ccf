"""A raw stream over a socket that notices when the other side only pretends to send.

A time-out for each read does not stop somebody who sends one byte a second (measured: 9 s under a time-out of 3 s). The
watch counts what arrives while somebody waits for it; the time until the first byte is left to the time-out.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

from airgap_bundle.registry.faults import StalledError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from airgap_bundle.registry.options import Patience


class WatchedReader(io.RawIOBase):
    """Reads from `raw`; a fault ends the stream, and what had arrived before it is kept.

    `fault` then says what happened; `ended` that the other side hung up. Buffered readers throw away what they hold
    when a read raises, so that a transfer over a bad line would never get on.
    """

    def __init__(self, raw: io.RawIOBase, patience: Patience, *, deadline: float | None) -> None:
        super().__init__()
        self.fault: OSError | None = None
        self.ended = False
        self._raw = raw
        self._patience = patience
        self._pace = Pace(patience)
        self._deadline = deadline
        self._started = False

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """What has arrived; 0 at the end, whatever ended it."""
        if self.fault is not None:
            return 0
        before = time.monotonic()
        try:
            count = self._raw.readinto(buffer) or 0
        except OSError as error:
            self.fault = error
            return 0
        self.ended = count == 0
        now = time.monotonic()
        if self._started:
            self.fault = self._pace.judge(now - before, count, "sent")
        self._started = True
        if self._deadline is not None and now > self._deadline:
            self.fault = StalledError(f"took more than {self._patience.control_seconds:.0f} s for a short answer")
        return count

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class Pace:
    """Judges a transfer by its rate, in either direction: only the time that the other side lets us wait counts."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._waited = 0.0
        self._moved = 0

    def judge(self, waited: float, moved: int, verb: str) -> StalledError | None:
        """Count `moved` bytes that took `waited` seconds; a fault where that is no transfer any more.

        `verb` says what the other side did with them: `sent`, `took`.
        """
        self._waited += waited
        self._moved += moved
        if self._waited < self._patience.stall_seconds:
            return None
        fault = None
        if self._moved < self._waited * self._patience.stall_bytes_per_second:
            fault = StalledError(f"{verb} {self._moved} bytes in {self._waited:.0f} s, which is no transfer any more")
        self._waited, self._moved = 0.0, 0
        return fault
