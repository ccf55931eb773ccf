"""A line with a delay: everything that is asked through it waits a moment before it is passed on.

Each request pays once, however long its body is: the delay comes where the direction turns. Bandwidth stays what it
was, so that round trips can be told from bytes.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIECE_BYTES = 1024 * 1024


@dataclass
class _Talk:
    client: socket.socket
    server: socket.socket
    delay_seconds: float
    client_spoke_last: bool = field(default=False)

    def ask(self) -> None:
        """From the client to the server."""
        for data in _pieces(self.client):
            if not self.client_spoke_last:
                self.client_spoke_last = True
                time.sleep(self.delay_seconds)
            self.server.sendall(data)
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_WR)

    def answer(self) -> None:
        """And back."""
        for data in _pieces(self.server):
            self.client_spoke_last = False
            self.client.sendall(data)
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def slow_line(to: str, delay_seconds: float) -> Iterator[str]:
    """Another address for the registry at `to` (`HOST:PORT`), with a delay on every request."""
    host, _, port = to.rpartition(":")
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                server = socket.create_connection((host, int(port)))
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                talk = _Talk(client, server, delay_seconds)
                for side in (talk.ask, talk.answer):
                    threading.Thread(target=_guarded, args=(side,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _pieces(source: socket.socket) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(_PIECE_BYTES))
    with contextlib.suppress(OSError):
        while count := source.recv_into(buffer):
            yield buffer[:count]


def _guarded(side: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        side()
