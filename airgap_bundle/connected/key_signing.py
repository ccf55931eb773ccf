"""Signing with a private key in a file: `--sign key:FILE`."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.bundle.signatures import SignatureFile
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.trust import keys
from airgap_bundle.trust.files import read_file

if TYPE_CHECKING:
    from pathlib import Path

_MAX_PASSPHRASE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class PlainKeySigner:
    """A private key in a file, in memory since it was unlocked."""

    who: str
    _pem: bytes = field(repr=False)
    _passphrase: bytes | None = field(repr=False)

    def sign(self, data: bytes) -> SignatureFile:
        """Sign with the key."""
        signature = keys.sign(data, self._pem, passphrase=self._passphrase)
        return SignatureFile(name=signature.name, data=signature.data)


def find_key(path: Path, passphrase_fd: int | None) -> PlainKeySigner:
    """The key in a file, unlocked; `UsageError` or `DocumentError` for what cannot sign."""
    pem = read_file(path, "key", max_bytes=keys.MAX_KEY_BYTES)
    passphrase = _passphrase(path, passphrase_fd) if keys.is_encrypted(pem) else None
    fingerprint = keys.private_fingerprint(pem, passphrase=passphrase)
    return PlainKeySigner(f"the key {fingerprint}", pem, passphrase)


def _passphrase(path: Path, passphrase_fd: int | None) -> bytes:
    """From the descriptor that was named, else from the person; never from the environment, which children see."""
    if passphrase_fd is not None:
        try:
            with os.fdopen(passphrase_fd, "rb", closefd=False) as source:
                return source.readline(_MAX_PASSPHRASE_BYTES).rstrip(b"\r\n")
        except OSError as error:
            raise UsageError(
                "AB-SIGN-PASSPHRASE",
                f"the passphrase cannot be read from descriptor {passphrase_fd}: {error.strerror}",
                hint="open it in the shell, such as --passphrase-fd 3 3< FILE",
            ) from error
    if not sys.stdin.isatty():
        raise UsageError(
            "AB-SIGN-PASSPHRASE",
            f"the key {printable(str(path))} needs a passphrase, and there is no terminal to ask on",
            hint="give it with --passphrase-fd N, such as --passphrase-fd 3 3< FILE",
        )
    return getpass.getpass(f"Passphrase of {printable(str(path))}: ").encode()
