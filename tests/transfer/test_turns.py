from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airgap_bundle.transfer.scheduler import Cancellation, StoppedError
from airgap_bundle.transfer.turns import Turns


def test_turns_are_taken_in_the_order_of_their_numbers_whoever_comes_first() -> None:
    turns = Turns(cancellation=Cancellation())
    seen: list[int] = []

    def take(number: int) -> None:
        with turns.turn(number):
            seen.append(number)

    with ThreadPoolExecutor(8) as executor:
        for number in reversed(range(8)):
            executor.submit(take, number)
    assert seen == list(range(8))
    assert turns.is_over(7)


def test_a_turn_that_fails_is_not_passed_on_so_that_nobody_reads_from_the_middle() -> None:
    cancellation = Cancellation()
    turns = Turns(cancellation=cancellation)
    with pytest.raises(ValueError, match="broken"), turns.turn(0):
        raise ValueError("broken")
    assert not turns.is_over(0)
    with ThreadPoolExecutor(1) as executor:
        began = threading.Event()

        def wait() -> None:
            began.set()
            with turns.turn(1):
                pytest.fail("the stream stands in the middle of something")

        waiting = executor.submit(wait)
        assert began.wait(10)
        cancellation.cancel()
        with pytest.raises(StoppedError):
            waiting.result(10)
