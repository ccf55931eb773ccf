"""Signing by an identity that a Sigstore instance vouches for: `--sign keyless`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.bundle.signatures import SignatureFile
from airgap_bundle.core.errors import UsageError
from airgap_bundle.trust import keyless_signing
from airgap_bundle.trust.files import read_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airgap_bundle.trust.keyless_signing import SigningService


@dataclass(slots=True)
class KeylessSigner:
    """An identity. `who` is how it is proven until something was signed, and then the identity itself.

    Tokens live for minutes and a build may take longer, so one is asked for when it is needed.
    """

    who: str
    _service: SigningService = field(repr=False)
    _token: Callable[[], str] = field(repr=False)

    def sign(self, data: bytes) -> SignatureFile:
        """Get a token, and let the service vouch for the signature."""
        signature = self._service.sign(data, self._token())
        self.who = f"{signature.identity} ({signature.issuer})"
        return SignatureFile(name=signature.name, data=signature.data)


def find_service(trust_config: Path | None) -> SigningService:
    """The Sigstore instance of a trust configuration, or the public one."""
    if trust_config is None:
        return keyless_signing.public_service()
    raw = read_file(trust_config, "trust configuration", max_bytes=keyless_signing.MAX_CONFIGURATION_BYTES)
    return keyless_signing.private_service(raw, str(trust_config))


def find_identity(trust_config: Path | None, identity_token: Path | None) -> KeylessSigner:
    """1. The token file that was named. 2. What the CI system gives. 3. A browser, where somebody sits before it."""
    service = find_service(trust_config)
    if identity_token is not None:
        _read_token(identity_token)
        return KeylessSigner(f"the identity of {identity_token}", service, lambda: _read_token(identity_token))
    if keyless_signing.ambient_token() is not None:
        return KeylessSigner("the identity of this CI job", service, _ambient_token)
    if not sys.stdin.isatty():
        raise UsageError(
            "AB-SIGN-IDENTITY",
            "there is no identity to sign with: no CI system that gives one, and no terminal to log in from",
            hint="give a token with --identity-token FILE, or sign with gpg:KEY or key:FILE",
        )
    return KeylessSigner("whoever logs in", service, service.browser_token)


def _ambient_token() -> str:
    token = keyless_signing.ambient_token()
    if token is None:
        raise UsageError("AB-SIGN-IDENTITY", "the CI system gives no identity any more", hint="run the job again")
    return token


def _read_token(file: Path) -> str:
    raw = read_file(file, "identity token", max_bytes=keyless_signing.MAX_TOKEN_BYTES)
    return raw.decode("ascii", "replace").strip()
