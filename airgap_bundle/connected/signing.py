"""Who signs a bundle: what `--sign` names, looked up before any long work and used on the inventory's bytes at the end.

`gpg:KEY` is a key of the user's own GnuPG, `key:FILE` a private key in a file (`key_signing`), `keyless` an identity
that a Sigstore instance vouches for (`keyless_signing`). Bundles that are written get theirs in `adding`; signatures
that are made elsewhere are attached in `attaching`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.bundle.signatures import SignatureFile
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.trust import openpgp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.trust.openpgp import SigningKey

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
        from airgap_bundle.connected.key_signing import find_key  # noqa: PLC0415 - cryptography, which gpg: needs not

        return find_key(Path(key), options.passphrase_fd)
    if method == "keyless" and not colon:
        from airgap_bundle.connected.keyless_signing import find_identity  # noqa: PLC0415 - the same, and more

        return find_identity(options.trust_config, options.identity_token)
    raise UsageError("AB-USAGE-SIGN", f"not a way to sign: {printable(text)!r}", hint=f"write {_WAYS}")
