"""What is said where a bundle cannot be read from its address: one sentence each, and what to do next.

Pure. All of these are `RegistryError` (exit 5): the other side or the way there is at fault. Whether the bytes are
those of the bundle is not judged here; damage is found by digest, and is exit 4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import RegistryError

if TYPE_CHECKING:
    from airgap_bundle.registry.faults import LineFaultError
    from airgap_bundle.transfer.remote.places import Place

_GOES_ON = "run the same command again: what the destination has is neither fetched nor sent twice"
_STATUS_CODES = {
    401: "AB-URL-UNAUTHORIZED",
    403: "AB-URL-FORBIDDEN",
    404: "AB-URL-NOT-FOUND",
    407: "AB-URL-FORBIDDEN",
    410: "AB-URL-NOT-FOUND",
}
_HINTS = {
    "AB-URL-UNAUTHORIZED": "write its login into ~/.netrc, or a file for --netrc: machine {host} login NAME password …",
    "AB-URL-FORBIDDEN": "ask whoever runs the server for the right to read it; a signed address may have run out",
    "AB-URL-NOT-FOUND": "check the address with curl --head",
    "AB-URL-FAILED": f"look into the server's log, then {_GOES_ON}",
    "AB-URL-REFUSED": "check the address with curl --head; a server that wants a client certificate gets it with "
    "--bundle-cert",
}
# The hints for registries that would mislead here.
_LINE_HINTS = {
    "AB-NETWORK-REFUSED": "check that the web server is running and that host and port are right",
    "AB-NETWORK-ENCODING": "turn off compression for bundles in the web server, or in the proxy in front of it",
    "AB-NETWORK-PLAIN-HTTP": "if it is meant to be read without TLS, write http:// and say so: --plain-http HOST",
    "AB-NETWORK-TLS": "check what stands between here and there; where the server wants a client certificate, give it "
    "with --bundle-cert and --bundle-key",
}
_SERVER_ERRORS = 500
# `<Code>NoSuchKey</Code>` and the like, in the XML of object stores: words of letters only.
_STORE_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")


def line(name: str, fault: LineFaultError) -> RegistryError:
    """The line gave no answer that can be used."""
    return RegistryError(
        fault.code, f"cannot read {name}: {fault.reason}", hint=_LINE_HINTS.get(fault.code, fault.hint or _GOES_ON)
    )


def no_ranges(name: str) -> RegistryError:
    """The server sends the whole file whatever is asked for."""
    return RegistryError(
        "AB-URL-NO-RANGES",
        f"cannot read {name} by parts: its server ignores ranges and sends all of it",
        hint="serve it with a server that knows ranges, such as nginx; or pipe it in: "
        "curl --fail URL | airgap-import push - DEST",
    )


def wrong_range(name: str, reason: str) -> RegistryError:
    """The answer holds other bytes than it should."""
    return RegistryError(
        "AB-URL-WRONG-RANGE",
        f"cannot read {name}: its server answers a range wrongly: {reason}",
        hint="the server, or a cache in front of it, is at fault; ask for the range with curl --range to see it",
    )


def changed(name: str, reason: str) -> RegistryError:
    """Somebody has put another file there."""
    return RegistryError(
        "AB-URL-CHANGED",
        f"{name} changed while it was read: {reason}",
        hint="no tag has moved; when the new file is complete there, run the same command again. Giving each "
        "version a name of its own avoids this",
    )


def redirect(name: str, where: str, *, elsewhere: bool = False) -> RegistryError:
    """The server points to a place that is not asked."""
    return RegistryError(
        "AB-URL-REDIRECT",
        f"{name} redirects to {where}, " + ("which this side does not talk to" if elsewhere else "and is not followed"),
        hint="if that is where the bundle lies, name that address itself",
    )


def refused(place: Place, status: int, words: str, hint: str, *, was_shown_login: bool) -> RegistryError:
    """The server answers with a status that brings no bytes; `words` are its own, bounded."""
    code = _STATUS_CODES.get(status, "AB-URL-FAILED" if status >= _SERVER_ERRORS else "AB-URL-REFUSED")
    said = f" ({words})" if words else ""
    if not hint and was_shown_login and code == "AB-URL-UNAUTHORIZED":
        hint = "the login in the netrc file was shown and refused: check name and password"
    return RegistryError(
        code,
        f"cannot read {place.name}: {place.origin.authority} answers {status}{said}",
        hint=hint or _HINTS[code].format(host=place.origin.host),
    )


def store_words(body: bytes | None) -> str:
    """The error code in the XML that an object store answers with; empty where there is none."""
    match = _STORE_CODE.search(body or b"")
    return match[1].decode("ascii") if match else ""
