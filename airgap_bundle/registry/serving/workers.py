"""The threads that answer requests: bounded, fair between clients, and stopped within a bounded time.

They take the place of the server library's own, which wait for a client for as long as it pleases when they are told to
stop, and lose a connection that comes back at that moment. Knows nothing of HTTP.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)
# What a thread needs at most to notice that its client is gone; one in a stuck disk is left behind.
_ABORT_SECONDS = 2.0


class Connection(Protocol):
    """A client that has something to say."""

    @property
    def remote_addr(self) -> str | None:
        """Where it comes from."""
        ...

    def communicate(self) -> bool:
        """Answer one request; whether more may come."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...

    def abort(self) -> None:
        """Cut it off while another thread talks with it, so that this one notices."""
        ...


class Workers:
    """At most `limit` threads, of which one address holds at most `peer_limit`; made as they are needed.

    `keep` takes back a connection on which more may come.
    """

    # What the server library asks of a pool.
    min = 1

    def __init__(self, limit: int, peer_limit: int, keep: Callable[[Connection], None]) -> None:
        self._limit = limit
        self._peer_limit = peer_limit
        self._keep = keep
        self._waiting: deque[Connection] = deque()
        self._busy: dict[threading.Thread, Connection] = {}
        self._of_peer: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self._changed = threading.Condition()

    @property
    def idle(self) -> int:
        """Threads that wait for work."""
        with self._changed:
            return len(self._threads) - len(self._busy)

    @property
    def busy(self) -> int:
        """Threads that answer."""
        with self._changed:
            return len(self._busy)

    @property
    def qsize(self) -> int:
        """Connections that wait for a thread."""
        with self._changed:
            return len(self._waiting)

    def start(self) -> None:
        """Nothing has to be ready before the first request."""

    def put(self, connection: Connection) -> None:
        """Have a connection answered as soon as a thread is free. Closes it where the server is stopping."""
        with self._changed:
            if not self._stopping:
                self._waiting.append(connection)
                if len(self._threads) - len(self._busy) < len(self._waiting) and len(self._threads) < self._limit:
                    thread = threading.Thread(target=self._run, name=f"worker-{len(self._threads)}", daemon=True)
                    self._threads.append(thread)
                    thread.start()
                self._changed.notify()
                return
        connection.close()

    def stop(self, timeout: float = 0.0) -> None:
        """Let what is under way go on for `timeout` seconds at most, then cut it off."""
        with self._changed:
            self._stopping = True
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for connection in waiting:
            connection.close()
        if self._join(timeout):
            return
        with self._changed:
            busy = list(self._busy.values())
        for connection in busy:
            connection.abort()
        if not self._join(_ABORT_SECONDS):
            _LOGGER.warning("a thread did not end; it ends with the process")

    def _join(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while (connection := self._next()) is not None:
            goes_on = False
            try:
                goes_on = connection.communicate()
            except OSError as error:
                _LOGGER.debug("a client is gone: %s", error)
            except Exception:
                # A bug. A thread that died of it would be one fewer for everybody.
                _LOGGER.exception("a request could not be answered")
            finally:
                self._done(connection)
            self._let_go(connection, goes_on=goes_on)

    def _let_go(self, connection: Connection, *, goes_on: bool) -> None:
        try:
            if goes_on:
                self._keep(connection)
            else:
                connection.close()
        except (OSError, ValueError, KeyError) as error:
            # The selector was closed meanwhile, or the client.
            _LOGGER.debug("a connection could not be put back: %s", error)
            connection.abort()

    def _next(self) -> Connection | None:
        """The next connection whose turn it is; `None` where the server is stopping."""
        with self._changed:
            while not self._stopping:
                for connection in self._waiting:
                    if self._of_peer[connection.remote_addr or ""] < self._peer_limit:
                        self._waiting.remove(connection)
                        self._of_peer[connection.remote_addr or ""] += 1
                        self._busy[threading.current_thread()] = connection
                        return connection
                self._changed.wait()
        return None

    def _done(self, connection: Connection) -> None:
        with self._changed:
            del self._busy[threading.current_thread()]
            peer = connection.remote_addr or ""
            self._of_peer[peer] -= 1
            if not self._of_peer[peer]:
                del self._of_peer[peer]
            if self._waiting:
                self._changed.notify()
