"""A registry's doorkeeper: counts the requests that go through to it, and can refuse, hold or betray any of them."""

from __future__ import annotations

import contextlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Headers that belong to one connection and not to what it carries.
_OF_THE_LINE = {"connection", "keep-alive", "transfer-encoding"}


class Gate:
    """Stands in front of the registry at `behind` (`HOST:PORT`); `address` is its own.

    `rule` is asked for each request, by method and target: None lets it through, a number is the status to refuse it
    with. It may do anything else on the way, such as killing whoever asks. While `open` is cleared requests wait.
    """

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.asked: list[tuple[str, str]] = []
        self.rule: Callable[[str, str], int | None] = lambda _method, _target: None
        self.open = threading.Event()
        self.open.set()
        self._lock = threading.Lock()
        gate = self

        class Handler(_Handler):
            keeper = gate

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def count(self, method: str, part: str = "") -> int:
        """How many requests of this method had `part` in their target."""
        return sum(1 for asked, target in self.asked if asked == method and part in target)

    def uploads(self) -> int:
        """How many uploads of blobs were begun, without those of receipts."""
        return self.count("POST", "/blobs/uploads/") - self.count("POST", "/airgap-receipts/")

    def judge(self, method: str, target: str) -> int | None:
        """Note the request, and ask the rule about it."""
        with self._lock:
            self.asked.append((method, target))
        self.open.wait(60)
        return self.rule(method, target)

    def serve(self) -> None:
        """Until `close`."""
        self._server.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        """Let nobody in any more."""
        self.open.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    keeper: Gate

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server chose
        del format, args

    def _pass(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        try:
            refused = self.keeper.judge(self.command, self.path)
            if refused is not None:
                self.send_response(refused)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._forward(body)
        except OSError:
            self.close_connection = True

    def _forward(self, body: bytes) -> None:
        with contextlib.closing(http.client.HTTPConnection(self.keeper.behind, timeout=30)) as line:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_LINE}
            line.request(self.command, self.path, body=body or None, headers=kept)
            reply = line.getresponse()
            data = reply.read()
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in {*_OF_THE_LINE, "content-length", "server", "date"}:
                    self.send_header(name, value)
            length = reply.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
            if length is not None:
                self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _pass  # noqa: N815 - the names that http.server asks for


@contextlib.contextmanager
def gate_before(address: str) -> Iterator[Gate]:
    """A gate in front of a registry."""
    gate = Gate(address)
    thread = threading.Thread(target=gate.serve, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        gate.close()
        thread.join(10)
