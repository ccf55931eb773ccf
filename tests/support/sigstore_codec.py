"""Codecs of the local Sigstore: DER, RFC 3339, DSSE, and the Merkle tree of RFC 6962."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

UTC = dt.UTC
BUNDLE_V03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
ROOT_V01 = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
SIGNCFG_V02 = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
CLIENTCFG_V01 = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
INTOTO = "application/vnd.in-toto+json"
OID_FULCIO_ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
OID_FULCIO_ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
OID_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


# ---------------------------------------------------------------- small codecs
def b64(b: bytes) -> str:
    return base64.b64encode(b).decode()


def canonical(obj: Any) -> bytes:
    """RFC 8785 for the subset used here (ASCII keys, strings, ints)."""
    return json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    n = len(body)
    if n < 0x80:
        return bytes((tag, n)) + body
    size = (n.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + n.to_bytes(size, "big") + body


def seq(*p: bytes) -> bytes:
    return tlv(0x30, *p)


def set_of(*p: bytes) -> bytes:
    return tlv(0x31, *sorted(p))


def integer(n: int) -> bytes:
    return tlv(2, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))


def octets(b: bytes) -> bytes:
    return tlv(4, b)


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(x) for x in dotted.split("."))
    out = bytearray([first * 40 + second])
    for n in rest:
        chunk = [n & 0x7F]
        while n := n >> 7:
            chunk.append(0x80 | (n & 0x7F))
        out += bytes(reversed(chunk))
    return tlv(6, bytes(out))


def der_items(b: bytes) -> list[tuple[int, bytes]]:
    """Split the content of a constructed value in (tag, content) pairs."""
    out, i = [], 0
    while i < len(b):
        tag, n, i = b[i], b[i + 1], i + 2
        if n & 0x80:
            k = n & 0x7F
            n, i = int.from_bytes(b[i : i + k], "big"), i + k
        out.append((tag, b[i : i + n]))
        i += n
    return out


def spki(key: Any) -> bytes:
    pub = key.public_key() if hasattr(key, "public_key") else key
    return pub.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def cert_der(c: x509.Certificate) -> bytes:
    return c.public_bytes(serialization.Encoding.DER)


def cert_pem(c: x509.Certificate) -> bytes:
    return c.public_bytes(serialization.Encoding.PEM)


def rfc3339(t: dt.datetime) -> str:
    return t.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pae(payload_type: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


# ---------------------------------------------------------------- RFC 6962 tree
def leaf_hash(b: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + b).digest()


def tree_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree_root(leaves[:k]) + tree_root(leaves[k:])).digest()


def tree_path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) <= 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m < k:
        return [*tree_path(m, leaves[:k]), tree_root(leaves[k:])]
    return [*tree_path(m - k, leaves[k:]), tree_root(leaves[:k])]


@dataclass
class Log:
    """An append-only log with a signed-note checkpoint: ECDSA (Rekor v1) or Ed25519 (Rekor v2)."""

    origin: str
    key: Any
    note_name: str
    key_id: bytes
    # One genesis leaf: protojson writers (cosign) leave out a zero logIndex and an empty proof, and
    # sigstore-python's strict models then refuse the bundle.
    leaves: list[bytes] = field(default_factory=lambda: [leaf_hash(b"genesis")])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(data)
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def append(self, body: bytes) -> dict[str, Any]:
        with self.lock:
            self.leaves.append(leaf_hash(body))
            index, size = len(self.leaves) - 1, len(self.leaves)
            root, path = tree_root(self.leaves), tree_path(index, self.leaves)
        note = f"{self.origin}\n{size}\n{b64(root)}\n"
        sig = self.key_id[:4] + self.sign(note.encode())
        return {
            "index": index,
            "size": size,
            "root": root,
            "path": path,
            "checkpoint": f"{note}\n\u2014 {self.note_name} {b64(sig)}\n",
        }
