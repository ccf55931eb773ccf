"""TLS for the embedded server: certificate and key from files, taken up anew when they are renewed.

TLS 1.2 at least, no renegotiation, HTTP/1.1 only. With certificates of an authority for clients nobody comes in without
one. A new certificate that cannot be used leaves the old one in place, with a warning.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airgap_bundle.core.errors import DocumentError

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

_LOGGER = logging.getLogger(__name__)
# Renewed certificates are valid for weeks beside the old ones: nobody notices seconds.
_LOOK_EVERY_SECONDS = 2.0
# The first byte of a TLS handshake (RFC 8446 section 5.1).
HANDSHAKE_BYTE = b"\x16"


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsFiles:
    """Where certificate (with its chain) and key are, and the authority whose clients come in; all of them PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Tls:
    """What handshakes are made with. Raises `DocumentError` (AB-SERVE-TLS) for files that cannot be used."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = self._stamps()
        self._context = _context(files)
        self._looked = time.monotonic()
        self._lock = threading.Lock()

    def context(self) -> ssl.SSLContext:
        """For the next handshake: of the files as they are now, or were when they last could be used."""
        with self._lock:
            if time.monotonic() - self._looked >= _LOOK_EVERY_SECONDS:
                self._looked = time.monotonic()
                self._look()
            return self._context

    def _look(self) -> None:
        stamp = self._stamps()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._context = _context(self._files)
        except DocumentError as error:
            _LOGGER.warning("%s; the certificate from before stays in use", error)

    def _stamps(self) -> tuple[object, ...]:
        files = (self._files.certificate, self._files.key, self._files.client_ca)
        return tuple(_stamp(path) for path in files if path is not None)


def common_name(certificate: dict[str, Any] | None) -> str | None:
    """The one common name of a client's certificate, as `getpeercert` describes it; `None` where it is not one."""
    subject = (certificate or {}).get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    return names[0] if len(names) == 1 else None


def _context(files: TlsFiles) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - costs what --help has not

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a function that gives a password the library would ask for one at the terminal.
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    except (OSError, ValueError) as error:
        raise DocumentError(
            "AB-SERVE-TLS",
            f"cannot serve with the certificate {files.certificate} and the key {files.key}: {_why(error)}",
            hint="both have to be PEM files; the key has no passphrase and belongs to the first certificate",
        ) from error
    if files.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(files.client_ca)
        except (OSError, ValueError) as error:
            raise DocumentError(
                "AB-SERVE-TLS",
                f"cannot check clients with the certificates in {files.client_ca}: {_why(error)}",
                hint="name a PEM file with the certificates of the authority that signs your clients' certificates",
            ) from error
    return context


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(reason).replace("_", " ").lower()


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino
