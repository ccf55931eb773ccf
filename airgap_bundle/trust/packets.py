"""The frame of OpenPGP messages: armor, packets, fingerprints. RFC 9580 sections 4 to 6; RFC 4880 for version 4.

Reads as much as it takes to say "this is exactly one signature", "this is exactly one public key, and that is its
fingerprint", before any byte reaches a program. Decides nothing about validity: no signature is checked here, and what
a key says about itself (user ids, expiry) is called unverified.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The largest key seen in the wild, with twenty years of signatures by others, has 400 KB.
MAX_KEY_BYTES = 1024 * 1024
# An RSA-16384 signature has 2 KB; notations fill the rest. Also what a signature member of a bundle may have.
MAX_SIGNATURE_BYTES = 64 * 1024
# Each is tried in turn, and costs a call of gpgv.
MAX_KEYS = 50
# One primary key, its subkeys, user ids and the signatures over them; more is a key made to waste time.
_MAX_PACKETS = 4096

_SIGNATURE, _SECRET_KEY, _PUBLIC_KEY, _SECRET_SUBKEY, _USER_ID, _PUBLIC_SUBKEY = 2, 5, 6, 7, 13, 14
_TRUST, _USER_ATTRIBUTE = 12, 17
_KEY_PACKETS = frozenset({_SIGNATURE, _PUBLIC_KEY, _TRUST, _USER_ID, _PUBLIC_SUBKEY, _USER_ATTRIBUTE})
_RSA_ALGORITHMS = frozenset({1, 2, 3})
_DSA_ALGORITHM = 17
_MIN_RSA_BITS = 2048
_SELF_SIGNATURE_CLASSES = frozenset({0x10, 0x11, 0x12, 0x13, 0x1F})
_SUBPACKET_CREATED, _SUBPACKET_KEY_LIFETIME = 2, 9
_ARMOR = re.compile(
    rb"\s*-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n"
    rb"(?:[A-Za-z][A-Za-z0-9-]{0,40}: [^\r\n]{0,400}\r?\n)*[ \t]*\r?\n"
    rb"((?:[A-Za-z0-9+/]+={0,2}[ \t]*\r?\n)+)"
    rb"(?:=[A-Za-z0-9+/]{4}[ \t]*\r?\n)?"
    rb"-----END PGP PUBLIC KEY BLOCK-----\s*"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyPacket:
    """A primary key or a subkey. `weakness` says why it must not be believed, empty if there is no reason."""

    fingerprint: str
    created: datetime
    algorithm: int
    weakness: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicKey:
    """One OpenPGP key. `binary` is what it is made of, dearmored; the fingerprints are of those very bytes.

    User ids and expiry are the key's own words about itself, and nobody has checked them: `gpgv` judges expiry when a
    signature is verified. They are for people to read.
    """

    binary: bytes = field(repr=False)
    keys: tuple[KeyPacket, ...]
    unverified_user_ids: tuple[str, ...] = ()
    unverified_expires: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """Of the primary key: 40 or 64 digits, lower case."""
        return self.keys[0].fingerprint

    @property
    def armored(self) -> str:
        """As text, without checksum and headers: the form that a policy embeds."""
        return armor(self.binary, "PUBLIC KEY BLOCK")

    def key(self, fingerprint: str) -> KeyPacket | None:
        """The primary key or subkey of that fingerprint."""
        return next((key for key in self.keys if key.fingerprint == fingerprint), None)


def dearmor(data: bytes) -> bytes:
    """The bytes inside one armored public key block; binary keys are returned as they are.

    The checksum is not looked at (RFC 9580 section 6.1): the fingerprint says more. Text around the block is refused,
    as two readers could take two blocks from it.
    """
    if len(data) > 2 * MAX_KEY_BYTES:
        raise InvalidValueError(f"a key of more than {MAX_KEY_BYTES} bytes")
    if data[:1] and data[0] & 0x80:
        return data
    if b"PRIVATE KEY BLOCK" in data:
        raise InvalidValueError("holds a secret key; only the public key may leave the signer's keyring")
    match = _ARMOR.fullmatch(data if data.endswith(b"\n") else data + b"\n")
    if match is None:
        raise InvalidValueError("not exactly one armored OpenPGP public key block")
    return armored_bytes(match[1])


def armor(binary: bytes, kind: str) -> str:
    """Packets as text, such as a `SIGNATURE`; without checksum, which RFC 9580 section 6.1 advises, and headers."""
    lines = base64.b64encode(binary).decode("ascii")
    body = "\n".join(lines[n : n + 64] for n in range(0, len(lines), 64))
    return f"-----BEGIN PGP {kind}-----\n\n{body}\n-----END PGP {kind}-----\n"


def armored_bytes(body: bytes) -> bytes:
    """The packets in the body of an armored block. Raises `InvalidValueError`."""
    try:
        return base64.b64decode(re.sub(rb"\s+", b"", body), validate=True)
    except binascii.Error as error:
        raise InvalidValueError(f"the armor is not base64: {error}") from error


def parse_public_key(data: bytes) -> PublicKey:
    """Exactly one public key, armored or binary; `InvalidValueError` for anything else, secret keys included."""
    binary = dearmor(data)
    if len(binary) > MAX_KEY_BYTES:
        raise InvalidValueError(f"a key of {len(binary)} bytes, more than {MAX_KEY_BYTES}")
    keys: list[KeyPacket] = []
    user_ids: list[str] = []
    lifetime: tuple[int, int] = (0, 0)
    for tag, body in read_packets(binary):
        if tag in {_SECRET_KEY, _SECRET_SUBKEY}:
            raise InvalidValueError("holds a secret key; only the public key may leave the signer's keyring")
        if tag not in _KEY_PACKETS:
            raise InvalidValueError(f"holds an OpenPGP packet {tag}, which belongs in no public key")
        if (tag == _PUBLIC_KEY) == bool(keys):
            raise InvalidValueError("holds more than one primary key" if keys else "does not begin with a public key")
        if tag in {_PUBLIC_KEY, _PUBLIC_SUBKEY}:
            keys.append(_key_packet(body))
        elif tag == _USER_ID:
            user_ids.append(body.decode("utf-8", "replace"))
        elif tag == _SIGNATURE and len(keys) == 1:
            lifetime = max(lifetime, _unverified_lifetime(body))
    if not keys:
        raise InvalidValueError("holds no key")
    expires = datetime.fromtimestamp(keys[0].created.timestamp() + lifetime[1], UTC) if lifetime[1] else None
    return PublicKey(binary=binary, keys=tuple(keys), unverified_user_ids=tuple(user_ids), unverified_expires=expires)


def split_keyring(data: bytes) -> tuple[bytes, ...]:
    """Each public key of a binary keyring, as it stands there; an armored key is a keyring of one.

    `InvalidValueError` for anything else, and for more than `MAX_KEYS`. What is in a key is looked at by
    `parse_public_key`.
    """
    binary = dearmor(data)
    if len(binary) > MAX_KEY_BYTES:
        raise InvalidValueError(f"{len(binary)} bytes, more than {MAX_KEY_BYTES}")
    starts, position = [], 0
    for tag, body in read_packets(binary):
        _, body_at, _ = _header(binary, position)
        if tag == _PUBLIC_KEY:
            starts.append(position)
        position = body_at + len(body)
    if not starts or starts[0] != 0:
        raise InvalidValueError("does not begin with a public key")
    if len(starts) > MAX_KEYS:
        raise InvalidValueError(f"holds {len(starts)} keys, more than {MAX_KEYS}")
    return tuple(binary[start:end] for start, end in zip(starts, [*starts[1:], len(binary)], strict=True))


def check_single_signature(data: bytes, *, over_text: bool = False) -> None:
    """Refuse with `InvalidValueError` whatever is not one binary signature packet over binary data, and nothing else.

    With `over_text` it has to be one over text, as in a cleartext signature.

    Several signatures in one file, armor, compressed or literal data beside a signature: programs disagree about what
    these mean, so none reaches one.
    """
    if not data:
        raise InvalidValueError("empty")
    if len(data) > MAX_SIGNATURE_BYTES:
        raise InvalidValueError(f"{len(data)} bytes, more than {MAX_SIGNATURE_BYTES}")
    if not data[0] & 0x80:
        raise InvalidValueError("not a binary OpenPGP signature (armored ones are not taken)")
    packets = list(read_packets(data))
    if len(packets) != 1 or packets[0][0] != _SIGNATURE:
        raise InvalidValueError(f"{len(packets)} OpenPGP packets instead of one signature")
    body = packets[0][1]
    if body[:1] not in {b"\x04", b"\x05", b"\x06"}:
        raise InvalidValueError("a signature of an outdated or unknown version")
    if body[1:2] != (b"\x01" if over_text else b"\x00"):
        raise InvalidValueError(f"a signature over something else than {'text' if over_text else 'binary data'}")


def read_packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet. Every byte belongs to one; no partial or indeterminate lengths."""
    position = count = 0
    while position < len(data):
        count += 1
        if count > _MAX_PACKETS:
            raise InvalidValueError(f"more than {_MAX_PACKETS} OpenPGP packets")
        tag, position, length = _header(data, position)
        if length > len(data) - position:
            raise InvalidValueError("an OpenPGP packet is cut short")
        yield tag, data[position : position + length]
        position += length


