"""Runs many jobs on a few workers, stops all of them at the first error, and leaves no thread behind.

The workers come from the executor that the caller passes in; nothing here starts a thread. Each worker keeps one
buffer for all its jobs, so memory grows with workers and not with work.
"""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, wait
from typing import TYPE_CHECKING

from airgap_bundle.core.content import new_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    Job = Callable[[memoryview], None]

# How often the waiting thread looks up, so that Ctrl-C is heard on every platform.
_WAKE_SECONDS = 0.5


class StoppedError(Exception):
    """Raised inside a job when another one has failed or the person at the terminal wants to stop."""


class Cancellation:
    """A flag that jobs look at between two pieces of work."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask every job to stop."""
        self._event.set()

    def check(self) -> None:
        """`StoppedError` once somebody has asked to stop."""
        if self._event.is_set():
            raise StoppedError


def run_all(
    jobs: Iterable[Job],
    *,
    executor: Executor,
    workers: int,
    cancellation: Cancellation,
    abort: Callable[[], None] | None = None,
) -> None:
    """Run every job once, in the order given, `workers` of them at a time.

    The first error cancels the rest and is raised when all workers have stopped; so is KeyboardInterrupt. `abort` is
    called then, to wake workers that wait for the network.
    """
    waiting = iter(jobs)
    lock = threading.Lock()

    def work() -> None:
        buffer = new_buffer()
        while True:
            cancellation.check()
            with lock:
                job = next(waiting, None)
            if job is None:
                return
            job(buffer)

    futures = [executor.submit(work) for _ in range(workers)]
    try:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=_WAKE_SECONDS, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
    except BaseException:
        cancellation.cancel()
        if abort is not None:
            abort()
        wait(futures)
        raise
