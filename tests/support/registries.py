"""Registries on loopback for tests: ours in a thread, and Debian's docker-registry where it is installed."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.registry.server import RegistryServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_START_SECONDS = 20.0
_CONFIGURATION = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}{storage}}}
http: {{addr: "{address}"}}
"""


@contextlib.contextmanager
def embedded_registry(
    path: Path, *, allow_push: bool = True, log: Callable[[str], None] | None = None
) -> Iterator[RegistryServer]:
    """Our own registry over a directory, on a free port; `address` is its `HOST:PORT`."""
    with RegistryServer(path, "127.0.0.1:0", allow_push=allow_push, log=log) as server:
        yield server


@contextlib.contextmanager
def debian_registry(path: Path, more: str = "", *, storage: str = "") -> Iterator[str]:
    """Debian's docker-registry over a directory, on a free port: its `HOST:PORT`. Skips where it is not installed.

    `more` is added to its configuration, `storage` to that of its storage.
    """
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    address = f"127.0.0.1:{free_port()}"
    path.mkdir(parents=True, exist_ok=True)
    configuration = path / "config.yml"
    configuration.write_text(_CONFIGURATION.format(root=path / "data", address=address, storage=storage) + more)
    with (path / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(configuration)], stdout=log, stderr=log)
        try:
            _wait_until_answering(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=10)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_answering(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection(address, timeout=5)
        try:
            connection.request("GET", "/v2/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    pytest.fail("docker-registry did not start")
