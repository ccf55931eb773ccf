"""What can go wrong on the line, named: which fault it was, whether trying again can help, and what to do about it.

Pure functions of exceptions. Nothing here knows what was being asked; `registry.session` adds that.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl


class LineFaultError(Exception):
    """A request got no answer that can be used.

    Stays inside this package: it becomes a `RegistryError` that says what was asked of whom.
    """

    def __init__(self, code: str, reason: str, *, hint: str = "", retry: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.hint = hint
        self.retry = retry


# OpenSSL's names for "the other side does not speak TLS".
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})
_WANTS_CERTIFICATE = "CERTIFICATE_REQUIRED"
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})


def line_fault(error: OSError, authority: str) -> LineFaultError:
    """Say what an exception of the socket means; `authority` is the `HOST[:PORT]` that was talked to."""
    if isinstance(error, ssl.SSLError):
        return _tls_fault(error, authority)
    if isinstance(error, socket.gaierror):
        return LineFaultError(
            "AB-NETWORK-NAME",
            f"{authority} is a name that cannot be resolved",
            hint="check the spelling of the host, and that this machine reaches its name server",
            retry=error.errno == socket.EAI_AGAIN,
        )
    if isinstance(error, TimeoutError):
        return LineFaultError(
            "AB-NETWORK-TIMEOUT",
            f"{authority} {error.args[0] if _is_ours(error) else 'did not answer in time'}",
            hint="check the network between here and there, then run the same command again: it goes on where it was",
            retry=True,
        )
    if isinstance(error, ConnectionRefusedError):
        return LineFaultError(
            "AB-NETWORK-REFUSED",
            f"{authority} refuses connections",
            hint="check that the registry is running and that host and port are right",
            retry=True,
        )
    if isinstance(error, ConnectionError):
        return LineFaultError(
            "AB-NETWORK-DROPPED",
            f"{authority} dropped the connection",
            hint="run the same command again: it goes on where it was",
            retry=True,
        )
    if str(error).startswith("Tunnel connection failed"):
        return LineFaultError(
            "AB-NETWORK-PROXY",
            f"{authority} does not let it through: {error}",
            hint="check HTTPS_PROXY, and whether NO_PROXY should name this host",
        )
    unreachable = error.errno in _UNREACHABLE
    reason = os.strerror(error.errno) if error.errno else str(error)
    return LineFaultError(
        "AB-NETWORK-UNREACHABLE",
        f"{authority} cannot be reached: {reason}",
        hint="check the network between here and there",
        retry=unreachable,
    )


def _is_ours(error: TimeoutError) -> bool:
    """The watch over a stuck transfer says itself what it saw."""
    return isinstance(error, StalledError)


class StalledError(TimeoutError):
    """Bytes come, but so slowly that the connection counts as stuck; the argument completes "HOST …"."""


def _tls_fault(error: ssl.SSLError, authority: str) -> LineFaultError:
    reason = (error.reason or "").upper()
    if isinstance(error, ssl.SSLCertVerificationError):
        return LineFaultError(
            "AB-NETWORK-CERTIFICATE",
            f"{authority} has a certificate that cannot be trusted: {error.verify_message}",
            hint="if it is signed by an authority of your own, give that one's certificate with --ca-file",
        )
    if reason in _NOT_TLS:
        return LineFaultError(
            "AB-NETWORK-PLAIN-HTTP",
            f"{authority} does not speak TLS",
            hint=f"if it is meant to be spoken to in plain HTTP, say so: --plain-http {authority}",
        )
    if _WANTS_CERTIFICATE in reason:
        return LineFaultError(
            "AB-NETWORK-TLS",
            f"{authority} asks for a client certificate",
            hint="give it with --cert-file and --key-file",
        )
    # An end without goodbye is a dropped connection; anything else in TLS comes again when tried again.
    return LineFaultError(
        "AB-NETWORK-TLS",
        f"{authority} broke the TLS connection off: {error.reason or error}",
        hint="check what stands between here and there: a proxy that opens TLS, or an old server",
        retry=isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError),
    )
