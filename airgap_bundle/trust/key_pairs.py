"""New keys of our own, and certificates that say what they are for. The second half of the door to `cryptography`.

`keys` verifies with the keys of others; here are made those that the inside signs its own tokens with: ECDSA on P-256,
which every registry that checks tokens takes. Certificates are self-signed and only carry the public key to programs
that want it in that form.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from datetime import datetime

# A P-256 key in PEM has 250 bytes, its certificate 700.
_MAX_PEM_CHARACTERS = 8 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyPair:
    """A private key (PKCS #8, PEM), its certificate (PEM), and the SHA-256 of its SubjectPublicKeyInfo in DER."""

    private_pem: str = field(repr=False)
    certificate_pem: str
    spki_sha256: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Certified:
    """What a certificate says: its public key (SPKI, PEM), the SHA-256 of that in DER, and when it ends."""

    public_pem: str
    spki_sha256: bytes
    not_after: datetime


def make_key_pair(common_name: str, *, begins: datetime, ends: datetime) -> KeyPair:
    """A new key, and a certificate for signing with it, valid between two moments."""
    from cryptography import x509  # noqa: PLC0415 - 50 ms
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - 50 ms
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - 50 ms

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return KeyPair(private_pem=private.decode(), certificate_pem=pem, spki_sha256=read_certificate(pem).spki_sha256)


def read_certificate(pem: str) -> Certified:
    """What a certificate of ours says; `InvalidValueError` for anything that `make_key_pair` does not make."""
    from cryptography import x509  # noqa: PLC0415 - 50 ms
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 50 ms
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - 50 ms

    if len(pem) > _MAX_PEM_CHARACTERS:
        raise InvalidValueError(f"a certificate of more than {_MAX_PEM_CHARACTERS} characters")
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key()
    except ValueError as error:
        raise InvalidValueError(f"not a certificate: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidValueError("a certificate of a key that is not on the curve P-256")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return Certified(
        public_pem=key.public_bytes(serialization.Encoding.PEM, form).decode(),
        spki_sha256=hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).digest(),
        not_after=certificate.not_valid_after_utc,
    )


def belongs_to(private_pem: str, certificate_pem: str) -> bool:
    """Whether a private key is the one of a certificate; `InvalidValueError` for what is no private key."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 50 ms

    if len(private_pem) > _MAX_PEM_CHARACTERS:
        raise InvalidValueError(f"a key of more than {_MAX_PEM_CHARACTERS} characters")
    try:
        key = serialization.load_pem_private_key(private_pem.encode(), None)
    except (ValueError, TypeError) as error:
        raise InvalidValueError("not a private key in PEM") from error
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest() == read_certificate(certificate_pem).spki_sha256
