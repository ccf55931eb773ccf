"""A server that does as it is told: this request, this answer, then cut the line.

Each step names the request that has to come next and the raw bytes to answer with. Whatever comes unasked is answered
599 and makes the test fail when the server is closed, as do steps that nobody asked for. Everything received is kept.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

_MAX_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it came. `body` is as much of it as the step read."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Step:
    """What has to come, and what happens then."""

    method: str
    target: str
    answer: bytes | Callable[[Received], bytes]
    cut: bool = False
    """Close the connection after the answer."""
    read_body: int | None = None
    """Read only so many bytes of the request's body."""
    drip: float = 0.0
    """Seconds between two bytes of the answer, from `drip_from` on."""
    drip_from: int = 0
    silence: float = 0.0
    """Seconds before the answer."""


def answer(status: int, body: bytes | str = b"", **headers: str) -> bytes:
    """A plain answer; `content_type="…"` becomes `Content-Type`. Lengths are right unless one is given."""
    raw = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Scripted"]
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    lines += [f"{name}: {value}" for name, value in {"Content-Length": str(len(raw)), **named}.items() if value]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + raw


def refusal(status: int, code: str, message: str, **headers: str) -> bytes:
    """An error document as the distribution specification has it."""
    body = json.dumps({"errors": [{"code": code, "message": message}]})
    return answer(status, body, content_type="application/json", **headers)


@dataclass
class ScriptedServer:
    """Listens on a free port of loopback while it is entered; `address` is its `HOST:PORT`."""

    context: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._steps: list[Step] = []
        self._always: dict[tuple[str, str], bytes | Callable[[Received], bytes]] = {}
        self._lock = threading.Lock()
        self._complaints: list[str] = []
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def step(
        self,
        method: str,
        target: str,
        reply: bytes | Callable[[Received], bytes],
        *,
        cut: bool = False,
        read_body: int | None = None,
        drip: float = 0.0,
        drip_from: int = 0,
        silence: float = 0.0,
    ) -> Self:
        """Expect this request next."""
        self._steps.append(
            Step(
                method=method,
                target=target,
                answer=reply,
                cut=cut,
                read_body=read_body,
                drip=drip,
                drip_from=drip_from,
                silence=silence,
            )
        )
        return self

    def always(self, method: str, path: str, reply: bytes | Callable[[Received], bytes]) -> Self:
        """Answer this path (without its query) whenever it is asked for, besides the steps."""
        self._always[method, path] = reply
        return self

    @property
    def asked(self) -> list[str]:
        """Method and target of everything received."""
        return [f"{request.method} {request.target}" for request in self.received]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for connection in sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        if kind is None:
            left = [f"{step.method} {step.target} was never asked for" for step in self._steps]
            assert self._complaints + left == []

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._sockets.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self.context is None:
                    self._talk(connection)
                else:
                    with self.context.wrap_socket(connection, server_side=True) as secure:
                        self._talk(secure)
            except OSError:
                pass  # the client hung up

    def _talk(self, connection: socket.socket) -> None:
        pending = b""
        while True:
            while b"\r\n\r\n" not in pending:
                data = connection.recv(_MAX_HEAD_BYTES)
                if not data:
                    return
                pending += data
            head, _, pending = pending.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            step = self._next(method, target)
            length = int(headers.get("content-length", 0))
            wanted = length if step is None or step.read_body is None else min(length, step.read_body)
            while len(pending) < wanted:
                data = connection.recv(1 << 20)
                if not data:
                    break
                pending += data
            request = Received(method=method, target=target, headers=headers, body=pending[:wanted])
            pending = pending[wanted:]
            with self._lock:
                self.received.append(request)
            if not self._reply(connection, step, request):
                return

    def _next(self, method: str, target: str) -> Step | None:
        with self._lock:
            fixed = self._always.get((method, target.partition("?")[0]))
            if fixed is not None:
                return Step(method=method, target=target, answer=fixed)
            if self._steps and (self._steps[0].method, self._steps[0].target) == (method, target):
                return self._steps.pop(0)
            expected = f"{self._steps[0].method} {self._steps[0].target}" if self._steps else "nothing more"
            self._complaints.append(f"{method} {target} came, expected was {expected}")
            return None

    def _reply(self, connection: socket.socket, step: Step | None, request: Received) -> bool:
        if step is None:
            connection.sendall(answer(599, "not in the script", connection="close"))
            return False
        raw = step.answer if isinstance(step.answer, bytes) else step.answer(request)
        if step.silence:
            time.sleep(step.silence)
        if step.drip:
            connection.sendall(raw[: step.drip_from])
            for number in range(step.drip_from, len(raw)):
                connection.sendall(raw[number : number + 1])
                time.sleep(step.drip)
        else:
            connection.sendall(raw)
        return not step.cut
