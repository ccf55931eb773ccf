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
        self._deadline = deadline
        self._started = False
        self._waited = 0.0
        self._arrived = 0

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
            self._judge(now - before, count)
        self._started = True
        if self._deadline is not None and now > self._deadline:
            self.fault = StalledError(f"took more than {self._patience.control_seconds:.0f} s for a short answer")
        return count

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()

    def _judge(self, waited: float, arrived: int) -> None:
        self._waited += waited
        self._arrived += arrived
        if self._waited < self._patience.stall_seconds:
            return
        if self._arrived < self._waited * self._patience.stall_bytes_per_second:
            self.fault = StalledError(
                f"sent {self._arrived} bytes in {self._waited:.0f} s, which is no transfer any more"
            )
        self._waited, self._arrived = 0.0, 0
