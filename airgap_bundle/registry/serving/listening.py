"""Where the embedded server may listen, and what it takes to be heard beyond this machine."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from airgap_bundle.core.errors import UsageError

_MAX_PORT = 65535


@dataclass(frozen=True, kw_only=True, slots=True)
class Listen:
    """A host and a port; port 0 is any free one."""

    host: str
    port: int


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches it. A name other than `localhost` may lead anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_listen(text: str) -> Listen:
    """What `HOST:PORT` means. Raises `UsageError`."""
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > _MAX_PORT:
        hint = "an example is 127.0.0.1:5000"
        raise UsageError("AB-SERVE-ADDRESS", f"not an address to listen on: {text!r}", hint=hint)
    return Listen(host=host, port=int(port))


def check_exposure(
    listen: Listen, *, tls: bool, logins: bool, without_tls: bool = False, without_login: bool = False
) -> None:
    """Return if it may be listened there: on loopback, or with TLS and logins, or what is lacking given up by name.

    Raises `UsageError`.
    """
    missing = [word for word, there in (("TLS", tls or without_tls), ("logins", logins or without_login)) if not there]
    if is_loopback(listen.host) or not missing:
        return
    raise UsageError(
        "AB-SERVE-NOT-LOOPBACK",
        f"refusing to listen on {listen.host}: without {' and '.join(missing)} the registry is for this machine only",
        hint="give --tls-cert and --tls-key, and --htpasswd, --client-ca or --tokens; where something else protects "
        "the line, --without-tls and --without-login say so",
    )
