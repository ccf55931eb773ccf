"""What holds for every test: no network but loopback, a home of its own, properties that are the same every time."""

from __future__ import annotations

import errno
import ipaddress
import itertools
import os
import shutil
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pathlib import Path

# quick: the same examples on every run, so that a red test is about the change and not about luck.
# full: more of them, and other ones each time, for the runs that look for what nobody thought of.
settings.register_profile("quick", max_examples=40, derandomize=True, database=None, deadline=None)
settings.register_profile("full", max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")

# What would let the machine's own logins, proxies, keys and settings into a test.
_PERSONAL_VARIABLES = (
    "ALL_PROXY",
    "CONTAINERS_CONF",
    "DOCKER_CONFIG",
    "GNUPGHOME",
    "GPG_TTY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NETRC",
    "NO_COLOR",
    "NO_PROXY",
    "REGISTRY_AUTH_FILE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
)
_HOMES = itertools.count()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _stay_on_loopback(event: str, arguments: tuple[object, ...]) -> None:
    """Answer like a machine without a network, whatever library asks: nothing resolves, nothing can be reached."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
        if isinstance(host, bytes):
            host = host.decode("ascii", "replace")
        if isinstance(host, str) and host and not _is_loopback(host):
            raise socket.gaierror(socket.EAI_NONAME, f"tests stay on loopback: {host}")
    elif event == "socket.connect":
        family, address = getattr(arguments[0], "family", None), arguments[1]
        if (
            family in {socket.AF_INET, socket.AF_INET6}
            and isinstance(address, tuple)
            and not _is_loopback(str(address[0]))
        ):
            raise OSError(errno.ENETUNREACH, f"tests stay on loopback: {address[0]}")


sys.addaudithook(_stay_on_loopback)

# A shell starts what runs in the background (`tests/run &`, nohup) with Ctrl-C ignored, and every process that a test
# starts inherits that: our commands keep it so, on purpose, and no interruption would ever reach them.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory that nobody else has, and none of the person's own settings."""
    for name in list(os.environ):
        if name.startswith("AIRGAP_") or name.upper() in _PERSONAL_VARIABLES:
            monkeypatch.delenv(name)
    path = tmp_path_factory.getbasetemp() / f"home-{next(_HOMES)}"
    path.mkdir()
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TZ", "UTC")
    return path


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.tools("skopeo")` skips where the program is missing, and says which one."""
    for marker in item.iter_markers("tools"):
        for program in marker.args:
            if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
                pytest.skip(f"{program} is not installed; tests/run installs it where it may")