def _header(data: bytes, position: int) -> tuple[int, int, int]:
    """Tag, where the body starts, and its length. RFC 9580 section 4.2."""
    first = data[position]
    if not first & 0x80:
        raise InvalidValueError("bytes that belong to no OpenPGP packet")
    if first & 0x40:
        length, width = read_length(data, position + 1)
        return first & 0x3F, position + 1 + width, length
    kind = first & 0x03
    if kind == 3:  # noqa: PLR2004 - indeterminate length
        raise InvalidValueError("an OpenPGP packet without a length")
    width = 1 << kind
    return (first >> 2) & 0x0F, position + 1 + width, read_integer(data, position + 1, width)


def read_length(data: bytes, position: int) -> tuple[int, int]:
    """A length in the new format, and how many bytes it takes; subpackets use it too."""
    first = read_integer(data, position, 1)
    if first < 192:  # noqa: PLR2004 - RFC 9580 section 4.2.1
        return first, 1
    if first < 224:  # noqa: PLR2004 - RFC 9580 section 4.2.1
        return ((first - 192) << 8) + read_integer(data, position + 1, 1) + 192, 2
    if first == 255:  # noqa: PLR2004 - RFC 9580 section 4.2.1
        return read_integer(data, position + 1, 4), 5
    raise InvalidValueError("an OpenPGP packet in parts")


