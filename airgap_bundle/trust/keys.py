"""The only door to `cryptography`: signatures by plain keys, as KMS and HSM users have them.

ECDSA on P-256, P-384 and P-521, Ed25519, and RSA of 2048 bits and more. A key is named by the SHA-256 of its
SubjectPublicKeyInfo, as cosign's bundles and our file names do. Whose key it is, is the policy's question.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError, TrustError, UsageError
from airgap_bundle.trust import key_bundle

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
    PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

# An RSA-16384 key in PEM has 3 KB, its private half 13 KB.
MAX_KEY_BYTES = 32 * 1024
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 16384
# What cosign signs with where nothing else is said, by the curve's bits; RSA goes with SHA-256.
_CURVE_HASHES = {256: "sha256", 384: "sha384", 521: "sha512"}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainPublicKey:
    """A public key of a kind that we verify with; `fingerprint` is the SHA-256 of its SPKI, 64 digits, lower case."""

    key: PublicKey
    fingerprint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedByKey:
    """A signature file (a Sigstore bundle) and the fingerprint of the key that made it."""

    data: bytes
    fingerprint: str

    @property
    def name(self) -> str:
        """What the file is called in a bundle."""
        return f"key-{self.fingerprint[:16]}.sigstore.json"


def read_public_key(pem: bytes) -> PlainPublicKey:
    """The public key in one PEM block; `InvalidValueError` for anything else, and for kinds that are not taken."""
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
    return _named(_checked(key))


def verify(data: bytes, bundle: bytes, key: PlainPublicKey, *, name: str) -> None:
    """Check that `bundle` is a signature over `data` by `key`; `TrustError` naming `name` where it is not.

    1. The file is a Sigstore bundle for a plain key, and nothing else.
    2. It speaks about these very bytes, hashed with SHA-256 or better.
    3. The signature verifies with the key: ECDSA, RSA with PKCS #1 v1.5 or PSS, or Ed25519 over the bytes themselves.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 50 ms

    # 1.
    try:
        parsed = key_bundle.parse(bundle)
    except InvalidValueError as error:
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} is not a signature by a plain key: {error}") from error
    # 2.
    if not key_bundle.is_over(parsed, data):
        raise TrustError(
            "AB-TRUST-BAD-SIGNATURE",
            f"{name} is not over these bytes: it belongs to something else, or one was changed",
        )
    # 3.
    try:
        _verify(data, parsed, key.key)
    except (InvalidSignature, ValueError) as error:
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} does not verify with the key {key.fingerprint}") from error


def sign(data: bytes, private_pem: bytes, *, passphrase: bytes | None = None) -> SignedByKey:
    """A signature over `data` with an unencrypted or encrypted PKCS #8 key in PEM; `UsageError` for the key."""
    private, public = _load_private(private_pem, passphrase)
    hash_name, signature = _sign(data, private)
    bundle = key_bundle.dump(
        spki_digest=bytes.fromhex(public.fingerprint),
        hash_name=hash_name,
        digest=hashlib.new(hash_name, data).digest(),
        signature=signature,
    )
    return SignedByKey(data=bundle, fingerprint=public.fingerprint)


def private_fingerprint(private_pem: bytes, *, passphrase: bytes | None = None) -> str:
    """The fingerprint of the public half of a private key that can sign; `UsageError` for the key."""
    return _load_private(private_pem, passphrase)[1].fingerprint


def is_encrypted(private_pem: bytes) -> bool:
    """Whether a private key in PEM needs a passphrase."""
    return b"ENCRYPTED" in private_pem


