"""Runs many jobs on a few workers, stops all of them at the first error, and leaves no thread behind.

Heavy jobs move bytes: a few at a time are best. Light jobs wait for answers: many at a time hide the round trips. Both
run in one crew, and a job may add light ones while it runs. The workers come from the executor that the caller
passes in; nothing here starts a thread. Each worker keeps one buffer for all its jobs, so memory grows with workers and
not with work.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import FIRST_EXCEPTION, wait
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING

from airgap_bundle.core.content import new_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

    Job = Callable[[memoryview], None]

# How often a waiting thread looks up, so that Ctrl-C and a cancellation are heard on every platform.
WAKE_SECONDS = 0.5
# Drawn from the jobs at once, by a worker that finds none. Many threads that meet at a lock for each job of a few
# microseconds hand it from one to the other through the kernel, which costs several times what the jobs do.
_DRAWN_JOBS = 32


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


class LightJobs:
    """Jobs that mostly wait for an answer. Any thread may add one until the last job of its crew has ended."""

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        self.changed = threading.Condition()
        self._first = iter(jobs)
        self._added: deque[Job] = deque()

    def add(self, job: Job) -> None:
        """Let the next free worker do this."""
        with self.changed:
            self._added.append(job)
            self.changed.notify()

    def next(self) -> Job | None:
        """One that waits, those that were added first; None for now. The caller holds `changed`."""
        return self._added.popleft() if self._added else next(self._first, None)


def run_all(
    jobs: Iterable[Job],
    *,
    executor: Executor,
    workers: int,
    cancellation: Cancellation,
    abort: Callable[[], None] | None = None,
    light: LightJobs | None = None,
    light_workers: int = 0,
) -> None:
    """Run every job once, in the order given, `workers` of them at a time.

    `light` jobs are done besides, by `light_workers` more and by whoever has nothing else to do. The first error
    cancels the rest and is raised when all workers have stopped; so is KeyboardInterrupt. `abort` is called then, to
    wake workers that wait for the network.
    """
    share = _share(jobs, workers, light, cancellation)
    with _working(share, executor=executor, workers=workers + light_workers, cancellation=cancellation, abort=abort):
        pass


@contextmanager
def working(
    jobs: Iterable[Job],
    *,
    executor: Executor,
    workers: int,
    cancellation: Cancellation,
    abort: Callable[[], None] | None = None,
    light: LightJobs | None = None,
    light_workers: int = 0,
) -> Iterator[Callable[[], None]]:
    """Run jobs like `run_all` while the caller does something else, and perhaps adds light jobs.

    What is yielded raises the first error of a job, for the caller to look at while it waits. At the end all jobs are
    waited for; where the caller fails, they are stopped first.
    """
    share = _share(jobs, workers, light, cancellation)
    with _working(share, executor=executor, workers=workers + light_workers, cancellation=cancellation, abort=abort):
        yield share.check


def _share(jobs: Iterable[Job], limit: int, light: LightJobs | None, cancellation: Cancellation) -> _Share:
    return _Share(jobs, cancellation) if light is None else _GrowingShare(jobs, cancellation, light, limit)


@contextmanager
def _working(
    share: _Share,
    *,
    executor: Executor,
    workers: int,
    cancellation: Cancellation,
    abort: Callable[[], None] | None,
) -> Iterator[None]:
    futures: list[Future[None]] = []
    try:
        for _ in range(workers):
            futures.append(executor.submit(share.work))  # noqa: PERF401 - those of a broken loop are waited for too
        yield
        share.release()
        pending = set(futures)
        while pending and not share.failures:
            _, pending = wait(pending, timeout=WAKE_SECONDS, return_when=FIRST_EXCEPTION)
        share.check()
    except BaseException:
        cancellation.cancel()
        if abort is not None:
            abort()
        wait(futures)
        raise
    for future in futures:
        future.result()  # a worker that the executor never started has done nothing, and must not look like success


class _Share:
    """The jobs that are left, and what went wrong, as all workers see them."""

    def __init__(self, jobs: Iterable[Job], cancellation: Cancellation) -> None:
        self._jobs = iter(jobs)
        self._ready: deque[Job] = deque()
        self._drawing = threading.Lock()
        self._cancellation = cancellation
        self.failures: list[BaseException] = []

    def release(self) -> None:
        """The caller has nothing to add any more."""

    def check(self) -> None:
        """Raise what went wrong first."""
        if self.failures:
            raise self.failures[0]

    def work(self) -> None:
        """Take up one job after another, until none is left or somebody has failed."""
        try:
            self._work(new_buffer())
        except BaseException as error:
            # Said here and not where it is waited for: so nobody takes up another job, and the first is known.
            self.failures.append(error)
            self._cancellation.cancel()
            self._wake()
            raise

    def _work(self, buffer: memoryview) -> None:
        while (job := self._next()) is not None:
            self._cancellation.check()
            job(buffer)

    def _next(self) -> Job | None:
        """The next job, taken from those that are drawn already, for which no lock is needed."""
        while True:
            with suppress(IndexError):
                return self._ready.popleft()
            with self._drawing:
                if not self._ready:
                    self._ready.extend(islice(self._jobs, _DRAWN_JOBS))
                if not self._ready:
                    return None

    def _wake(self) -> None:
        """Nobody waits here."""


class _GrowingShare(_Share):
    """Heavy jobs, at most `limit` of them at a time, and light ones besides, to which any of them may add."""

    def __init__(self, jobs: Iterable[Job], cancellation: Cancellation, light: LightJobs, limit: int) -> None:
        super().__init__(jobs, cancellation)
        self._light = light
        self._limit = limit
        self._changed = light.changed
        self._held = True
        self._heavy_left = True
        self._heavy_running = 0
        self._running = 0

    def release(self) -> None:
        """Nobody but the jobs themselves adds any more."""
        with self._changed:
            self._held = False
            self._changed.notify_all()

    def _work(self, buffer: memoryview) -> None:
        while (taken := self._take()) is not None:
            job, is_heavy = taken
            job(buffer)
            self._done(is_heavy=is_heavy)

    def _take(self) -> tuple[Job, bool] | None:
        """The next job and whether it is heavy; waits where one that runs may still add another."""
        with self._changed:
            while True:
                self._cancellation.check()
                if (job := self._next_heavy()) is not None:
                    self._heavy_running += 1
                    self._running += 1
                    return job, True
                if (job := self._light.next()) is not None:
                    self._running += 1
                    return job, False
                if not (self._heavy_left or self._running or self._held):
                    self._changed.notify_all()
                    return None
                self._changed.wait(WAKE_SECONDS)

    def _next_heavy(self) -> Job | None:
        if not self._heavy_left or self._heavy_running >= self._limit:
            return None
        job = self._next()
        self._heavy_left = job is not None
        return job

    def _done(self, *, is_heavy: bool) -> None:
        with self._changed:
            self._running -= 1
            if is_heavy:
                self._heavy_running -= 1
            self._changed.notify()
            if not self._running:
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
