"""Signatures by plain keys, as files: Sigstore bundles v0.3 with a `publicKey` hint. Pure.

The shape is the one that `cosign sign-blob --key` writes and `cosign verify-blob --key --insecure-ignore-tlog` reads.
Log entries and timestamps in it are carried and not believed: a plain key is judged by the policy alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
# What a signature member of a bundle may have.
MAX_BUNDLE_BYTES = 64 * 1024
# Names of hashes in Sigstore bundles; SHA-256 and better.
HASHES = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}
# An RSA-16384 signature has 2048 bytes.
_MAX_SIGNATURE_BYTES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class KeySignature:
    """What such a file says: the hash that was signed, its name for `hashlib`, and the signature. Nothing verified.

    `unverified_hint` is how the file names its key. The hash is "" where none is named, as cosign does for Ed25519,
    which signs the bytes themselves.
    """

    unverified_hash: str
    unverified_digest: bytes
    unverified_signature: bytes
    unverified_hint: str = ""


def dump(*, spki_digest: bytes, hash_name: str, digest: bytes, signature: bytes) -> bytes:
    """The file for a signature over `digest`."""
    algorithm = next(name for name, ours in HASHES.items() if ours == hash_name)
    return strictjson.canonical({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": _base64(spki_digest)}, "tlogEntries": []},
        "messageSignature": {
            "messageDigest": {"algorithm": algorithm, "digest": _base64(digest)},
            "signature": _base64(signature),
        },
    })  # fmt: skip


def parse(raw: bytes) -> KeySignature:
    """Read such a file strictly; `InvalidValueError` for anything else, certificates and envelopes included."""
    top = strictjson.parse_object(raw, max_bytes=MAX_BUNDLE_BYTES)
    _only(top, {"mediaType", "verificationMaterial", "messageSignature"}, "the bundle")
    if top["mediaType"] != MEDIA_TYPE:
        raise InvalidValueError("not a Sigstore bundle of version 0.3")
    material = _object(top, "verificationMaterial")
    _only(material, {"publicKey"}, "verificationMaterial", optional={"tlogEntries", "timestampVerificationData"})
    hint = _object(material, "publicKey")
    _only(hint, set(), "publicKey", optional={"hint"})
    message = _object(top, "messageSignature")
    _only(message, {"messageDigest", "signature"}, "messageSignature")
    digest = _object(message, "messageDigest")
    algorithm = ""
    if digest:
        _only(digest, {"algorithm", "digest"}, "messageDigest")
        algorithm = digest["algorithm"]
        if not isinstance(algorithm, str) or algorithm not in HASHES:
            raise InvalidValueError("messageDigest.algorithm is none of SHA2_256, SHA2_384 and SHA2_512")
    signature = _bytes(message, "signature")
    if not 0 < len(signature) <= _MAX_SIGNATURE_BYTES:
        raise InvalidValueError("the signature is empty or too long")
    return KeySignature(
        unverified_hash=HASHES.get(algorithm, ""),
        unverified_digest=_bytes(digest, "digest") if digest else b"",
        unverified_signature=signature,
        unverified_hint=str(hint.get("hint", "")),
    )


def is_over(signature: KeySignature, data: bytes) -> bool:
    """Whether the file speaks about exactly these bytes, or does not say; the signature itself is not looked at."""
    if not signature.unverified_hash:
        return True
    return hashlib.new(signature.unverified_hash, data).digest() == signature.unverified_digest


def _only(value: dict[str, Any], needed: set[str], name: str, *, optional: set[str] | None = None) -> None:
    missing, strange = needed - set(value), set(value) - needed - (optional or set())
    if missing or strange:
        raise InvalidValueError(f"{name} lacks or has too much: {', '.join(sorted(missing | strange))[:100]}")


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    if not isinstance(found, dict):
        raise InvalidValueError(f"{key} is not an object")
    return found


def _bytes(value: dict[str, Any], key: str) -> bytes:
    found = value.get(key)
    if not isinstance(found, str):
        raise InvalidValueError(f"{key} is not text")
    try:
        return base64.b64decode(found, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidValueError(f"{key} is not base64") from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
