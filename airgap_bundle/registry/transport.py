"""The only door to HTTP: one request and its answer over one connection.

What it does not do, on purpose: follow redirects, decompress, keep cookies, read `.netrc`, retry. An answer that is
encoded, cut short, or that gives two lengths is a fault. A request body leaves in pieces, and an answer that comes
before its end is noticed. RFC 9110, RFC 9112.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast

from airgap_bundle import __version__
from airgap_bundle.registry.faults import LineFaultError, line_fault
from airgap_bundle.registry.proxies import proxy_for
from airgap_bundle.registry.watch import Pace, WatchedReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from airgap_bundle.registry.options import ClientOptions, Patience
    from airgap_bundle.registry.origin import Origin

# What is left of an answer that nobody wants is read up to here to keep the connection; more costs more than a new one.
_DRAIN_BYTES = 64 * 1024
# A socket is given this much at once, so that an early answer is noticed between two pieces.
_SEND_BYTES = 1024 * 1024
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request. `target` is the path with its query; `size` the length of a body that is written piece by piece."""

    method: str
    origin: Origin
    target: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = b""
    size: int | None = None
    is_blob: bool = False
    """Whether the answer's body may be long; a short one has to be complete within `control_seconds`."""


class _Response(http.client.HTTPResponse):
    """http.client's response, reading through a watch."""

    def __init__(self, *args: Any, patience: Patience, is_blob: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        deadline = None if is_blob else time.monotonic() + patience.control_seconds
        self.watch = WatchedReader(self.fp.detach(), patience, deadline=deadline)
        self.fp = io.BufferedReader(self.watch)


class Line:
    """One connection. Every exception of the socket leaves as a `LineFaultError`."""

    def __init__(self, origin: Origin, options: ClientOptions, context: ssl.SSLContext | None) -> None:
        self.origin = origin
        self.was_used = False
        self.patience = options.patience
        self._options = options
        self._pace = Pace(options.patience)
        proxy = proxy_for(origin, options.environment) if options.proxies else None
        host, port = (proxy.host, proxy.port) if proxy else (origin.host, origin.port)
        proxy_headers = {"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else {}
        self._peer = f"the proxy {host}:{port} for {origin.authority}" if proxy else origin.authority
        self._asks_proxy = proxy is not None and context is None
        self._proxy_headers = proxy_headers if self._asks_proxy else {}
        wait = self.patience.connect_seconds
        # http.client forgets it as soon as an answer says that it is the last one.
        self._open_socket: socket.socket | None = None
        self._connection: http.client.HTTPConnection
        if context is None:
            self._connection = http.client.HTTPConnection(host, port, timeout=wait)
        else:
            self._connection = http.client.HTTPSConnection(host, port, timeout=wait, context=context)
            if proxy:
                self._connection.set_tunnel(origin.host, origin.port, proxy_headers)

    def connect(self) -> None:
        """Open it; raises `LineFaultError`."""
        try:
            self._connection.connect()
            self._open_socket = self.socket
            self.socket.settimeout(self.patience.read_seconds)
        except OSError as error:
            raise line_fault(error, self._peer) from error
        except (http.client.HTTPException, ValueError) as error:
            raise self._not_http(error) from error

    @property
    def socket(self) -> socket.socket:
        """The open socket."""
        if self._connection.sock is None:
            raise LineFaultError("AB-NETWORK-DROPPED", f"{self.origin.authority} dropped the connection", retry=True)
        return cast("socket.socket", self._connection.sock)

    def send_head(self, request: Request) -> None:
        """Send everything but the body."""
        connection = self._connection
        size = len(request.body) if request.size is None else request.size
        target = f"{request.origin}{request.target}" if self._asks_proxy else request.target
        try:
            self.socket.settimeout(self.patience.read_seconds)
            connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", request.origin.authority)
            connection.putheader("Accept-Encoding", "identity")
            connection.putheader("User-Agent", f"airgap-bundle/{__version__}")
            if request.method not in _WITHOUT_BODY:
                connection.putheader("Content-Length", str(size))
            for name, value in {**request.headers, **self._proxy_headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
        except OSError as error:
            raise line_fault(error, self.origin.authority) from error

    def send(self, data: memoryview) -> bool:
        """Send all of `data`; `False` as soon as the other side has something to say or hangs up."""
        while data:
            if self._has_something_to_say():
                return False
            before = time.monotonic()
            try:
                sent = self.socket.send(data[: self._options.pacing.piece(_SEND_BYTES)])
            except (BrokenPipeError, ConnectionResetError):
                return False  # it may have said why before it hung up
            except OSError as error:
                raise line_fault(error, self.origin.authority) from error
            stalled = self._pace.judge(time.monotonic() - before, sent, "took")
            if stalled is not None:
                raise line_fault(stalled, self.origin.authority)
            data = data[sent:]
            self.spend(sent)
        return True

    def spend(self, count: int) -> None:
        """Keep to the rate that all transfers share, after `count` bytes."""
        wait = self._options.pacing.spend(count, self._options.clock())
        if wait > 0:
            self._options.sleep(wait)

    def piece(self, count: int) -> int:
        """How many of `count` bytes to ask for at once, so that the shared rate is kept evenly."""
        return self._options.pacing.piece(count)

    def is_quiet(self) -> bool:
        """Whether nothing waits to be read: neither bytes nor the end."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return not poll.poll(0)

    def receive_head(self, request: Request, wait: float) -> _Response:
        """Wait for the answer's status and headers; `wait` is how many seconds its first byte may take."""
        made: list[_Response] = []

        def make(*args: Any, **kwargs: Any) -> _Response:
            made.append(_Response(*args, patience=self.patience, is_blob=request.is_blob, **kwargs))
            return made[-1]

        # http.client only ever calls it.
        self._connection.response_class = cast("type[http.client.HTTPResponse]", make)
        open_socket = self.socket
        try:
            open_socket.settimeout(wait)
            response = cast("_Response", self._connection.getresponse())
            open_socket.settimeout(self.patience.read_seconds)
        except (OSError, http.client.HTTPException, ValueError) as error:
            # What the watch saw is the cause; http.client sees only that the answer ended too soon.
            fault = made[0].watch.fault if made else None
            if fault is not None or isinstance(error, OSError):  # RemoteDisconnected is one too
                raise line_fault(fault or cast("OSError", error), self.origin.authority) from error
            raise self._not_http(error) from error
        return response

    def close(self) -> None:
        """Close it, and wake up whoever waits for it in another thread; harmless when repeated."""
        if self._open_socket is not None:
            # Closing alone leaves a read waiting. The plain method: that of TLS would say goodbye in between.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._open_socket, socket.SHUT_RDWR)
        self._connection.close()

    def _has_something_to_say(self) -> bool:
        # On a fresh TLS connection these may be session tickets, which nobody reads until the answer is asked for.
        return (self.was_used or not isinstance(self.socket, ssl.SSLSocket)) and not self.is_quiet()

    def _not_http(self, error: Exception) -> LineFaultError:
        return LineFaultError(
            "AB-NETWORK-PROTOCOL",
            f"{self.origin.authority} does not answer in HTTP ({type(error).__name__})",
            hint="check host and port: something else may be listening there",
        )


class Answer:
    """Status, headers and body of an answer; a context manager, and a `Source` of its body."""

    def __init__(self, request: Request, response: _Response, line: Line, release: Callable[[bool], None]) -> None:
        self.request = request
        self.status = response.status
        self.body = b""
        self._response = response
        self._line = line
        self._release: Callable[[bool], None] | None = release

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def header(self, name: str) -> str:
        """The value of a header, stripped; empty if it is not there."""
        return (self._response.headers.get(name) or "").strip()

    def headers(self, name: str) -> tuple[str, ...]:
        """Each value of a header that may be repeated."""
        return tuple(self._response.headers.get_all(name) or ())

    @property
    def length(self) -> int | None:
        """The length that `Content-Length` gives, of a HEAD too; `None` where it gives none."""
        text = self.header("Content-Length")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None  # noqa: PLR2004 - 2^64

    @property
    def is_bounded(self) -> bool:
        """Whether the answer itself says where its body ends."""
        return self.length is not None or self._response.chunked

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the front of `buffer`; 0 at the end. Raises `LineFaultError` where the body is cut short."""
        if self._release is None:
            return 0
        response = self._response
        if self.request.is_blob:
            buffer = buffer[: self._line.piece(len(buffer))]
        try:
            count = response.readinto(buffer)
        except http.client.IncompleteRead as error:
            raise self._cut_short() from error
        except (http.client.HTTPException, ValueError) as error:
            raise LineFaultError(
                "AB-NETWORK-PROTOCOL", f"{self.request.origin.authority} sends a body that is no HTTP"
            ) from error
        if count == 0 and len(buffer) and (response.watch.fault is not None or response.length):
            raise self._cut_short()
        if self.request.is_blob:
            self._line.spend(count)
        return count

    def read(self, limit: int) -> bytes | None:
        """The whole body and the end of the answer; `None` if it has more than `limit` bytes."""
        with self:
            body = bytearray(min(limit, self.length if self.length is not None else limit) + 1)
            window, filled = memoryview(body), 0
            while filled < len(body):
                count = self.readinto(window[filled:])
                if count == 0:
                    return bytes(window[:filled])
                filled += count
            return None

    def load(self, limit: int) -> bool:
        """Read the whole body into `body`; `False` if it has more than `limit` bytes."""
        body = self.read(limit)
        self.body = body or b""
        return body is not None

    def close(self) -> None:
        """Give the connection back if the body is read or nearly so, else close it."""
        if self._release is None:
            return
        usable = False
        try:
            # What ends with the connection has nothing to keep it for, and might never end.
            usable = not self._response.will_close and self._drain()
        except LineFaultError:
            pass
        finally:
            release, self._release = self._release, None
            self._response.close()
            release(usable)

    def _drain(self) -> bool:
        """Read what little is left; whether that was all."""
        if not self._response.isclosed() and (self.length or 0) <= _DRAIN_BYTES:
            self.readinto(memoryview(bytearray(_DRAIN_BYTES)))
        return self._response.isclosed()

    def _cut_short(self) -> LineFaultError:
        authority = self.request.origin.authority
        if self._response.watch.fault is not None:
            return line_fault(self._response.watch.fault, authority)
        return LineFaultError(
            "AB-NETWORK-DROPPED",
            f"{authority} dropped the connection before the answer was complete",
            hint="run the same command again: it goes on where it was",
            retry=True,
        )


def check_head(response: _Response, authority: str) -> None:
    """Refuse an answer whose head was cut, or that two readers could take for different ones."""
    if response.watch.fault is not None:
        raise line_fault(response.watch.fault, authority)
    if response.watch.ended:
        # http.client takes the end of the stream for the end of the headers.
        raise line_fault(ConnectionResetError(), authority)
    lengths = {value.strip() for value in response.headers.get_all("Content-Length") or ()}
    if len(lengths) > 1 or (lengths and response.chunked):
        raise LineFaultError("AB-NETWORK-PROTOCOL", f"{authority} gives an answer two lengths")
    encoding = (response.headers.get("Content-Encoding") or "identity").strip().lower()
    if encoding != "identity":
        raise LineFaultError(
            "AB-NETWORK-ENCODING",
            f"{authority} sends its answer encoded as {encoding[:40]}, which was not asked for",
            hint="turn off compression in the proxy or server in front of the registry",
        )
