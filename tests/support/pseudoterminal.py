"""A program under a real terminal of 80 columns, and what it drew there."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run_in_terminal(
    command: Sequence[str], *, environment: Mapping[str, str], columns: int = 80, stdout: BinaryIO | int | None = None
) -> tuple[int, str]:
    """The exit status of `command`, and everything that came to its terminal. `stdout` may go elsewhere."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs if stdout is None else stdout, stderr=theirs, env=dict(environment)
        )
    finally:
        os.close(theirs)
    drawn = b""
    with os.fdopen(ours, "rb", buffering=0) as reader, process:
        while True:
            try:
                piece = reader.read(65536)
            except OSError:  # what Linux answers when the last writer has gone
                break
            if not piece:
                break
            drawn += piece
    return process.returncode, drawn.decode("utf-8", "replace")


def without_control(text: str) -> list[str]:
    """The lines as written, without what moves the cursor or sets a colour."""
    return re.split(r"[\r\n]+", _CONTROL.sub("", text))


def converse(command: list[str], answer: Callable[[str], str]) -> tuple[int, str]:
    """Run a command on a terminal; each time it asks, `answer` gets what it said since, and its answer is typed."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(os.environ))
    finally:
        os.close(theirs)
    said, asked = "", 0
    with process:
        try:
            while True:
                try:
                    piece = os.read(ours, 65536)
                except OSError:
                    break
                said += piece.decode()
                if said[asked:].rstrip().endswith("where it is:"):
                    question, asked = said[asked:], len(said)
                    typed = answer(question)
                    os.write(ours, f"{typed}\n".encode() if typed != "\x04" else b"\x04")
        finally:
            os.close(ours)
    return process.returncode, said
