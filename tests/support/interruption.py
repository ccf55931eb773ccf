"""Ctrl-C at every moment, one after another: what is begun has to be seen to whenever it comes."""

from __future__ import annotations

import contextlib
import itertools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


def every_interruption(work: Callable[[Callable[[], None]], object]) -> Iterator[int]:
    """Do `work` again and again, each time interrupted one step later; gives the number of that moment.

    A step is the beginning or the end of a call into C, which is what everything outside this process is changed by.
    `work` is given a function that it calls when the stretch in question is over. It ends where `work` gets that far.
    """
    # Once in peace: what is cached from then on would make a later round shorter than the moment that it is to reach.
    work(lambda: None)
    for moment in itertools.count(1):
        if _is_uninterrupted(work, moment):
            return
        yield moment


def _is_uninterrupted(work: Callable[[Callable[[], None]], object], moment: int) -> bool:
    left = moment

    def interrupt(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        del frame, argument
        # An error at other events skips what the function itself would do about it; a signal does not.
        left -= event in {"c_call", "c_return"}
        if not left:
            sys.setprofile(None)
            raise KeyboardInterrupt

    def over() -> None:
        sys.setprofile(None)

    with contextlib.suppress(KeyboardInterrupt):
        try:
            sys.setprofile(interrupt)
            work(over)
        finally:
            sys.setprofile(None)
        return left > 0
    return False
