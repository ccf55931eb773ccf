"""Files on their way to a client: from the disk to the socket without passing through Python, or through TLS."""

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


def send_file(sock: socket.socket, part: FileSlice, *, idle_seconds: float, is_tls: bool) -> int:
    """Send a part of a file; the number of bytes. Raises `TimeoutError` for a client that hardly reads."""
    began, sent = time.monotonic(), 0
    step = _through_tls if is_tls else _straight
    while sent < part.count:
        sent += step(sock, part, sent, idle_seconds)
        elapsed = time.monotonic() - began
        if elapsed > _GRACE_SECONDS and sent < elapsed * _MIN_BYTES_PER_SECOND:
            raise TimeoutError("timed out")
    return sent


def _straight(sock: socket.socket, part: FileSlice, sent: int, idle_seconds: float) -> int:
    wanted = min(part.count - sent, _SEND_BYTES)
    try:
        count = os.sendfile(sock.fileno(), part.file.fileno(), part.offset + sent, wanted)
    except BlockingIOError:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        if not poll.poll(idle_seconds * 1000):
            raise TimeoutError("timed out") from None
        return 0
    if not count:
        raise ConnectionAbortedError("the file ended early")
    return count


def _through_tls(sock: socket.socket, part: FileSlice, sent: int, idle_seconds: float) -> int:
    buffer: memoryview | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = new_buffer(_TLS_BYTES)
    count = os.preadv(part.file.fileno(), [buffer[: part.count - sent]], part.offset + sent)
    if not count:
        raise ConnectionAbortedError("the file ended early")
    sock.settimeout(idle_seconds)
    sock.sendall(buffer[:count])
    return count
