"""The only place of the package that looks at a clock without being told to."""

import datetime as dt
import time


def now() -> dt.datetime:
    """This moment, UTC."""
    return dt.datetime.now(dt.UTC)


class Stopwatch:
    """How long a command has taken so far."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._start
