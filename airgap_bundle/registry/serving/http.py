"""HTTP/1.1 for the embedded registry: cheroot's request parser and selector around the WSGI application.

Bounded threads, bounded connections, idle connections wait without a thread, headers, handshakes and bodies have
deadlines, and files go to the socket without passing through Python.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cheroot import server as cheroot_server
from cheroot import wsgi as cheroot_wsgi
from cheroot.connections import ConnectionManager

from airgap_bundle.core.text import printable
from airgap_bundle.registry.incoming import MAX_HEADER_BYTES, Body, SocketReader, SocketWriter, read_headers
from airgap_bundle.registry.serving.access_log import Answered
from airgap_bundle.registry.serving.listening import is_loopback
from airgap_bundle.registry.serving.sending import send_file
from airgap_bundle.registry.serving.tls import HANDSHAKE_BYTE, common_name
from airgap_bundle.registry.serving.workers import Workers
from airgap_bundle.registry.wsgi import FileSlice

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.registry.routes import RegistryApplication
    from airgap_bundle.registry.serving.limits import Limits
    from airgap_bundle.registry.serving.tls import Tls

_LOGGER = logging.getLogger(__name__)
_BACKLOG = 128
# What is left of a refused body is read up to here, so that the client gets to see the answer before the line is cut.
_DRAIN_BYTES = 16 * 1024 * 1024
# How often it looks whether it has been stopped, and which connections have idled too long.
_LOOK_SECONDS = 0.1
_PLAIN_TO_TLS = b"Client sent an HTTP request to an HTTPS server: use https://\n"


class _Request(cheroot_server.HTTPRequest):
    """One request, read strictly and within a deadline."""

    header_reader = staticmethod(read_headers)

    def __init__(self, server: HttpServer, conn: _Connection) -> None:
        super().__init__(server, conn)
        self.began = time.monotonic()
        self.bytes_before = conn.rfile.bytes_read, conn.wfile.bytes_written
        self.told = False

    def parse_request(self) -> None:
        self.conn.rfile.set_deadline(self.server.limits.header_seconds)
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
        if not self.server.ready:
            self.close_connection = True
        super().send_headers()

    def simple_response(self, status: str, msg: str = "") -> None:
        """What the parser says to what is no request."""
        try:
            super().simple_response(status, msg)
        finally:
            self.tell(status)

    def tell(self, status: str, caller: str = "") -> None:
        """Let log and metrics know of the answer, once."""
        if self.told:
            return
        self.told = True
        received, sent = self.bytes_before
        self.server.observe(
            Answered(
                at=datetime.now(UTC),
                peer=self.conn.remote_addr or "",
                caller=caller,
                method=_text(getattr(self, "method", None)),
                target=_text(getattr(self, "uri", None)),
                status=int(status[:3]) if status[:3].isdigit() else 0,
                received_bytes=self.conn.rfile.bytes_read - received,
                sent_bytes=self.conn.wfile.bytes_written - sent,
                seconds=time.monotonic() - self.began,
            )
        )


class _Connection(cheroot_server.HTTPConnection):
    """One connection: counted, its handshake made when it first speaks, reading and writing without copies."""

    RequestHandlerClass = _Request

    def __init__(self, server: HttpServer, sock: Any, makefile: object) -> None:  # noqa: ARG002 - cheroot offers slow ones
        super().__init__(server, sock, lambda sock, mode, _size: _file(server, sock, mode))
        self.waited = False
        self.counted = False
        self.is_tls = False

    def communicate(self) -> bool:
        if self.server.tls is not None and not self.is_tls and not self._shake_hands(self.server.tls):
            return False
        return bool(super().communicate())  # type: ignore[no-untyped-call]  # its stub says nothing

    def _shake_hands(self, tls: Tls) -> bool:
        """Make the TLS handshake, in the thread of the request: who dawdles over it keeps nobody else waiting."""
        self.socket.settimeout(self.server.limits.header_seconds)
        if self.socket.recv(1, socket.MSG_PEEK) != HANDSHAKE_BYTE:
            head = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
            self.socket.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(_PLAIN_TO_TLS), _PLAIN_TO_TLS))
            return False
        self.socket = tls.context().wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.is_tls = True
        self.socket.do_handshake()
        self.rfile = _file(self.server, self.socket, "rb")
        self.wfile = _file(self.server, self.socket, "wb")
        self.rfile.set_deadline(None)
        self.ssl_env = {"wsgi.url_scheme": "https"}
        name = common_name(self.socket.getpeercert())
        if name is not None:
            self.ssl_env["SSL_CLIENT_S_DN_CN"] = name
        return True

    def close(self) -> None:
        super().close()
        self.server.forget(self)

    def abort(self) -> None:
        """Cut the line under whoever is reading or writing. The TLS object is theirs and not touched."""
        try:
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
        except OSError as error:
            _LOGGER.debug("a connection was gone already: %s", error)


def _file(server: HttpServer, sock: Any, mode: str) -> SocketReader | SocketWriter:
    return SocketReader(sock, idle_seconds=server.timeout) if "r" in mode else SocketWriter(sock)


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("latin-1")


class _Gateway(cheroot_wsgi.Gateway_10):
    """Between cheroot and the application: sends files, and says what became of the request."""

    status = ""

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        self.status = status
        return super().start_response(status, headers, exc_info)

    def respond(self) -> None:
        reply = None
        try:
            reply = self.req.server.wsgi_app(self.env, self.start_response)
            self.req.ensure_headers_sent()
            if isinstance(reply, FileSlice):
                connection = self.req.conn
                connection.wfile.bytes_written += send_file(
                    connection.socket, reply, idle_seconds=self.req.server.timeout, is_tls=connection.is_tls
                )
            else:
                for piece in reply:
                    self.write(piece)
        finally:
            if isinstance(reply, FileSlice):
                reply.close()
            if self.status:
                self.req.tell(self.status, self.env.get("REMOTE_USER", ""))


class HttpServer(cheroot_wsgi.Server):
    """cheroot's server with our limits, threads and way to stop.

    `observe` hears of every answer, `turned_away` of every connection that was too many; both in any thread.
    """

    ConnectionClass = _Connection
    max_request_header_size = MAX_HEADER_BYTES
    version = "airgap-bundle"
    expiration_interval = _LOOK_SECONDS

    def __init__(
        self,
        address: tuple[str, int],
        application: RegistryApplication,
        *,
        limits: Limits,
        tls: Tls | None,
        observe: Callable[[Answered], None],
        turned_away: Callable[[], None],
    ) -> None:
        super().__init__(address, application, server_name="airgap-bundle")
        self.timeout = limits.idle_seconds
        self.gateway = _Gateway
        self.limits = limits
        self.tls = tls
        self.observe = observe
        self.keep_alive_conn_limit = limits.connections
        self.requests = Workers(limits.threads, limits.peer_threads, self.put_conn)
        self._turned_away = turned_away
        self._peers: Counter[str] = Counter()
        self._peers_lock = threading.Lock()

    @property
    def connection_count(self) -> int:
        """Clients that are connected."""
        with self._peers_lock:
            return self._peers.total()

    def prepare(self) -> None:
        """Listen. Raises `OSError` where the address cannot be had."""
        host, port = self.bind_addr
        refused: OSError = OSError(f"{host} has no address")
        for family, _, _, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                listening = socket.create_server(address, family=family, backlog=_BACKLOG)
            except OSError as error:
                refused = error
                continue
            break
        else:
            raise refused
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.settimeout(1)
        self.socket = listening
        self.bind_addr = listening.getsockname()[:2]
        self.software = self.server_name
        self._connections = ConnectionManager(self)
        self._loop_ended = threading.Event()
        self.ready = True

    def serve(self) -> None:
        """Accept connections and hand over those that have something to say, until `stop`."""
        try:
            while self.ready:
                try:
                    self._connections.run(self.expiration_interval)
                except (OSError, ValueError, KeyError) as error:
                    # No file left for one connection more, say. At once again would be for ever again.
                    _LOGGER.warning("accepting connections: %s", error)
                    time.sleep(_LOOK_SECONDS)
        finally:
            self._loop_ended.set()

    def stop(self) -> None:
        """Accept nothing more, give what is under way its time, and close everything. `serve` has to have been called.

        In this order: nobody puts a connection back while the selector is being closed, and none is left open.
        """
        self.ready = False
        # Its own way waits without end for a loop that has not begun.
        self._connections._stop_requested = True  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other
        self._loop_ended.wait()
        self.socket.close()
        self.requests.stop(self.limits.stop_seconds)
        self._connections.close()

    def process_conn(self, conn: _Connection) -> None:
        """Let a new connection wait for its first byte without a thread; hand over one that has something to say."""
        if conn.waited:
            self.requests.put(conn)
        elif self._remember(conn):
            conn.waited = True
            self.put_conn(conn)
        else:
            self._turned_away()
            conn.close()

    def _remember(self, conn: _Connection) -> bool:
        """Count a connection unless it is one too many."""
        peer = conn.remote_addr or ""
        with self._peers_lock:
            if self._peers.total() >= self.limits.connections:
                return False
            if self._peers[peer] >= self.limits.peer_connections and not is_loopback(peer):
                return False
            self._peers[peer] += 1
            conn.counted = True
            return True

    def forget(self, conn: _Connection) -> None:
        """Count a connection no more."""
        peer = conn.remote_addr or ""
        with self._peers_lock:
            if conn.counted:
                conn.counted = False
                self._peers[peer] -= 1
                if not self._peers[peer]:
                    del self._peers[peer]

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:  # noqa: FBT001, FBT002 - cheroot calls it so
        """What cheroot has to say: to the module's logger, never to the client."""
        _LOGGER.log(level, "%s", printable(msg), exc_info=traceback)
