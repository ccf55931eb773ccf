"""Bytes on their way to a client: files from the disk to the socket without passing through Python, or through TLS.

Every client has to read at a least speed, however it slices its reading: one that hardly reads holds a thread.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import TYPE_CHECKING

from airgap_bundle.core.content import new_buffer

if TYPE_CHECKING:
    import socket

    from airgap_bundle.registry.wsgi import FileSlice

# How much the kernel is asked to send at a time.
_SEND_BYTES = 4 * 1024 * 1024
# What is encrypted at a time, one such buffer for each thread that has sent a file.
_TLS_BYTES = 256 * 1024
_MIN_BYTES_PER_SECOND = 1024
_GRACE_SECONDS = 60.0
_local = threading.local()


class Pace:
    """How fast a client reads. Raises `TimeoutError` for one that hardly does."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.sent = 0

    def count(self, sent: int) -> None:
        """So many bytes more have gone."""
        self.sent += sent
        elapsed = time.monotonic() - self._began
        if elapsed > _GRACE_SECONDS and self.sent < elapsed * _MIN_BYTES_PER_SECOND:
            raise TimeoutError("timed out")


def send_all(sock: socket.socket, data: bytes | memoryview, pace: Pace) -> None:
    """Send every byte. Raises `TimeoutError` for a client that hardly reads."""
    view = memoryview(data)
    while view:
        count = sock.send(view)
        pace.count(count)
        view = view[count:]


def send_file(sock: socket.socket, part: FileSlice, *, idle_seconds: float, is_tls: bool) -> int:
    """Send a part of a file; the number of bytes. Raises `TimeoutError` for a client that hardly reads."""
    pace = Pace()
    sock.settimeout(idle_seconds)
    step = _through_tls if is_tls else _straight
    while pace.sent < part.count:
        step(sock, part, pace, idle_seconds)
    return pace.sent


def _straight(sock: socket.socket, part: FileSlice, pace: Pace, idle_seconds: float) -> None:
    wanted = min(part.count - pace.sent, _SEND_BYTES)
    try:
        count = os.sendfile(sock.fileno(), part.file.fileno(), part.offset + pace.sent, wanted)
    except BlockingIOError:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        if not poll.poll(idle_seconds * 1000):
            raise TimeoutError("timed out") from None
        return
    if not count:
        raise ConnectionAbortedError("the file ended early")
    pace.count(count)


def _through_tls(sock: socket.socket, part: FileSlice, pace: Pace, idle_seconds: float) -> None:  # noqa: ARG001 - the socket has it
    buffer: memoryview | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = new_buffer(_TLS_BYTES)
    count = os.preadv(part.file.fileno(), [buffer[: part.count - pace.sent]], part.offset + pace.sent)
    if not count:
        raise ConnectionAbortedError("the file ended early")
    send_all(sock, buffer[:count], pace)
