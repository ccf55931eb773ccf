"""Who signs a bundle: what `--sign` names, looked up before any long work and used on the inventory's bytes at the end.

`gpg:KEY` is a key of the user's own GnuPG, `keyless` an identity that a Sigstore instance vouches for, `key:FILE` a
private key in a file. Signatures that are made elsewhere are attached in `attaching`.
"""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import read_head
from airgap_bundle.bundle.signatures import SignatureFile
from airgap_bundle.bundle.signing import add_signature
from airgap_bundle.bundle.volumes.opening import find_places
from airgap_bundle.bundle.volumes.signing import add_to_volumes, read_inventory_of
from airgap_bundle.bundle.volumes.sources import MediaSupply
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.trust import keyless_signing, keys, openpgp
from airgap_bundle.trust.files import read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airgap_bundle.trust.keyless_signing import SigningService
    from airgap_bundle.trust.openpgp import SigningKey

_MAX_PASSPHRASE_BYTES = 1024
_WAYS = "gpg:KEY with a fingerprint or an e-mail address, keyless, or key:FILE"


class Signer(Protocol):
    """Somebody who can sign bytes."""

    @property
    def who(self) -> str:
        """Their name, for people."""
        ...

    def sign(self, data: bytes) -> SignatureFile:
        """A detached signature over `data`, with the file name that says of which kind it is."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningOptions:
    """What the ways to sign need besides their names.

    `trust_config` describes a private Sigstore instance, `identity_token` is a file with a token for it; the passphrase
    of a private key comes from an open descriptor, or is asked for.
    """

    trust_config: Path | None = None
    identity_token: Path | None = None
    passphrase_fd: int | None = None


@dataclass(frozen=True, slots=True)
class GnuPgSigner:
    """A key of the user's own GnuPG: on disk, with an agent, or on a smartcard."""

    key: SigningKey
    who: str

    def sign(self, data: bytes) -> SignatureFile:
        """Ask gpg; it may ask for a passphrase or a touch."""
        signature = openpgp.sign(data, self.key)
        return SignatureFile(name=f"openpgp-{signature.fingerprint}.sig", data=signature.data)


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


def find_signers(specifications: Sequence[str], options: SigningOptions | None = None) -> tuple[Signer, ...]:
    """The signers that `--sign` names, each checked to be able to sign as far as that shows.

    Raises `UsageError` for what is no specification, and for a key or identity that cannot be used.
    """
    asked = options or SigningOptions()
    return tuple(_find(text, asked) for text in specifications)


def _find(text: str, options: SigningOptions) -> Signer:
    method, colon, key = text.partition(":")
    if method == "gpg" and key:
        found = openpgp.find_signing_key(key)
        return GnuPgSigner(found, f"{found.user_ids[0]} ({found.fingerprint})")
    if method == "key" and key:
        return _plain_key(Path(key), options)
    if method == "keyless" and not colon:
        return _keyless(options)
    raise UsageError("AB-USAGE-SIGN", f"not a way to sign: {printable(text)!r}", hint=f"write {_WAYS}")


def _plain_key(path: Path, options: SigningOptions) -> PlainKeySigner:
    pem = read_file(path, "key", max_bytes=keys.MAX_KEY_BYTES)
    passphrase = _passphrase(path, options) if keys.is_encrypted(pem) else None
    fingerprint = keys.private_fingerprint(pem, passphrase=passphrase)
    return PlainKeySigner(f"the key {fingerprint}", pem, passphrase)


def _passphrase(path: Path, options: SigningOptions) -> bytes:
    """From the descriptor that was named, else from the person; never from the environment, which children see."""
    if options.passphrase_fd is not None:
        try:
            with os.fdopen(options.passphrase_fd, "rb", closefd=False) as source:
                return source.readline(_MAX_PASSPHRASE_BYTES).rstrip(b"\r\n")
        except OSError as error:
            raise UsageError(
                "AB-SIGN-PASSPHRASE",
                f"the passphrase cannot be read from descriptor {options.passphrase_fd}: {error.strerror}",
                hint="open it in the shell, such as --passphrase-fd 3 3< FILE",
            ) from error
    if not sys.stdin.isatty():
        raise UsageError(
            "AB-SIGN-PASSPHRASE",
            f"the key {printable(str(path))} needs a passphrase, and there is no terminal to ask on",
            hint="give it with --passphrase-fd N, such as --passphrase-fd 3 3< FILE",
        )
    return getpass.getpass(f"Passphrase of {printable(str(path))}: ").encode()


def find_service(trust_config: Path | None) -> SigningService:
    """The Sigstore instance of a trust configuration, or the public one."""
    if trust_config is None:
        return keyless_signing.public_service()
    raw = read_file(trust_config, "trust configuration", max_bytes=keyless_signing.MAX_CONFIGURATION_BYTES)
    return keyless_signing.private_service(raw, str(trust_config))


def _keyless(options: SigningOptions) -> KeylessSigner:
    """1. The token file that was named. 2. What the CI system gives. 3. A browser, where somebody sits before it."""
    service = find_service(options.trust_config)
    file = options.identity_token
    if file is not None:
        _read_token(file)
        return KeylessSigner(f"the identity of {file}", service, lambda: _read_token(file))
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


def sign_existing(bundle: Path, signers: Sequence[Signer]) -> tuple[tuple[str, Path | None], ...]:
    """Sign a bundle that is written; for each signer where the signature went, None where it was there already."""
    inventory_raw = read_inventory_bytes(bundle)
    made = [(signer, signer.sign(inventory_raw)) for signer in signers]
    return tuple((signer.who, add_to_bundle(bundle, signature)) for signer, signature in made)


def add_to_bundle(bundle: Path, signature: SignatureFile) -> Path | None:
    """Add a signature to a bundle, or beside its volumes; where it went, None where the same key had signed before."""
    places = find_places(str(bundle), MediaSupply())
    return add_signature(bundle, signature) if places is None else add_to_volumes(places, signature)


def read_inventory_bytes(bundle: Path) -> bytes:
    """What is signed, of a file or of volumes."""
    places = find_places(str(bundle), MediaSupply())
    if places is not None:
        return read_inventory_of(places)
    with closing(FileMedium(bundle)) as medium:
        return read_head(medium).inventory_raw