def read_integer(data: bytes, position: int, width: int) -> int:
    """An integer of `width` bytes."""
    if position + width > len(data):
        raise InvalidValueError("an OpenPGP packet is cut short")
    return int.from_bytes(data[position : position + width], "big")


def _key_packet(body: bytes) -> KeyPacket:
    """Version, time, algorithm and fingerprint of a key. RFC 9580 sections 5.5.2 and 5.5.4."""
    version = read_integer(body, 0, 1)
    if version == 4:  # noqa: PLR2004 - the version of RFC 4880
        # The fingerprint of a version 4 key is SHA-1 by definition; nothing here signs with it.
        digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
        material = 6
    elif version in {5, 6}:
        prefix = b"\x9a" if version == 5 else b"\x9b"  # noqa: PLR2004 - GnuPG's own version
        digest = hashlib.sha256(prefix + len(body).to_bytes(4, "big") + body)
        material = 10
    else:
        raise InvalidValueError(f"a key of version {version}; versions 4 to 6 are read")
    algorithm = read_integer(body, 5, 1)
    return KeyPacket(
        fingerprint=digest.hexdigest(),
        created=datetime.fromtimestamp(read_integer(body, 1, 4), UTC),
        algorithm=algorithm,
        weakness=_weakness(algorithm, body, material),
    )


def _weakness(algorithm: int, body: bytes, material: int) -> str:
    if algorithm == _DSA_ALGORITHM:
        return "a DSA key"
    if algorithm in _RSA_ALGORITHMS and (bits := read_integer(body, material, 2)) < _MIN_RSA_BITS:
        return f"an RSA key of {bits} bits"
    return ""


def _unverified_lifetime(body: bytes) -> tuple[int, int]:
    """When a self-signature says it was made, and how many seconds the primary key lives; zeros where it says nothing.

    Broken subpackets are left to `gpgv`: this is for people to read.
    """
    if len(body) < 6 or body[0] not in {4, 5} or body[1] not in _SELF_SIGNATURE_CLASSES:  # noqa: PLR2004 - the head
        return (0, 0)
    created = lifetime = 0
    try:
        position, end = 6, 6 + read_integer(body, 4, 2)
        while position < end:
            length, width = read_length(body, position)
            kind = read_integer(body, position + width, 1) & 0x7F
            if kind == _SUBPACKET_CREATED:
                created = read_integer(body, position + width + 1, 4)
            elif kind == _SUBPACKET_KEY_LIFETIME:
                lifetime = read_integer(body, position + width + 1, 4)
            position += width + length
    except InvalidValueError:
        return (0, 0)
    return (created, lifetime)
