"""OpenPGP keys and signatures made byte by byte, with contents that gpg itself refuses to write."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ED25519_OID = bytes.fromhex("092b06010401da470f01")
_CREATED = 1_700_000_000


def packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + struct.pack(">I", len(body)) + body


def subpacket(kind: int, body: bytes) -> bytes:
    return b"\xff" + struct.pack(">I", len(body) + 1) + bytes([kind]) + body


def notation(name: bytes, value: bytes) -> bytes:
    return subpacket(20, b"\x80\x00\x00\x00" + struct.pack(">HH", len(name), len(value)) + name + value)


def _mpi(data: bytes) -> bytes:
    number = int.from_bytes(data, "big")
    return struct.pack(">H", number.bit_length()) + number.to_bytes((number.bit_length() + 7) // 8, "big")


@dataclass
class HandmadeKey:
    """An Ed25519 key with one user id of any bytes."""

    user_id: bytes = b"Handmade <handmade@example.com>"
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def body(self) -> bytes:
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return b"\x04" + struct.pack(">I", _CREATED) + b"\x16" + _ED25519_OID + _mpi(b"\x40" + public)

    @property
    def hashed_body(self) -> bytes:
        return b"\x99" + struct.pack(">H", len(self.body)) + self.body

    @property
    def fingerprint(self) -> str:
        return hashlib.sha1(self.hashed_body, usedforsecurity=False).hexdigest()

    @property
    def public_key(self) -> bytes:
        certified = self.hashed_body + b"\xb4" + struct.pack(">I", len(self.user_id)) + self.user_id
        flags = subpacket(27, b"\x03")
        return packet(6, self.body) + packet(13, self.user_id) + self.signature(certified, kind=0x13, extra=flags)

    def signature(self, data: bytes, *, kind: int = 0, extra: bytes = b"", at: int = _CREATED + 60) -> bytes:
        """A signature packet of version 4, with more subpackets in its signed part."""
        hashed = subpacket(2, struct.pack(">I", at)) + subpacket(33, b"\x04" + bytes.fromhex(self.fingerprint)) + extra
        head = bytes([4, kind, 22, 8]) + struct.pack(">H", len(hashed)) + hashed
        digest = hashlib.sha256(data + head + b"\x04\xff" + struct.pack(">I", len(head))).digest()
        made = self.private.sign(digest)
        unhashed = subpacket(16, bytes.fromhex(self.fingerprint)[-8:])
        tail = struct.pack(">H", len(unhashed)) + unhashed + digest[:2] + _mpi(made[:32]) + _mpi(made[32:])
        return packet(2, head + tail)
