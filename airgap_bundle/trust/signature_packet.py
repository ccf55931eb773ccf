"""What an OpenPGP signature says of itself before anybody has verified it: by which key, over which bytes it could be.

For signatures that were made elsewhere: it has to be known whose they say to be before they can be named, and a file
picked by mistake should be noticed where there is still somebody to ask. RFC 9580 sections 5.2 and 6.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.trust.packets import (
    MAX_SIGNATURE_BYTES,
    armor,
    armored_bytes,
    check_single_signature,
    read_integer,
    read_length,
    read_packets,
)

_BEGIN = b"-----BEGIN PGP SIGNATURE-----"
_ARMOR = re.compile(
    rb"\s*" + _BEGIN + rb"[ \t]*\r?\n"
    rb"(?:[A-Za-z][A-Za-z0-9-]{0,40}: [^\r\n]{0,400}\r?\n)*[ \t]*\r?\n"
    rb"((?:[A-Za-z0-9+/]+={0,2}[ \t]*\r?\n)+)"
    rb"(?:=[A-Za-z0-9+/]{4}[ \t]*\r?\n)?"
    rb"-----END PGP SIGNATURE-----\s*"
)
_ISSUER_FINGERPRINT = 33
_VERSION_4 = 4
_HASHES = {8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224", 12: "sha3_256", 14: "sha3_512"}
_FINGERPRINT_BYTES = {4: 20, 5: 32, 6: 32}


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureClaims:
    """A detached signature, dearmored. `unverified_issuer` is the fingerprint of the key or subkey, "" if not said."""

    binary: bytes = field(repr=False)
    unverified_issuer: str = ""


def is_openpgp(raw: bytes) -> bool:
    """Whether this could be an OpenPGP signature, armored or binary, rather than JSON."""
    return bool(raw) and (raw[0] & 0x80 != 0 or raw.lstrip().startswith(_BEGIN))


def read_signature(raw: bytes) -> SignatureClaims:
    """One detached signature, armored or binary; `InvalidValueError` for anything else.

    The checksum of the armor is not looked at: the signature itself says more.
    """
    binary = _dearmored(raw)
    check_single_signature(binary)
    body = next(body for _, body in read_packets(binary))
    return SignatureClaims(binary=binary, unverified_issuer=_issuer(body))


def armor_signature(binary: bytes) -> str:
    """A detached signature as text, for gpg and for people; without checksum, which RFC 9580 section 6.1 advises."""
    return armor(binary, "SIGNATURE")


def could_be_over(claims: SignatureClaims, data: bytes) -> bool:
    """Whether the signature can be one over these bytes: it carries two bytes of the hash that was signed.

    True for kinds of signatures that are not known here; a verifier has the last word in any case.
    """
    body = next(body for _, body in read_packets(claims.binary))
    name = _HASHES.get(body[3]) if len(body) > 3 else None  # noqa: PLR2004 - where the hash stands
    if body[0] != _VERSION_4 or name is None:
        return True
    end = 6 + read_integer(body, 4, 2)
    signed = body[:end] + b"\x04\xff" + end.to_bytes(4, "big")
    unhashed = read_integer(body, end, 2)
    at = end + 2 + unhashed
    return hashlib.new(name, data + signed).digest()[:2] == body[at : at + 2]


def _dearmored(raw: bytes) -> bytes:
    if len(raw) > 2 * MAX_SIGNATURE_BYTES:
        raise InvalidValueError(f"more than {MAX_SIGNATURE_BYTES} bytes")
    if raw[:1] and raw[0] & 0x80:
        return raw
    match = _ARMOR.fullmatch(raw if raw.endswith(b"\n") else raw + b"\n")
    if match is None:
        raise InvalidValueError("not exactly one armored OpenPGP signature")
    return armored_bytes(match[1])


def _issuer(body: bytes) -> str:
    """The fingerprint in the hashed part, or else in the other one: it only says which key to try."""
    width = 4 if body[0] == 6 else 2  # noqa: PLR2004 - RFC 9580 section 5.2.3
    position = 4
    for _ in range(2):
        length = read_integer(body, position, width)
        position += width
        if found := _fingerprint(body[position : position + length]):
            return found
        position += length
    return ""


def _fingerprint(subpackets: bytes) -> str:
    position = 0
    while position < len(subpackets):
        length, width = read_length(subpackets, position)
        kind = read_integer(subpackets, position + width, 1) & 0x7F
        content = subpackets[position + width + 1 : position + width + length]
        if kind == _ISSUER_FINGERPRINT and content and len(content) - 1 == _FINGERPRINT_BYTES.get(content[0]):
            return content[1:].hex()
        position += width + length
    return ""
