"""The embedded registry on the network: cheroot's threaded server around the WSGI application.

Bounded threads, bounded connections, idle connections wait without a thread, headers and bodies have deadlines, and
files go to the socket without passing through Python. On loopback only, because it has neither TLS nor authentication.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import queue
import select
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from cheroot import server as cheroot_server
from cheroot import wsgi as cheroot_wsgi

from airgap_bundle.core.errors import HostError, UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.registry.incoming import (
    HEADER_SECONDS,
    MAX_HEADER_BYTES,
    Body,
    SocketReader,
    SocketWriter,
    read_headers,
)
from airgap_bundle.registry.routes import RegistryApplication
from airgap_bundle.registry.store import DirectoryRegistry
from airgap_bundle.registry.uploads import Uploads
from airgap_bundle.registry.wsgi import FileSlice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from airgap_bundle.registry.admission import Admission, Page

    Log = Callable[[str], None]

_LOGGER = logging.getLogger(__name__)
# Hashing and files let other threads run; 16 buffers of a mebibyte fit into the memory that is promised.
_THREADS = 16
# Below the 1024 files that a process may usually have open, with room for the files being sent.
_MAX_CONNECTIONS = 400
_IDLE_SECONDS = 60
_STOP_SECONDS = 5
_BACKLOG = 128
# What is left of a refused body is read up to here, so that the client gets to see the answer before the line is cut.
_DRAIN_BYTES = 16 * 1024 * 1024
_SEND_BYTES = 4 * 1024 * 1024
_MIN_SEND_BYTES_PER_SECOND = 1024
_SEND_GRACE_SECONDS = 60.0


class _Request(cheroot_server.HTTPRequest):
    """One request, read strictly and within a deadline."""

    header_reader = staticmethod(read_headers)

    def parse_request(self) -> None:
        self.conn.rfile.set_deadline(HEADER_SECONDS)
        super().parse_request()
        self.conn.rfile.set_deadline(None)

    def read_request_headers(self) -> bool:
        if not super().read_request_headers():  # type: ignore[no-untyped-call]  # its stub says nothing
            return False
        if b"Transfer-Encoding" in self.inheaders and not self.chunked_read:
            # HTTP/1.0 knows no chunks: the end of this request would be a matter of opinion.
            self.simple_response("400 Bad Request", "Transfer-Encoding in HTTP/1.0")
            return False
        return True

    def respond(self) -> None:
        length = None if self.chunked_read else int(self.inheaders.get(b"Content-Length", 0))
        self.rfile = Body(self.conn.rfile, length)
        self.server.gateway(self).respond()
        if self.ready:
            self.ensure_headers_sent()

    def send_headers(self) -> None:
        if not self.rfile.finished and not self.rfile.drain(_DRAIN_BYTES):
            self.close_connection = True
        super().send_headers()


class _Connection(cheroot_server.HTTPConnection):
    """One connection, which counts itself and reads and writes without copies."""

    RequestHandlerClass = _Request

    def __init__(self, server: _Server, sock: Any, makefile: object) -> None:  # noqa: ARG002 - cheroot offers slow ones
        super().__init__(server, sock, lambda sock, mode, _size: _file(server, sock, mode))
        self.waited = False
        self._counted = True
        server.count_connections(1)

    def close(self) -> None:
        super().close()
        if self._counted:
            self._counted = False
            self.server.count_connections(-1)


def _file(server: _Server, sock: Any, mode: str) -> SocketReader | SocketWriter:
    return SocketReader(sock, idle_seconds=server.timeout) if "r" in mode else SocketWriter(sock)


class _Gateway(cheroot_wsgi.Gateway_10):
    """Between cheroot and the application: sends files, and writes the line in the log."""

    status = "---"

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        self.status = status
        return super().start_response(status, headers, exc_info)

    def respond(self) -> None:
        began = time.monotonic()
        reply = self.req.server.wsgi_app(self.env, self.start_response)
        try:
            self.req.ensure_headers_sent()
            if isinstance(reply, FileSlice):
                _send_file(self.req.conn.socket, reply, self.req.server.timeout)
            else:
                for piece in reply:
                    self.write(piece)
        finally:
            if isinstance(reply, FileSlice):
                reply.close()
            self.req.server.log_request(self.env, self.status, time.monotonic() - began)


def _send_file(sock: Any, part: FileSlice, idle_seconds: float) -> None:
    """Send a part of a file straight from the disk. Raises `TimeoutError` for a client that hardly reads."""
    offset, left, began = part.offset, part.count, time.monotonic()
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    while left:
        try:
            count = os.sendfile(sock.fileno(), part.file.fileno(), offset, min(left, _SEND_BYTES))
        except BlockingIOError:
            if not poll.poll(idle_seconds * 1000):
                raise TimeoutError("timed out") from None
            continue
        if not count:
            raise ConnectionAbortedError("the file ended early")
        offset += count
        left -= count
        elapsed = time.monotonic() - began
        if elapsed > _SEND_GRACE_SECONDS and offset - part.offset < elapsed * _MIN_SEND_BYTES_PER_SECOND:
            raise TimeoutError("timed out")


class _Server(cheroot_wsgi.Server):
    """cheroot's server with the limits above."""

    ConnectionClass = _Connection
    max_request_header_size = MAX_HEADER_BYTES
    keep_alive_conn_limit = _MAX_CONNECTIONS
    version = "airgap-bundle"
    # How often it looks whether it has been stopped, and which connections have idled too long.
    expiration_interval = 0.1

    def __init__(self, address: tuple[str, int], application: RegistryApplication, log: Log | None) -> None:
        super().__init__(
            address,
            application,
            numthreads=_THREADS,
            max=_THREADS,
            server_name="airgap-bundle",
            request_queue_size=_BACKLOG,
            timeout=_IDLE_SECONDS,
            shutdown_timeout=_STOP_SECONDS,
        )
        self.gateway = _Gateway
        self._log = log
        self._connection_count = 0
        self._count_lock = threading.Lock()

    @staticmethod
    def bind_socket(socket_: Any, bind_addr: Any) -> Any:
        """Bind, and close the socket where that fails, which cheroot forgets."""
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_

    def count_connections(self, change: int) -> None:
        """One more, or one less."""
        with self._count_lock:
            self._connection_count += change

    def process_conn(self, conn: _Connection) -> None:
        """Let a new connection wait for its first byte without a thread; hand over one that has something to say."""
        if conn.waited:
            super().process_conn(conn)
        elif self._connection_count > _MAX_CONNECTIONS:
            conn.close()
        else:
            conn.waited = True
            self.put_conn(conn)

    def log_request(self, environ: dict[str, Any], status: str, seconds: float) -> None:
        """One line for one request."""
        if self._log is not None:
            asked = f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']}"
            self._log(printable(f"{environ['REMOTE_ADDR']} {asked} {status[:3]} {seconds:.3f} s"))

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:  # noqa: FBT001, FBT002 - cheroot calls it so
        """What cheroot has to say: to the module's logger, never to the client."""
        _LOGGER.log(level, "%s", printable(msg), exc_info=traceback)


