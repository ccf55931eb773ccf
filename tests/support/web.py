"""The web outside, on loopback: chart repositories and downloads of many hosts behind one server.

The file of `https://HOST/PATH` is asked for as `/HOST/PATH`, which is what `--mirror HOST=ADDRESS/HOST` makes of it.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from support.helm import index, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(kw_only=True)
class Web:
    """Files by address without the scheme; what is not there is 404. `asked` are the targets of all requests."""

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    _charts: dict[str, list[tuple[str, str, str, str]]] = field(default_factory=dict)

    @property
    def hosts(self) -> set[str]:
        """Whose files these are."""
        return {name.partition("/")[0] for name in self.files}

    def put(self, url: str, data: bytes) -> None:
        """Let a file be there."""
        self.files[url.partition("://")[2]] = data

    def put_chart(self, repo: str, name: str, version: str, package: bytes) -> None:
        """Let a classic repository hold a chart, besides those that it has."""
        file = f"{name}-{version}.tgz"
        charts = self._charts.setdefault(repo, [])
        charts.append((name, version, file, sha256(package)))
        self.put(f"{repo.rstrip('/')}/{file}", package)
        self.put(f"{repo.rstrip('/')}/index.yaml", index(*charts).encode())


@contextlib.contextmanager
def web_outside() -> Iterator[Web]:
    """A server on a free port, with nothing in it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server chose
            del format, args

        def do_GET(self) -> None:
            web.asked.append(self.path)
            data = web.files.get(self.path.lstrip("/"))
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web = Web(address=f"127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
