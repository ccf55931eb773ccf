"""Interruption: Ctrl-C and SIGTERM end a command in the same orderly way; the second one ends it at once."""

import contextlib
import os
import signal
import threading
from types import FrameType

INTERRUPTED_STATUS = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def leave_at_once() -> None:
    """Until `install` is called, let SIGINT and SIGTERM end the process with the right status: nothing is begun yet."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave_at_once)


def install() -> None:
    """Let SIGINT and SIGTERM raise `KeyboardInterrupt` in the main thread, and the next one end the process.

    A signal that was being ignored when we were started (`nohup`, a background job) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    for each in _SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _leave_at_once)
    raise KeyboardInterrupt


def _leave_at_once(number: int, frame: FrameType | None) -> None:
    del number, frame
    # The display hides the cursor while it draws; nobody else will bring it back.
    with contextlib.suppress(OSError):
        if os.isatty(2):
            os.write(2, b"\x1b[?25h\n")
    os._exit(INTERRUPTED_STATUS)
