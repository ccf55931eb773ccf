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
    from concurrent.futures import Executor, Future

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
    share = _Share(jobs, cancellation)
    futures: list[Future[None]] = []
    try:
        for _ in range(workers):
            futures.append(executor.submit(share.work))  # noqa: PERF401 - those of a broken loop are waited for too
        pending = set(futures)
        while pending and not share.failures:
            _, pending = wait(pending, timeout=_WAKE_SECONDS, return_when=FIRST_EXCEPTION)
    except BaseException:
        _stop(futures, cancellation, abort)
        raise
    if share.failures:
        _stop(futures, cancellation, abort)
        raise share.failures[0]
    for future in futures:
        future.result()  # a worker that the executor never started has done nothing, and must not look like success


def _stop(futures: list[Future[None]], cancellation: Cancellation, abort: Callable[[], None] | None) -> None:
    cancellation.cancel()
    if abort is not None:
        abort()
    wait(futures)


class _Share:
    """The jobs that are left, and what went wrong, as all workers see them."""

    def __init__(self, jobs: Iterable[Job], cancellation: Cancellation) -> None:
        self._waiting = iter(jobs)
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self.failures: list[BaseException] = []

    def work(self) -> None:
        """Take up one job after another, until none is left or somebody has failed."""
        try:
            buffer = new_buffer()
            while (job := self._next()) is not None:
                job(buffer)
        except BaseException as error:
            # Said here and not where it is waited for: so nobody takes up another job, and the first is known.
            self.failures.append(error)
            self._cancellation.cancel()
            raise

    def _next(self) -> Job | None:
        self._cancellation.check()
        with self._lock:
            return next(self._waiting, None)
