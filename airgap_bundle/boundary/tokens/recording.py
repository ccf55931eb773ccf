"""What tokens do, in the audit trail: each kind of thing at once when it begins, and then how often it went on.

A client that pulls an image asks a hundred times, and one that goes wrong asks a hundred times a second. A use is
therefore an identity, a repository and an action within five minutes, and a refusal a reason, an identity and a
repository within the same time. The first one is on disk before the client gets its answer; those after it are counted,
and the count is written (`token-used` with `times`) when the five minutes are over, or the server stops. A server that
is killed loses counts, never a first use.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import AirgapError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from airgap_bundle.boundary.audit import Audit

WINDOW = timedelta(minutes=5)
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
    more: int = 0
    last: datetime | None = field(default=None)


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
        now = self._now()
        with self._lock:
            ended = self._take_ended(now)
            place = (event, tuple(sorted(key.items())))
            if place not in self._open and len(self._open) >= _MAX_OPEN:
                key, details = {"reason": _TOO_MANY}, {}
                place = (event, tuple(key.items()))
            window = self._open.get(place)
            if window is not None:
                window.more += 1
                window.last = now
            else:
                self._open[place] = _Window(event=event, began=now, details={**key, **details})
        for one in ended:
            self._write_count(one)
        if window is not None:
            return False
        try:
            self._audit.append(event, at=now, details={**key, **details})
        except AirgapError:
            with self._lock:
                self._open.pop(place, None)
            raise
        return True

    def close(self) -> None:
        """Write every count that is still open."""
        with self._lock:
            left, self._open = list(self._open.values()), {}
        for one in left:
            self._write_count(one)

    def _take_ended(self, now: datetime) -> list[_Window]:
        # Once in a while is enough; a clock that was set back makes every window of the future end at once.
        if abs(now - self._swept) < WINDOW / 10:
            return []
        self._swept = now
        ended = [place for place, window in self._open.items() if not window.began <= now < window.began + WINDOW]
        return [self._open.pop(place) for place in ended]

    def _write_count(self, window: _Window) -> None:
        if window.more and window.last is not None:
            details = {**window.details, "times": str(window.more), "last": window.last.isoformat(timespec="seconds")}
            self._audit.append(window.event, at=self._now(), details=details)
