"""What tokens do, in the audit trail: each kind of thing at once when it begins, and then how often it went on.

A client that pulls an image asks a hundred times, and one that goes wrong asks a hundred times a second. A use is
therefore an identity, a repository and an action within five minutes, and a refusal a reason, an identity and a
repository within the same time. The first one is on disk before the client gets its answer; those after it are counted,
and the count is written (`token-used` with `times`) when the five minutes are over, or the server stops. A server that
is killed, or cannot write any more, loses counts, never a first use.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from airgap_bundle.core.moments import moment_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from airgap_bundle.boundary.audit.trail import Audit

WINDOW = timedelta(minutes=5)
_SWEEP = timedelta(seconds=30)
# So many different things within five minutes are noted one by one; what is beyond is counted together, so that
# somebody who tries all names fills neither the memory nor the disk.
_MAX_OPEN = 4096
_TOO_MANY = "more-than-are-listed"

Key = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Window:
    event: str
    began: datetime
    details: dict[str, str]
    # Set once the first record is on disk, or could not be written.
    tried: threading.Event = field(default_factory=threading.Event)
    is_told: bool = False
    more: int = 0
    last: datetime | None = None


class Recorder:
    """Writes to one trail, from many threads. `now` is the clock."""

    def __init__(self, audit: Audit, now: Callable[[], datetime]) -> None:
        self._audit = audit
        self._now = now
        self._lock = threading.Lock()
        self._open: dict[tuple[str, Key], _Window] = {}
        self._swept = now()

    def note(self, event: str, key: Mapping[str, str], **details: str) -> bool:
        """Note that something happened; `True` where a record was written, which is then durable.

        `key` tells apart what is counted on its own; `details` are those of the first time. Raises `HostError` where
        the trail cannot be written, and then nothing may be done that it should have told.
        """
        while True:
            now = self._now()
            window, is_first, ended = self._enter(event, key, details, now)
            if is_first:
                self._tell(window, ended, now)
                return True
            self._write_counts(ended)
            # Whoever comes second waits until the first is told: nothing is done before the trail knows of it.
            window.tried.wait()
            if window.is_told:
                return False

    def close(self) -> None:
        """Write every count that is still open."""
        with self._lock:
            left, self._open = list(self._open.values()), {}
        self._write_counts(left)

    def _enter(
        self, event: str, key: Mapping[str, str], details: Mapping[str, str], now: datetime
    ) -> tuple[_Window, bool, list[_Window]]:
        """The window that it falls into, whether it is the first there, and the windows that are over."""
        place = (event, tuple(sorted(key.items())))
        with self._lock:
            ended = self._take_ended(now, place)
            if place not in self._open and len(self._open) >= _MAX_OPEN:
                key, details = {"reason": _TOO_MANY}, {}
                place = (event, tuple(key.items()))
            window = self._open.get(place)
            if window is not None:
                window.more += 1
                window.last = now
                return window, False, ended
            window = self._open[place] = _Window(event=event, began=now, details={**key, **details})
            return window, True, ended

    def _tell(self, window: _Window, ended: list[_Window], now: datetime) -> None:
        try:
            self._write_counts(ended)
            self._audit.append(window.event, at=now, details=window.details)
            window.is_told = True
        finally:
            if not window.is_told:
                with self._lock:
                    self._open = {place: one for place, one in self._open.items() if one is not window}
            window.tried.set()

    def _take_ended(self, now: datetime, place: tuple[str, Key]) -> list[_Window]:
        """The windows that are over: that of this place, and once in a while all of them."""
        ended = [place]
        if not timedelta(0) <= now - self._swept < _SWEEP:
            self._swept = now
            ended = list(self._open)
        # A clock that was set back puts a window into the future, where it would stay for who knows how long.
        ended = [one for one in ended if one in self._open and not timedelta(0) <= now - self._open[one].began < WINDOW]
        return [self._open.pop(one) for one in ended]

    def _write_counts(self, windows: list[_Window]) -> None:
        for window in windows:
            if window.more and window.last is not None:
                last = moment_text(window.last.replace(microsecond=0))
                details = {**window.details, "times": str(window.more), "last": last}
                self._audit.append(window.event, at=self._now(), details=details)
