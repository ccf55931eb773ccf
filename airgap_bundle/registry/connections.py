"""Connections that are kept: each is used by one thread at a time, and as many exist as work at once.

Knows no retries and no credentials: `registry.session` does.
"""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import HostError
from airgap_bundle.registry.faults import LineFaultError
from airgap_bundle.registry.transport import Answer, Line, Request, check_head

if TYPE_CHECKING:
    from airgap_bundle.registry.options import ClientOptions
    from airgap_bundle.registry.origin import Origin


class Connections:
    """Connections to a registry and to whom it points; safe between threads.

    `home` is the registry itself, the only one that is shown the client certificate.
    """

    def __init__(self, home: Origin, options: ClientOptions) -> None:
        self._home = home
        self._options = options
        self._lock = threading.Lock()
        self._idle: dict[Origin, list[Line]] = {}
        self._busy: set[Line] = set()
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._closed = False

    def exchange(self, request: Request) -> Answer:
        """Send a request whose body is at hand; the answer's head has been read. Raises `LineFaultError`."""
        upload = self.begin(request)
        try:
            if request.body:
                upload.write(memoryview(request.body))
            return upload.finish()
        except LineFaultError as fault:
            upload.abandon()
            # A kept connection that died while nobody looked says nothing about the other side: once more, afresh.
            if not upload.line.was_used or fault.code != "AB-NETWORK-DROPPED":
                raise
        upload = self.begin(request, fresh=True)
        try:
            if request.body:
                upload.write(memoryview(request.body))
            return upload.finish()
        except LineFaultError:
            upload.abandon()
            raise

    def begin(self, request: Request, *, fresh: bool = False) -> Exchange:
        """Send the head of a request; the caller writes the body and then asks for the answer, or abandons it."""
        line = self._new_line(request.origin) if fresh else self._take(request.origin)
        try:
            line.send_head(request)
        except LineFaultError:
            self.drop(line)
            if not line.was_used:
                raise
            return self.begin(request, fresh=True)
        return Exchange(self, line, request)

    def close(self) -> None:
        """Close every connection, those in use too, and make no new ones: whoever waits for an answer hears of it."""
        with self._lock:
            self._closed = True
            lines = [*self._busy, *(line for lines in self._idle.values() for line in lines)]
            self._busy.clear()
            self._idle.clear()
        for line in lines:
            line.close()

    def keep(self, line: Line) -> None:
        """Put a connection back whose answer has been read to its end."""
        line.was_used = True
        with self._lock:
            known = line in self._busy  # otherwise `close` came in between
            if known:
                self._busy.discard(line)
                self._idle.setdefault(line.origin, []).append(line)
        if not known:
            line.close()

    def drop(self, line: Line) -> None:
        """Close a connection that cannot be used again."""
        with self._lock:
            self._busy.discard(line)
        line.close()

    def _take(self, origin: Origin) -> Line:
        """A kept connection that is still good, or a new one."""
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                line = idle.pop() if idle else None
                if line is not None:
                    self._busy.add(line)
            if line is None:
                return self._new_line(origin)
            if line.is_quiet():
                return line
            self.drop(line)

    def _new_line(self, origin: Origin) -> Line:
        line = Line(origin, self._options, self._context(origin) if origin.scheme == "https" else None)
        with self._lock:
            if self._closed:
                raise LineFaultError("AB-NETWORK-DROPPED", f"{origin.authority} is not asked any more")
            self._busy.add(line)
        try:
            line.connect()
        except LineFaultError:
            self.drop(line)
            raise
        return line

    def _context(self, origin: Origin) -> ssl.SSLContext:
        is_home = origin == self._home
        with self._lock:
            if is_home not in self._contexts:
                self._contexts[is_home] = _new_context(self._options, with_certificate=is_home)
            return self._contexts[is_home]


class Exchange:
    """A request whose body is being written."""

    def __init__(self, connections: Connections, line: Line, request: Request) -> None:
        self.line = line
        self._connections = connections
        self._request = request
        self._open = True
        self._missing = len(request.body) if request.size is None else request.size

    def write(self, data: memoryview, /) -> bool:
        """Send a piece of the body; `False` if the other side answers already, so that the rest is not wanted."""
        if not self.line.send(data):
            return False
        self._missing -= len(data)
        return True

    def finish(self, wait: float | None = None) -> Answer:
        """The answer; `wait` is how many seconds its beginning may take. Raises `LineFaultError`."""
        wait = self.line.patience.read_seconds if wait is None else wait
        response = self.line.receive_head(self._request, wait)
        try:
            check_head(response, self._request.origin.authority)
        except LineFaultError:
            response.close()
            raise
        self._open = False
        return Answer(self._request, response, self.line, self._release)

    def abandon(self) -> None:
        """Hang up: what was sent so far is not to count."""
        if self._open:
            self._open = False
            self._connections.drop(self.line)

    def _release(self, usable: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        if usable and self._missing == 0:
            self._connections.keep(self.line)
        else:
            self._connections.drop(self.line)


def _new_context(options: ClientOptions, *, with_certificate: bool) -> ssl.SSLContext:
    """TLS with verification, always."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    name = options.ca_file
    try:
        if options.ca_file is not None:
            context.load_verify_locations(cafile=options.ca_file)
        if with_certificate and options.cert_file is not None:
            name = options.cert_file
            context.load_cert_chain(options.cert_file, options.key_file)
    except OSError as error:
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "not PEM, or a key of another certificate"
        raise HostError(
            "AB-NETWORK-CERTIFICATE-FILE",
            f"the certificate file {name} cannot be used: {reason}",
            hint="it has to hold certificates in PEM and be readable by you",
        ) from error
    return context
