"""nginx in front of a registry, as sites run it: TLS, client certificates, redirects, limits, rules for some paths."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_SECONDS = 20.0
_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {path}/pid;
error_log {path}/error.log;
{user}
events {{ worker_connections 256; }}
http {{
  log_format line '$request_method $request_uri $status $http_authorization';
  access_log {path}/access.log line;
  client_body_temp_path {path}/body;
  proxy_temp_path {path}/proxy;
  fastcgi_temp_path {path}/fastcgi;
  uwsgi_temp_path {path}/uwsgi;
  scgi_temp_path {path}/scgi;
  default_type application/json;
  server {{
    listen {listen};
    client_max_body_size {body};
    proxy_request_buffering off;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    {rules}
    location / {{ proxy_pass http://{backend}; }}
  }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Front:
    """A running nginx; `address` is its `HOST:PORT`."""

    address: str
    path: Path

    @property
    def asked(self) -> list[list[str]]:
        """Method, target, status and `Authorization` (`-` without one) of every request that was answered."""
        return [line.split(" ", 3) for line in (self.path / "access.log").read_text().splitlines()]

    def count(self, method: str, part: str = "") -> int:
        """How many requests of this method had `part` in their target."""
        return sum(1 for asked, target, *_ in self.asked if asked == method and part in target)


@contextlib.contextmanager
def nginx_before(
    backend: str,
    path: Path,
    *,
    rules: str = "",
    host: str = "127.0.0.1",
    tls: tuple[Path, Path] | None = None,
    client_authority: Path | None = None,
    body: str = "0",
) -> Iterator[Front]:
    """nginx on a free port of `host`, in front of `backend`. Skips where it is not installed.

    `rules` are lines of its server block; `@BACKEND@` in them becomes the backend. `tls` is certificate and key; with
    `client_authority` clients need a certificate by it. `body` limits bodies, as nginx writes sizes; 0 is no limit.
    """
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        pytest.skip("nginx is not installed; tests/run installs it where it may")
    path.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind((host, 0))
        address = f"{host}:{probe.getsockname()[1]}"
    lines = [rules.replace("@BACKEND@", backend)]
    if tls is not None:
        lines += [f"ssl_certificate {tls[0]};", f"ssl_certificate_key {tls[1]};"]
    if client_authority is not None:
        lines += [f"ssl_client_certificate {client_authority};", "ssl_verify_client on;"]
    (path / "nginx.conf").write_text(
        _CONFIGURATION.format(
            path=path,
            # Workers of another user could not reach the directories of a test.
            user="user root;" if os.geteuid() == 0 else "",
            listen=address + (" ssl" if tls else ""),
            body=body,
            rules="\n    ".join(lines),
            backend=backend,
        )
    )
    command = [program, "-p", str(path), "-c", str(path / "nginx.conf"), "-e", str(path / "error.log")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_listening(address, process, path)
        yield Front(address=address, path=path)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_until_listening(address: str, process: subprocess.Popen[bytes], path: Path) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"nginx did not start: {(path / 'error.log').read_text()}")
