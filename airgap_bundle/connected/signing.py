"""Who signs a bundle: `--sign gpg:KEY`, looked up before any long work and used on the inventory's bytes at the end."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import read_head
from airgap_bundle.bundle.signatures import SignatureFile
from airgap_bundle.bundle.signing import add_signature
from airgap_bundle.core.errors import UsageError
from airgap_bundle.trust import openpgp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Signer(Protocol):
    """Somebody who can sign bytes."""

    @property
    def who(self) -> str:
        """Their name, for people."""
        ...

    def sign(self, data: bytes) -> SignatureFile:
        """A detached signature over `data`, with the file name that says of which kind it is."""
        ...


@dataclass(frozen=True, slots=True)
class GnuPgSigner:
    """A key of the user's own GnuPG: on disk, with an agent, or on a smartcard."""

    fingerprint: str
    who: str

    def sign(self, data: bytes) -> SignatureFile:
        """Ask gpg; it may ask for a passphrase or a touch."""
        signature = openpgp.sign(data, self.fingerprint)
        return SignatureFile(name=f"openpgp-{signature.fingerprint}.sig", data=signature.data)


def find_signers(specifications: Sequence[str]) -> tuple[Signer, ...]:
    """The signers that `--sign` names, each checked to be able to sign.

    Raises `UsageError` for what is no specification, and what `trust.openpgp.find_signing_key` raises.
    """
    return tuple(_find(text) for text in specifications)


def _find(text: str) -> Signer:
    method, colon, key = text.partition(":")
    if method == "gpg" and colon and key:
        found = openpgp.find_signing_key(key)
        return GnuPgSigner(found.fingerprint, f"{found.user_ids[0]} ({found.fingerprint})")
    raise UsageError(
        "AB-USAGE-SIGN",
        f"not a way to sign: {text!r}",
        hint="write gpg:KEY, with a fingerprint or an e-mail address, such as gpg:release@example.com",
    )


def sign_existing(bundle: Path, signers: Sequence[Signer]) -> tuple[tuple[Signer, Path | None], ...]:
    """Sign a bundle that is written; for each signer where the signature went, None where it was there already."""
    if not signers:
        raise UsageError(
            "AB-USAGE-SIGN", "nobody to sign with was named", hint="add --sign gpg:KEY, such as gpg:release@example.com"
        )
    with closing(FileMedium(bundle)) as medium:
        inventory_raw = read_head(medium).inventory_raw
    return tuple((signer, add_signature(bundle, signer.sign(inventory_raw))) for signer in signers)