class RegistryServer:
    """A registry directory, served on loopback in a thread of its own for as long as the context lasts.

    `host` and `port` are where; port 0 asks for any free one. Raises `UsageError` for an address that is not loopback
    and `HostError` for one that cannot be had.
    """

    def __init__(
        self,
        path: Path | str,
        listen: str = "127.0.0.1:0",
        *,
        allow_push: bool = False,
        admission: Admission | None = None,
        pages: Mapping[str, Page] | None = None,
        log: Log | None = None,
    ) -> None:
        self.host, self.port = parse_listen(listen)
        self.registry = DirectoryRegistry(path)
        uploads = Uploads(self.registry.storage.contents)
        application = RegistryApplication(
            self.registry, uploads, allow_push=allow_push, admission=admission, pages=pages
        )
        self._server = _Server((self.host, self.port), application, log)
        self._thread = threading.Thread(target=self._server.serve, name="registry-server", daemon=True)

    @property
    def address(self) -> str:
        """`HOST:PORT`, as it stands in references."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __enter__(self) -> Self:
        try:
            self._server.prepare()
        except OSError as error:
            raise HostError(
                "AB-SERVE-ADDRESS-IN-USE",
                f"cannot listen on {self.address}: another program does, or the address is not one of this machine",
                hint="name another port with --listen",
            ) from error
        self.port = self._server.bind_addr[1]
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._server.stop()
        self._thread.join()


def serve(
    path: Path | str,
    listen: str = "127.0.0.1:5000",
    *,
    allow_push: bool = False,
    log: Log | None = None,
    ready: Callable[[RegistryServer], None] | None = None,
) -> None:
    """Serve a registry directory until SIGINT or SIGTERM, then let what is under way finish, and return.

    `ready` is called once requests are answered. Has to run in the main thread, where signals arrive.
    """
    stop: queue.SimpleQueue[int] = queue.SimpleQueue()
    with _signals(stop), RegistryServer(path, listen, allow_push=allow_push, log=log) as server:
        if ready is not None:
            ready(server)
        stop.get()


@contextmanager
def _signals(stop: queue.SimpleQueue[int]) -> Iterator[None]:
    """Put each SIGINT and SIGTERM into `stop`; put the handlers back at the end.

    A queue of this kind, because a handler may interrupt the very thread that waits, or another handler: a lock that
    such a one holds, as an event has, would never be free again.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda signal_number, _: stop.put(signal_number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def parse_listen(text: str) -> tuple[str, int]:
    """The host and port of `HOST:PORT`; only loopback, since there is neither TLS nor authentication."""
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:  # noqa: PLR2004 - ports
        hint = "an example is 127.0.0.1:5000"
        raise UsageError("AB-SERVE-ADDRESS", f"not an address to listen on: {text!r}", hint=hint)
    if not _is_loopback(host):
        raise UsageError(
            "AB-SERVE-NOT-LOOPBACK",
            f"refusing to listen on {host}: without TLS and authentication the registry is for this machine only",
            hint="listen on 127.0.0.1, and put a proxy with TLS and authentication in front of it",
        )
    return host, int(port)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
