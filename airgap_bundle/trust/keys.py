"""The only door to `cryptography`: plain public keys, as KMS and HSM users have them.

A key is named by the SHA-256 of its SubjectPublicKeyInfo, as cosign's bundles and our file names do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

# An RSA-16384 key in PEM has 3 KB.
MAX_KEY_BYTES = 16 * 1024
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 16384


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainPublicKey:
    """A public key of a kind that we verify with; `fingerprint` is the SHA-256 of its SPKI, 64 digits, lower case."""

    key: PublicKeyTypes
    fingerprint: str


def read_public_key(pem: bytes) -> PlainPublicKey:
    """The public key in a PEM block: ECDSA P-256, P-384 or P-521, Ed25519, or RSA of at least 2048 bits."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - 50 ms
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 50 ms

    if len(pem) > MAX_KEY_BYTES:
        raise InvalidValueError(f"a key of more than {MAX_KEY_BYTES} bytes")
    if b"PRIVATE KEY" in pem:
        raise InvalidValueError("holds a private key; only the public key belongs here")
    if pem.count(b"-----BEGIN ") != 1 or not pem.strip().startswith(b"-----BEGIN PUBLIC KEY-----"):
        raise InvalidValueError("not exactly one PEM block PUBLIC KEY")
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidValueError(f"not a public key: {error}") from error
    _check_kind(key)
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PlainPublicKey(key=key, fingerprint=hashlib.sha256(spki).hexdigest())


def _check_kind(key: PublicKeyTypes) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 - 50 ms

    if isinstance(key, ed25519.Ed25519PublicKey):
        return
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            raise InvalidValueError(f"a key on the curve {key.curve.name}; P-256, P-384 and P-521 are taken")
        return
    if isinstance(key, rsa.RSAPublicKey):
        if not _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
            raise InvalidValueError(f"an RSA key of {key.key_size} bits; {_MIN_RSA_BITS} to {_MAX_RSA_BITS} are taken")
        return
    raise InvalidValueError("a key of a kind that is not taken; use ECDSA, Ed25519 or RSA")
