"""Threads: bounded, fair between addresses, and stopped within a bounded time."""

from __future__ import annotations

import threading
import time

import pytest

from airgap_bundle.registry.serving.workers import Workers


class Talk:
    """A connection whose request lasts until it is told to end, or cut off."""

    def __init__(self, peer: str = "a", *, more: bool = False) -> None:
        self.remote_addr = peer
        self.more = more
        self.began = threading.Event()
        self.end = threading.Event()
        self.closed = threading.Event()
        self.aborted = False
        self.fails: Exception | None = None

    def communicate(self) -> bool:
        self.began.set()
        assert self.end.wait(10)
        if self.fails:
            raise self.fails
        return self.more

    def close(self) -> None:
        self.closed.set()

    def abort(self) -> None:
        self.aborted = True
        self.end.set()


def ready(peer: str = "a", *, more: bool = False) -> Talk:
    talk = Talk(peer, more=more)
    talk.end.set()
    return talk


def make(limit: int = 4, peer_limit: int = 4) -> tuple[Workers, list[Talk]]:
    kept: list[Talk] = []
    return Workers(limit, peer_limit, kept.append), kept  # type: ignore[arg-type]  # a talk is a connection


def test_no_more_threads_than_allowed() -> None:
    workers, _ = make(limit=2)
    talks = [Talk(str(number)) for number in range(3)]
    for talk in talks:
        workers.put(talk)
    assert talks[0].began.wait(5)
    assert talks[1].began.wait(5)
    assert not talks[2].began.wait(0.05)
    assert (workers.busy, workers.qsize, workers.idle) == (2, 1, 0)
    talks[0].end.set()
    assert talks[2].began.wait(5)
    workers.stop()


def test_one_address_leaves_threads_for_the_others() -> None:
    workers, _ = make(limit=4, peer_limit=2)
    greedy = [Talk("greedy") for _ in range(4)]
    other = Talk("other")
    for talk in (*greedy, other):
        workers.put(talk)
    assert other.began.wait(5)
    assert sum(talk.began.wait(0.05) for talk in greedy) == 2
    for talk in (*greedy, other):
        talk.end.set()
    assert all(talk.closed.wait(5) for talk in greedy)
    workers.stop(5)


def test_what_goes_on_is_put_back_and_the_rest_is_closed() -> None:
    workers, kept = make()
    more, over = ready(more=True), ready()
    workers.put(more)
    workers.put(over)
    assert over.closed.wait(5)
    workers.stop(5)
    assert kept == [more]
    assert not more.closed.is_set()


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), ZeroDivisionError("a bug")])
def test_a_request_that_fails_costs_no_thread(error: Exception) -> None:
    workers, _ = make(limit=1)
    bad, good = ready(), ready()
    bad.fails = error
    workers.put(bad)
    workers.put(good)
    assert good.closed.wait(5)
    assert bad.closed.is_set()
    workers.stop(5)


def test_stopping_lets_what_is_under_way_finish() -> None:
    workers, _ = make()
    talk = Talk()
    workers.put(talk)
    assert talk.began.wait(5)
    threading.Timer(0.1, talk.end.set).start()
    workers.stop(5)
    assert talk.closed.is_set()
    assert not talk.aborted


def test_stopping_cuts_off_what_does_not_end_all_at_once() -> None:
    workers, _ = make(limit=8, peer_limit=8)
    talks = [Talk() for _ in range(8)]
    for talk in talks:
        workers.put(talk)
    assert all(talk.began.wait(5) for talk in talks)
    began = time.monotonic()
    workers.stop(0.1)
    assert time.monotonic() - began < 1
    assert all(talk.aborted and talk.closed.is_set() for talk in talks)


def test_what_waits_or_comes_after_stopping_is_closed() -> None:
    workers, _ = make(limit=1)
    busy, waiting, late = Talk(), Talk(), Talk()
    workers.put(busy)
    assert busy.began.wait(5)
    workers.put(waiting)
    workers.stop(0.0)
    assert waiting.closed.is_set()
    workers.put(late)
    assert late.closed.is_set()


def test_stopping_one_that_never_began_takes_no_time() -> None:
    make()[0].stop(5)


def test_a_connection_that_cannot_be_put_back_is_cut_off() -> None:
    def closed(_: object) -> None:
        raise ValueError("I/O operation on closed epoll object")

    workers = Workers(1, 1, closed)
    talk, after = ready(more=True), ready()
    workers.put(talk)
    workers.put(after)
    assert after.closed.wait(5)
    assert talk.aborted
    workers.stop(5)
