"""Where clients are told to get a token: the address in `WWW-Authenticate`.

Unless one is fixed, it is the server itself, under the name by which the client has just reached it. So every name of
the server works, and a client that shows its login only to the host it knows sees that very host. What a client writes
as its `Host` comes back to that client alone, and only where it is a host's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.tokens.endpoint import PATH
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import check_host
from airgap_bundle.registry.origin import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.registry.admission import Presented

_MAX_HOST_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Realm:
    """Called with what a client presents, says where it gets a token. `fixed` raises `InvalidValueError` if no URL."""

    fixed: str
    is_tls: bool
    # Where the server listens, as HOST:PORT.
    address: Callable[[], str]

    def __post_init__(self) -> None:
        """Refuse what no client could go to."""
        if self.fixed:
            check_realm(self.fixed)

    def __call__(self, presented: Presented) -> str:
        """The address."""
        if self.fixed:
            return self.fixed
        scheme = "https" if self.is_tls else "http"
        return f"{scheme}://{_host(presented.host) or self.address()}{PATH}"


def check_realm(realm: str) -> str:
    """`realm` if clients can go there, else `InvalidValueError`."""
    try:
        parse_url(realm)
    except InvalidValueError as error:
        raise InvalidValueError(f"not the address of a token endpoint, {realm[:120]!r}: {error}") from error
    if '"' in realm or "\\" in realm:
        raise InvalidValueError(f"not the address of a token endpoint: {realm[:120]!r}")
    return realm


def _host(unverified: str) -> str:
    try:
        return check_host(unverified) if len(unverified) <= _MAX_HOST_CHARACTERS else ""
    except InvalidValueError:
        return ""
