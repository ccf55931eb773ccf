"""Who is being talked to: scheme, host and port, taken apart strictly.

A URL that a registry hands out (a redirect, an upload's `Location`, a token `realm`) is hostile until it is an
`Origin` that has been compared with the one it may be. RFC 6454.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import DEFAULT_HOST, check_host

if TYPE_CHECKING:
    from collections.abc import Collection

DEFAULT_PORTS = {"http": 80, "https": 443}
# Signed URLs of object stores have about 2,000 characters; servers refuse request lines above 8 KiB.
MAX_URL_CHARACTERS = 8000
# Docker Hub's names and its API live on different hosts.
API_HOSTS = {DEFAULT_HOST: "registry-1.docker.io"}
_URL = re.compile(r"[!-~]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Scheme, host (lower case, IPv6 without brackets) and port."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """As it begins a URL."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """`HOST` or `HOST:PORT`, without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.host)

    def is_named_by(self, hosts: Collection[str]) -> bool:
        """Whether one of `HOST` or `HOST:PORT` means it; without a port the scheme's own one is meant."""
        return any(_split_host(host, DEFAULT_PORTS[self.scheme]) == (self.host, self.port) for host in hosts)


def is_loopback(host: str) -> bool:
    """Whether a host, without port, is this machine: 127.0.0.0/8, ::1 or localhost."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def registry_origin(host: str, plain_http: Collection[str], *, loopback_has_tls: bool = False) -> Origin:
    """Where the API of a registry `HOST[:PORT]` is; plain HTTP only on loopback and for the hosts in `plain_http`.

    `loopback_has_tls` leaves only the latter: whoever names certificates means TLS, on this machine too.
    """
    check_host(host)
    name, port = _split_host(API_HOSTS.get(host, host), 0)
    is_plain = is_named(name, port, plain_http) or (is_loopback(name) and not loopback_has_tls)
    scheme = "http" if is_plain else "https"
    return Origin(scheme=scheme, host=name, port=port or DEFAULT_PORTS[scheme])


def allows_plain_http(host: str, port: int, plain_http: Collection[str]) -> bool:
    """Whether `host` may be spoken to without TLS. `HOST` alone allows every port of it."""
    return is_loopback(host) or is_named(host, port, plain_http)


def is_named(host: str, port: int, names: Collection[str]) -> bool:
    """Whether one of `HOST` (any port) or `HOST:PORT` means it."""
    return any(name == host and named in {0, port} for name, named in (_split_host(text, 0) for text in names))


def parse_url(url: str, base: str = "") -> tuple[Origin, str]:
    """Take a URL from outside apart: its origin, and the path with query that is asked for.

    `base` makes a relative one absolute. Raises `InvalidValueError` for anything but plain http and https URLs: other
    schemes, user names, characters that do not belong there.
    """
    if len(url) > MAX_URL_CHARACTERS or _URL.fullmatch(url) is None:
        raise InvalidValueError("not a URL, or one that is too long")
    try:
        parts = urlsplit(urljoin(base, url))
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidValueError("not a URL") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise InvalidValueError(f"a URL that is neither http nor https: {parts.scheme[:20]!r}")
    if parts.username is not None or parts.password is not None:
        raise InvalidValueError("a URL with a user name in it")
    check_host(f"[{host}]" if ":" in host else host)
    if port == 0:
        raise InvalidValueError("a URL with the port 0")
    origin = Origin(scheme=parts.scheme, host=host, port=port or DEFAULT_PORTS[parts.scheme])
    return origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _split_host(text: str, default_port: int) -> tuple[str, int]:
    """Host in lower case without brackets, and port."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.lower().strip("[]"), default_port
    return host.lower().strip("[]"), int(port)
