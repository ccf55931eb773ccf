"""Who may read a stream: one job after another, in the order of its content, while others wait for answers."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.transfer.scheduler import WAKE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.transfer.scheduler import Cancellation


@dataclass(kw_only=True, slots=True)
class Turns:
    """Jobs are numbered from 0 on and must be begun in that order, or those that have begun wait for ever.

    A turn that ends with an error goes to nobody: the stream stands in the middle of something.
    """

    cancellation: Cancellation
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _due: int = 0

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Wait for the turn of this job, and pass it on afterwards; `StoppedError` where all are asked to stop."""
        with self._changed:
            while self._due != number:
                self.cancellation.check()
                self._changed.wait(WAKE_SECONDS)
        yield
        with self._changed:
            self._due = number + 1
            self._changed.notify_all()

    def is_over(self, number: int) -> bool:
        """Whether this job has had its turn."""
        with self._changed:
            return self._due > number
