"""The embedded registry as a process: a directory, the application over it, and a server around that.

On loopback it may be without TLS and logins; anywhere else only where that was given up by name
(`serving.listening.check_exposure`). Beside the protocol it answers `/healthz` and `/metrics`, and pages from above.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import threading
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from airgap_bundle.core.errors import HostError
from airgap_bundle.registry.admission import Action, Page, Wanted
from airgap_bundle.registry.routes import RegistryApplication
from airgap_bundle.registry.serving.access_log import LogFormat, log_line
from airgap_bundle.registry.serving.http import HttpServer
from airgap_bundle.registry.serving.limits import Limits
from airgap_bundle.registry.serving.listening import check_exposure, parse_listen
from airgap_bundle.registry.serving.metrics import CONTENT_TYPE, Metrics
from airgap_bundle.registry.serving.tls import Tls
from airgap_bundle.registry.store import DirectoryRegistry
from airgap_bundle.registry.uploads import Uploads
from airgap_bundle.registry.wsgi import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import FrameType, TracebackType

    from airgap_bundle.registry.admission import Admission
    from airgap_bundle.registry.serving.access_log import Answered
    from airgap_bundle.registry.serving.tls import TlsFiles
    from airgap_bundle.registry.wsgi import Request

    Log = Callable[[str], None]


_LOGGER = logging.getLogger(__name__)
# How often abandoned uploads are looked for; they are kept for an hour.
_TIDY_SECONDS = 60.0
_STOPPING = (signal.SIGINT, signal.SIGTERM)


class RegistryServer:
    """A registry directory, served in a thread of its own for as long as the context lasts.

    `listen` is where; port 0 asks for any free one. `admission` decides who may do what; without it everybody may pull,
    and push where `allow_push` says so. `log` gets a line for each answer, in any thread. Raises `UsageError` for an
    address that may not be, `DocumentError` for certificates that cannot be used, `HostError` for what cannot be had.
    """

    def __init__(
        self,
        path: Path | str,
        listen: str = "127.0.0.1:0",
        *,
        allow_push: bool = False,
        admission: Admission | None = None,
        pages: Mapping[str, Page] | None = None,
        tls: TlsFiles | None = None,
        without_tls: bool = False,
        without_login: bool = False,
        limits: Limits | None = None,
        log: Log | None = None,
        log_format: LogFormat = LogFormat.TEXT,
    ) -> None:
        place = parse_listen(listen)
        # A client's certificate is a login too.
        logins = admission is not None or bool(tls and tls.client_ca)
        check_exposure(place, tls=tls is not None, logins=logins, without_tls=without_tls, without_login=without_login)
        self.host, self.port = place.host, place.port
        self.scheme = "http" if tls is None else "https"
        self._tls = None if tls is None else Tls(tls)
        self.registry = DirectoryRegistry(path)
        self._uploads = Uploads(self.registry.storage.contents)
        self.metrics = Metrics()
        self._allow_push = allow_push
        self._log = log
        self._log_format = log_format
        application = RegistryApplication(
            self.registry,
            self._uploads,
            allow_push=allow_push,
            admission=admission,
            pages={**self._own_pages(), **(pages or {})},
        )
        self._server = HttpServer(
            (self.host, self.port),
            application,
            limits=limits or Limits(),
            tls=self._tls,
            observe=self._observe,
            turned_away=self.metrics.turn_away,
        )
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

    def tidy(self) -> None:
        """Remove uploads that were abandoned; for whoever keeps the server running."""
        if self._allow_push:
            try:
                self._uploads.sweep()
            except HostError as error:
                _LOGGER.warning("%s", error)

    def _observe(self, answered: Answered) -> None:
        self.metrics.count(answered)
        if self._log is not None:
            self._log(log_line(answered, self._log_format))

    def _own_pages(self) -> dict[str, Page]:
        # Counts of everything, and no names: for whoever may come in at all.
        return {
            "/healthz": Page(answer=self._health, wanted=None),
            "/metrics": Page(answer=self._metrics_page, wanted=Wanted(repository=None, action=Action.PULL)),
        }

    def _health(self, request: Request) -> Reply:  # noqa: ARG002 - the shape of a page
        headers = (("Content-Type", "text/plain"), ("Cache-Control", "no-store"))
        if self.registry.storage.contents.is_there():
            return Reply(headers=headers, body=b"ok\n")
        return Reply(status=HTTPStatus.SERVICE_UNAVAILABLE, headers=headers, body=b"the storage cannot be read\n")

    def _metrics_page(self, request: Request) -> Reply:  # noqa: ARG002 - the shape of a page
        workers = self._server.requests
        gauges = {
            "connections": ("Clients that are connected", self._server.connection_count),
            "busy_threads": ("Requests that are being answered", workers.busy),
            "waiting_requests": ("Requests that wait for a thread", workers.qsize),
            "uploads": ("Uploads under way", self._uploads.count()),
            "free_bytes": ("Room that is left for content", self.registry.storage.contents.free_bytes()),
        }
        return Reply(headers=(("Content-Type", CONTENT_TYPE),), body=self.metrics.page(gauges).encode())


def serve(server: RegistryServer, *, ready: Callable[[RegistryServer], None] | None = None) -> None:
    """Serve a registry until SIGINT or SIGTERM, then let what is under way finish within bounds, and return.

    `ready` is called once requests are answered. Has to run in the main thread, where signals arrive.
    """
    with _signals() as stopped, server:
        if ready is not None:
            ready(server)
        while not _is_stopped(stopped):
            server.tidy()


def _is_stopped(signals: int) -> bool:
    """Wait until it is time to tidy up; whether a signal to stop has come. Others may have handlers of their own."""
    if not select.select([signals], [], [], _TIDY_SECONDS)[0]:
        return False
    return os.read(signals, 1)[0] in _STOPPING or _is_stopped(signals)


@contextmanager
def _signals() -> Iterator[int]:
    """A file from which a byte can be read for each SIGINT and SIGTERM; the handlers are put back at the end.

    The interpreter's own wake-up file, since a lock or a queue has a moment between the last look and falling asleep in
    which a signal arrives unseen, and then is waited for without end.
    """
    with contextlib.ExitStack() as stack:
        stopped, wake_up = os.pipe()
        stack.callback(os.close, stopped)
        stack.callback(os.close, wake_up)
        os.set_blocking(wake_up, False)
        before_file = signal.set_wakeup_fd(wake_up, warn_on_full_buffer=False)
        stack.callback(signal.set_wakeup_fd, before_file)
        for number in _STOPPING:
            stack.callback(signal.signal, number, signal.signal(number, _noted))
        yield stopped


def _noted(number: int, frame: FrameType | None) -> None:
    """Do nothing: the number is in the wake-up file by now."""
