"""Signatures that were made elsewhere: by gpg, cosign, a KMS or an HSM. Finds out what each is and how it is called.

The name of a signature file says where a policy looks for its key, so it is made from the content, never taken from
whoever brings the file. Nothing here says that a signature may be believed; `signatures.check_signatures` does.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import DocumentError, InvalidValueError, TrustError
from airgap_bundle.core.text import printable
from airgap_bundle.trust import key_bundle, keyless, keys, signature_packet
from airgap_bundle.trust.policy_model import Method

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airgap_bundle.trust.keys import PlainPublicKey
    from airgap_bundle.trust.packets import PublicKey

_SPKI_DIGEST_BYTES = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedSignature:
    """A signature under the name that its content gives it, in the form that bundles hold.

    `unverified_who` is the key or identity that it says to be by.
    """

    name: str
    data: bytes = field(repr=False)
    method: Method
    unverified_who: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownKeys:
    """What a subkey, or a signature without a hint, is looked up in. `primary_of` finds others; "" if it cannot."""

    openpgp: tuple[PublicKey, ...] = ()
    plain: tuple[PlainPublicKey, ...] = ()
    primary_of: Callable[[str], str] = lambda _: ""

    def primary(self, fingerprint: str) -> str:
        """The primary key that a key belongs to: itself where nothing else is known."""
        for key in self.openpgp:
            if key.key(fingerprint) is not None:
                return key.fingerprint
        return self.primary_of(fingerprint) or fingerprint


def receive(raw: bytes, data: bytes, file: str, known: KnownKeys) -> ReceivedSignature:
    """The signature over `data` in a file: OpenPGP, armored or binary, or a Sigstore bundle.

    `DocumentError` for anything else and for a signature that says not by whom it is; `TrustError` for one that cannot
    be over `data`, as far as that shows without a key.
    """
    name = printable(file)
    try:
        if signature_packet.is_openpgp(raw):
            return _openpgp(raw, data, name, known)
        top = strictjson.parse_object(raw, max_bytes=key_bundle.MAX_BUNDLE_BYTES, floats=True)
        material = top.get("verificationMaterial")
        if isinstance(material, dict) and "publicKey" in material:
            return _plain(raw, data, name, known.plain)
        identity, issuer = keyless.read_signer(raw, data, name=name)
    except InvalidValueError as error:
        raise DocumentError(
            "AB-SIGNATURE-FILE",
            f"{name} is not a signature to use here: {error}",
            hint="make one over these very bytes: gpg --detach-sign, or cosign sign-blob --bundle",
        ) from error
    return ReceivedSignature(
        name=keyless.file_name(issuer, identity),
        data=raw,
        method=Method.KEYLESS,
        unverified_who=f"{identity} ({issuer})",
    )


def _openpgp(raw: bytes, data: bytes, name: str, known: KnownKeys) -> ReceivedSignature:
    claims = signature_packet.read_signature(raw)
    if not claims.unverified_issuer:
        raise InvalidValueError("it does not say by which key it is; a newer GnuPG does")
    if not signature_packet.could_be_over(claims, data):
        raise _over_other_bytes(name)
    primary = known.primary(claims.unverified_issuer)
    return ReceivedSignature(
        name=f"openpgp-{primary}.sig", data=claims.binary, method=Method.OPENPGP, unverified_who=primary
    )


def _plain(raw: bytes, data: bytes, name: str, known: Iterable[PlainPublicKey]) -> ReceivedSignature:
    parsed = key_bundle.parse(raw)
    if not key_bundle.is_over(parsed, data):
        raise _over_other_bytes(name)
    fingerprint = next((key.fingerprint for key in known if _verifies(raw, data, key)), "") or _hinted(parsed)
    if not fingerprint:
        raise InvalidValueError("it does not say by which key it is; name the public key too")
    return ReceivedSignature(
        name=f"key-{fingerprint[:16]}.sigstore.json", data=raw, method=Method.KEY, unverified_who=fingerprint
    )


def _over_other_bytes(name: str) -> TrustError:
    return TrustError(
        "AB-TRUST-BAD-SIGNATURE",
        f"{name} is a signature over other bytes",
        hint="it belongs to another file, or one of the two was changed",
    )


def _verifies(raw: bytes, data: bytes, key: PlainPublicKey) -> bool:
    try:
        keys.verify(data, raw, key, name="the signature")
    except TrustError:
        return False
    return True


def _hinted(parsed: key_bundle.KeySignature) -> str:
    """The SHA-256 of the key, where the hint is one, as cosign writes it."""
    try:
        digest = base64.b64decode(parsed.unverified_hint, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return digest.hex() if len(digest) == _SPKI_DIGEST_BYTES else ""
