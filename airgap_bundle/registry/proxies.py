"""Which proxy the environment names for a request, with the meaning that Go programs give to it.

`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, upper case first. `NO_PROXY` is a comma list of hosts (with everything
below them), `.host` (only what is below), addresses, CIDR ranges, each with an optional port, or `*`. This machine is
never reached through a proxy. Reference: golang.org/x/net/http/httpproxy.
"""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from airgap_bundle.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airgap_bundle.registry.origin import Origin

_DEFAULT_PROXY_PORT = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of its `Proxy-Authorization` header, or empty."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)


def proxy_for(origin: Origin, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for `origin`, or `None` for a direct connection; `UsageError` for one that cannot be used."""
    name = f"{origin.scheme.upper()}_PROXY"
    if name == "HTTP_PROXY" and environment.get("REQUEST_METHOD"):
        return None  # a CGI program: the variable is then the client's header `Proxy:`
    url = environment.get(name) or environment.get(name.lower()) or ""
    exceptions = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if not url or origin.is_loopback or _is_excepted(origin, exceptions):
        return None
    return _parse_proxy(url, name)


def _parse_proxy(url: str, name: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port or _DEFAULT_PROXY_PORT
    except ValueError:
        host, port, parts = "", 0, urlsplit("")
    if not host or parts.scheme != "http":
        raise UsageError(
            "AB-NETWORK-PROXY",
            f"the variable {name} does not name an http:// proxy",
            hint="only proxies spoken to in HTTP are supported; write http://HOST:PORT",
        )
    if parts.username is None:
        return Proxy(host=host, port=port)
    secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return Proxy(host=host, port=port, authorization=f"Basic {base64.b64encode(secret).decode()}")


def _is_excepted(origin: Origin, exceptions: str) -> bool:
    return any(_excepts(entry.strip().lower(), origin) for entry in exceptions.split(",") if entry.strip())


def _excepts(entry: str, origin: Origin) -> bool:
    """Whether one entry of `NO_PROXY` means the origin."""
    if entry == "*":
        return True
    address = _address(origin.host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    host, port = _split_port(entry)
    if port and port != str(origin.port):
        return False
    if (named := _address(host)) is not None:
        return named == address
    if address is not None:
        return False
    host = host.removeprefix("*")
    if host.startswith("."):
        return origin.host.endswith(host)
    return origin.host == host or origin.host.endswith(f".{host}")


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