def check_signature(data: bytes, signature: bytes, key: PublicKeyTypes) -> None:
    """Refuse (`InvalidValueError`) a signature over `data` that does not hold, with a hash that goes with the key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 50 ms
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - 50 ms

    public = _checked(key)
    own = _CURVE_HASHES[public.key_size] if isinstance(public, ec.EllipticCurvePublicKey) else "sha256"
    # Keyless clients hash with SHA-256 whatever the curve, cosign with what goes with it.
    for name in dict.fromkeys((own, "sha256")):
        claimed = key_bundle.KeySignature(unverified_hash=name, unverified_digest=b"", unverified_signature=signature)
        with suppress(InvalidSignature):
            _verify(data, claimed, public)
            return
    raise InvalidValueError("the signature is over something else, or by another key")


def parser_errors() -> tuple[type[Exception], ...]:
    """What `cryptography` raises beside `ValueError` on certificates and keys of a wrong or unknown shape."""
    from cryptography import exceptions, x509  # noqa: PLC0415 - 50 ms

    return (
        exceptions.UnsupportedAlgorithm,
        exceptions.InvalidSignature,
        x509.DuplicateExtension,
        x509.ExtensionNotFound,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    )


def _load_private(pem: bytes, passphrase: bytes | None) -> tuple[PrivateKeyTypes, PlainPublicKey]:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - 50 ms
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 50 ms

    hint = "a PKCS #8 key in PEM, such as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes"
    try:
        if len(pem) > MAX_KEY_BYTES:
            raise InvalidValueError(f"more than {MAX_KEY_BYTES} bytes")
        if b"SIGSTORE PRIVATE KEY" in pem or b"COSIGN PRIVATE KEY" in pem:
            hint = "sign with `cosign sign-blob --key`, then `airgap-export sign --attach`"
            raise InvalidValueError("it is in the format of cosign, which only cosign reads")
        private = serialization.load_pem_private_key(pem, passphrase)
        return private, _named(_checked(private.public_key()))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError("AB-KEY-PRIVATE", f"not a private key to sign with: {error}", hint=hint) from error


def _sign(data: bytes, private: PrivateKeyTypes) -> tuple[str, bytes]:
    """The hash that goes with the key, and the signature."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa  # noqa: PLC0415 - 50 ms

    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "sha256", private.sign(data)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        # cosign 3.1 verifies with SHA-256 whatever the curve, even where it has signed with another hash itself.
        return "sha256", private.sign(data, ec.ECDSA(_hash("sha256")))
    if isinstance(private, rsa.RSAPrivateKey):
        return "sha256", private.sign(data, padding.PKCS1v15(), _hash("sha256"))
    raise AssertionError("the public half was checked to be one of these")


def _verify(data: bytes, signature: key_bundle.KeySignature, key: PublicKey) -> None:
    """Raise `InvalidSignature` unless the signature holds."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 50 ms
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding  # noqa: PLC0415 - 50 ms

    made = signature.unverified_signature
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(made, data)
        return
    if not signature.unverified_hash:
        raise InvalidSignature("only an Ed25519 signature can go without a hash")
    algorithm = _hash(signature.unverified_hash)
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(made, data, ec.ECDSA(algorithm))
        return
    try:
        key.verify(made, data, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        key.verify(made, data, padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH), algorithm)


def _hash(name: str) -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - 50 ms

    known: dict[str, HashAlgorithm] = {
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
    }
    return known[name]


def _named(key: PublicKey) -> PlainPublicKey:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 50 ms

    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PlainPublicKey(key=key, fingerprint=hashlib.sha256(spki).hexdigest())


def _checked(key: PublicKeyTypes) -> PublicKey:
    """The key, if it is of a kind and a size that we take."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 - 50 ms

    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            raise InvalidValueError(f"a key on the curve {key.curve.name}; P-256, P-384 and P-521 are taken")
        return key
    if isinstance(key, rsa.RSAPublicKey):
        if not _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
            raise InvalidValueError(f"an RSA key of {key.key_size} bits; {_MIN_RSA_BITS} to {_MAX_RSA_BITS} are taken")
        return key
    raise InvalidValueError("a key of a kind that is not taken; use ECDSA, Ed25519 or RSA")
