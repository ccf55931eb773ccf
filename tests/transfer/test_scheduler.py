"""Many jobs on a few workers: in order, stopped by the first error, and no thread left at work."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airgap_bundle.transfer.scheduler import Cancellation, StoppedError, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_SECONDS = 10


class InlineExecutor(Executor):
    """Runs everything at once, in the thread that asks: one after another, for tests that look at order."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - what an executor does
            future.set_exception(error)
        return future


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


class Diary:
    """Remembers what ran."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.buffers: set[int] = set()
        self._lock = threading.Lock()

    def job(self, number: int) -> Callable[[memoryview], None]:
        def run(buffer: memoryview) -> None:
            with self._lock:
                self.done.append(number)
                self.buffers.add(id(buffer.obj))

        return run

    def jobs(self, count: int) -> list[Callable[[memoryview], None]]:
        return [self.job(number) for number in range(count)]


def failing(error: BaseException) -> Callable[[memoryview], None]:
    def run(_: memoryview) -> None:
        raise error

    return run


def test_one_worker_runs_the_jobs_in_the_order_given() -> None:
    diary = Diary()
    run_all(diary.jobs(20), executor=InlineExecutor(), workers=1, cancellation=Cancellation())
    assert diary.done == list(range(20))


def test_every_job_runs_once(pool: ThreadPoolExecutor) -> None:
    diary = Diary()
    run_all(diary.jobs(200), executor=pool, workers=4, cancellation=Cancellation())
    assert sorted(diary.done) == list(range(200))


def test_each_worker_keeps_one_buffer_for_all_its_jobs(pool: ThreadPoolExecutor) -> None:
    diary = Diary()
    run_all(diary.jobs(100), executor=pool, workers=3, cancellation=Cancellation())
    assert 1 <= len(diary.buffers) <= 3


def test_no_jobs_are_no_work(pool: ThreadPoolExecutor) -> None:
    run_all([], executor=pool, workers=2, cancellation=Cancellation())


def test_only_a_few_dozen_jobs_are_asked_for_before_a_worker_is_free() -> None:
    asked: list[int] = []
    ahead: list[int] = []

    def jobs() -> Iterator[Callable[[memoryview], None]]:
        for number in range(500):
            asked.append(number)
            yield job

    def job(_buffer: memoryview) -> None:
        ahead.append(len(asked) - len(ahead))

    run_all(jobs(), executor=InlineExecutor(), workers=1, cancellation=Cancellation())
    assert len(ahead) == 500
    assert max(ahead) <= 32


def test_what_the_jobs_themselves_fail_with_is_raised_and_those_before_are_done(pool: ThreadPoolExecutor) -> None:
    diary = Diary()

    def jobs() -> Iterator[Callable[[memoryview], None]]:
        yield from diary.jobs(100)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        run_all(jobs(), executor=pool, workers=3, cancellation=Cancellation())
    assert set(diary.done) >= set(range(96))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_nothing_is_taken_up_after_the_first_error(workers: int) -> None:
    diary = Diary()
    jobs = [*diary.jobs(3), failing(ValueError("first")), *diary.jobs(50), failing(ValueError("second"))]
    with pytest.raises(ValueError, match="first"):
        run_all(jobs, executor=InlineExecutor(), workers=workers, cancellation=Cancellation())
    assert diary.done == [0, 1, 2]


def test_the_first_error_is_the_one_that_is_raised(pool: ThreadPoolExecutor) -> None:
    """The others fail because they were stopped, and would say something beside the point."""
    cancellation = Cancellation()
    started = threading.Barrier(3)

    def fails(_: memoryview) -> None:
        started.wait(PATIENCE_SECONDS)
        raise ValueError("the reason")

    def breaks_when_stopped(_: memoryview) -> None:
        started.wait(PATIENCE_SECONDS)
        while True:
            try:
                cancellation.check()
            except StoppedError:
                raise ConnectionError("the line was cut") from None
            time.sleep(0.001)

    with pytest.raises(ValueError, match="the reason"):
        run_all([breaks_when_stopped, fails, breaks_when_stopped], executor=pool, workers=3, cancellation=cancellation)


def test_all_workers_have_stopped_when_the_error_is_raised(pool: ThreadPoolExecutor) -> None:
    cancellation = Cancellation()
    running = []

    def long(_: memoryview) -> None:
        running.append(1)
        try:
            while True:
                cancellation.check()
                time.sleep(0.001)
        finally:
            running.pop()

    def fails_later(_: memoryview) -> None:
        while len(running) < 2:
            time.sleep(0.001)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        run_all([long, long, fails_later], executor=pool, workers=3, cancellation=cancellation)
    assert running == []


def test_abort_wakes_workers_that_wait_for_something_else(pool: ThreadPoolExecutor) -> None:
    line = threading.Event()
    waiting = threading.Event()

    def hangs(_: memoryview) -> None:
        waiting.set()
        assert line.wait(PATIENCE_SECONDS)

    def fails(_: memoryview) -> None:
        waiting.wait(PATIENCE_SECONDS)
        raise OSError("gone")

    started = time.monotonic()
    with pytest.raises(OSError, match="gone"):
        run_all([hangs, fails], executor=pool, workers=2, cancellation=Cancellation(), abort=line.set)
    assert time.monotonic() - started < PATIENCE_SECONDS / 2


def test_abort_is_not_called_where_all_goes_well(pool: ThreadPoolExecutor) -> None:
    run_all(
        Diary().jobs(3),
        executor=pool,
        workers=2,
        cancellation=Cancellation(),
        abort=lambda: pytest.fail("nothing went wrong"),
    )


def test_somebody_else_may_ask_to_stop(pool: ThreadPoolExecutor) -> None:
    cancellation = Cancellation()
    diary = Diary()
    with pytest.raises(StoppedError):
        run_all(
            [*diary.jobs(2), lambda _: cancellation.cancel(), *diary.jobs(50)],
            executor=pool,
            workers=1,
            cancellation=cancellation,
        )
    assert diary.done == [0, 1]


def test_keyboard_interrupt_stops_the_workers_and_goes_on(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancellation = Cancellation()
    stopped = []

    def long(_: memoryview) -> None:
        try:
            while True:
                cancellation.check()
                time.sleep(0.001)
        finally:
            stopped.append(1)

    def interrupted(*_: object, **__: object) -> None:
        # The second call is the one that waits for the workers to stop.
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr("airgap_bundle.transfer.scheduler.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_all([long, long], executor=pool, workers=2, cancellation=cancellation)
    assert len(stopped) == 2


def test_an_error_in_the_list_of_jobs_itself_is_raised(pool: ThreadPoolExecutor) -> None:
    def jobs() -> Iterator[Callable[[memoryview], None]]:
        yield lambda _: None
        raise RuntimeError("no more plans")

    with pytest.raises(RuntimeError, match="no more plans"):
        run_all(jobs(), executor=pool, workers=2, cancellation=Cancellation())


def test_an_executor_that_cannot_start_a_worker_does_not_leave_the_others_at_work(pool: ThreadPoolExecutor) -> None:
    cancellation = Cancellation()
    stopped = threading.Event()

    class Narrow(Executor):
        accepted = 0

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.accepted += 1
            if self.accepted > 1:
                raise RuntimeError("can't start new thread")
            return pool.submit(fn, *args, **kwargs)

    def long(_: memoryview) -> None:
        while True:
            try:
                cancellation.check()
            except StoppedError:
                stopped.set()
                raise
            time.sleep(0.001)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        run_all([long], executor=Narrow(), workers=2, cancellation=cancellation)
    assert stopped.is_set()


def test_work_that_was_never_started_does_not_look_done() -> None:
    class Closed(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    with pytest.raises(CancelledError):
        run_all(Diary().jobs(3), executor=Closed(), workers=2, cancellation=Cancellation())


def test_more_workers_than_threads_take_turns(pool: ThreadPoolExecutor) -> None:
    diary = Diary()
    run_all(diary.jobs(30), executor=pool, workers=9, cancellation=Cancellation())
    assert sorted(diary.done) == list(range(30))
