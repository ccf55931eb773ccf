"""A local Sigstore for tests: Fulcio-like CA + CT log, Rekor v1 and v2-like logs, RFC 3161 TSA.

Own code; needs only `cryptography` and the standard library. Nothing here talks to the network:
`FakeSigstore().sign_blob(...)` gives a v0.3 bundle in-process, and `with FakeSigstore().serve()` puts the
same services on loopback so that an unmodified sigstore-python / cosign can sign against them.

    fs = FakeSigstore()
    bundle = fs.sign_blob(b"data", identity="ci@example.test", issuer="https://issuer.test")
    root = fs.trusted_root_json()             # -> sigstore.models.TrustedRoot.from_file(path)
"""

# ruff: noqa: FBT001, FBT002, FBT003 - the x509 builders take criticality by position
from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import json
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator

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


class FakeSigstore:
    def __init__(self, *, now: Any = None, cert_minutes: int = 10) -> None:
        self.clock = now or (lambda: dt.datetime.now(UTC))
        self.cert_minutes = cert_minutes
        self.start = self.clock().replace(microsecond=0) - dt.timedelta(days=30)
        self.url = "http://127.0.0.1"  # replaced by serve()
        # Fulcio: root -> intermediate -> leaf, as on the public instance
        self.root_key, self.int_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
        self.root = self._ca("fake-fulcio-root", self.root_key, None, None)
        self.intermediate = self._ca("fake-fulcio-intermediate", self.int_key, self.root, self.root_key)
        self.ct_key = ec.generate_private_key(ec.SECP256R1())
        self.ct_id = hashlib.sha256(spki(self.ct_key)).digest()
        # TSA: root -> signer
        self.tsa_root_key, self.tsa_key = (
            ec.generate_private_key(ec.SECP256R1()),
            ec.generate_private_key(ec.SECP256R1()),
        )
        self.tsa_root = self._ca("fake-tsa-root", self.tsa_root_key, None, None)
        self.tsa_cert = self._tsa_cert()
        self._serial = 0
        # Rekor v1: ECDSA P-256, log id = sha256(SPKI); Rekor v2: Ed25519, id per the signed-note key hash
        k1, k2 = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
        self.tree_id = "1193050959916656506"
        self.rekor1 = Log(f"rekor.fake.test - {self.tree_id}", k1, "rekor.fake.test", hashlib.sha256(spki(k1)).digest())
        raw = k2.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        name = "log2.rekor.fake.test"
        self.rekor2 = Log(name, k2, name, hashlib.sha256(name.encode() + b"\n\x01" + raw).digest())

    # ------------------------------------------------------------ certificates
    def _ca(self, cn: str, key: Any, issuer: x509.Certificate | None, issuer_key: Any) -> x509.Certificate:
        name = x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "fake.test"), x509.NameAttribute(NameOID.COMMON_NAME, cn)]
        )
        issuer_key = issuer_key or key
        b = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer.subject if issuer else name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.start)
            .not_valid_after(self.start + dt.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(True, 0 if issuer else 1), True)
            .add_extension(self._usage(sign=False), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        if issuer:
            b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
            b = b.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)
        return b.sign(issuer_key, hashes.SHA384() if isinstance(issuer_key.curve, ec.SECP384R1) else hashes.SHA256())

    @staticmethod
    def _usage(sign: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=sign,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=not sign,
            crl_sign=not sign,
            encipher_only=False,
            decipher_only=False,
        )

    def _tsa_cert(self) -> x509.Certificate:
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "fake.test"),
                x509.NameAttribute(NameOID.COMMON_NAME, "fake-tsa"),
            ]
        )
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.tsa_root.subject)
            .public_key(self.tsa_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.start)
            .not_valid_after(self.start + dt.timedelta(days=3600))
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(self._usage(sign=True), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.tsa_key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.tsa_root_key.public_key()), False)
            .sign(self.tsa_root_key, hashes.SHA256())
        )

    def issue_cert(
        self,
        public_key: Any,
        identity: str,
        issuer: str,
        *,
        not_before: dt.datetime | None = None,
        sct: bool = True,
        claims: dict[str, str] | None = None,
    ) -> x509.Certificate:
        """A Fulcio-profile leaf: critical SAN, codeSigning, issuer OIDs, one embedded SCT."""
        start = (not_before or self.clock()).replace(microsecond=0)
        san: x509.GeneralName = (
            x509.RFC822Name(identity)
            if "@" in identity and "/" not in identity
            else x509.UniformResourceIdentifier(identity)
        )
        b = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.intermediate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + dt.timedelta(minutes=self.cert_minutes))
            .add_extension(self._usage(sign=True), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.int_key.public_key()), False)
            .add_extension(x509.SubjectAlternativeName([san]), True)
            .add_extension(x509.UnrecognizedExtension(OID_FULCIO_ISSUER_V1, issuer.encode()), False)
            .add_extension(x509.UnrecognizedExtension(OID_FULCIO_ISSUER_V2, tlv(0x0C, issuer.encode())), False)
        )
        for dotted, value in (claims or {}).items():  # e.g. {"1.3.6.1.4.1.57264.1.12": "https://github.com/org/repo"}
            b = b.add_extension(
                x509.UnrecognizedExtension(x509.ObjectIdentifier(dotted), tlv(0x0C, value.encode())), False
            )
        if sct:
            # The CT log signs the TBS without its SCT list (RFC 6962 3.2), bound to the issuer's key.
            tbs = b.sign(self.int_key, hashes.SHA384()).tbs_certificate_bytes
            ms = int(start.timestamp() * 1000)
            signed = (
                struct.pack("!BBQH", 0, 0, ms, 1)
                + hashlib.sha256(spki(self.int_key)).digest()
                + len(tbs).to_bytes(3, "big")
                + tbs
                + b"\x00\x00"
            )
            sig = self.ct_key.sign(signed, ec.ECDSA(hashes.SHA256()))
            one = b"\x00" + self.ct_id + struct.pack("!QH", ms, 0) + b"\x04\x03" + struct.pack("!H", len(sig)) + sig
            lst = struct.pack("!HH", len(one) + 2, len(one)) + one
            b = b.add_extension(x509.UnrecognizedExtension(OID_SCT_LIST, octets(lst)), False)
        return b.sign(self.int_key, hashes.SHA384())

    # ------------------------------------------------------------ RFC 3161
    def timestamp(self, request_der: bytes) -> bytes:
        """TimeStampReq -> TimeStampResp (granted)."""
        ((_, body),) = der_items(request_der)
        items = der_items(body)
        imprint = tlv(0x30, items[1][1])
        nonce = next((c for t, c in items[2:] if t == 2), None)
        return self._tst(imprint, nonce)

    def timestamp_over(self, data: bytes) -> bytes:
        return self._tst(
            seq(seq(oid("2.16.840.1.101.3.4.2.1"), b"\x05\x00"), octets(hashlib.sha256(data).digest())), None
        )

    def _tst(self, imprint: bytes, nonce: bytes | None) -> bytes:
        self._serial += 1
        sha256 = seq(oid("2.16.840.1.101.3.4.2.1"))
        gen = self.clock().astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode()
        info = seq(
            integer(1),
            oid("1.3.6.1.4.1.57264.2"),
            imprint,
            integer(self._serial),
            tlv(0x18, gen),
            *([tlv(2, nonce)] if nonce is not None else []),
        )
        der = cert_der(self.tsa_cert)
        ess = seq(seq(seq(octets(hashlib.sha256(der).digest()))))
        attrs = [
            seq(oid("1.2.840.113549.1.9.3"), set_of(oid("1.2.840.113549.1.9.16.1.4"))),
            seq(oid("1.2.840.113549.1.9.5"), set_of(tlv(0x17, gen[2:]))),
            seq(oid("1.2.840.113549.1.9.4"), set_of(octets(hashlib.sha256(info).digest()))),
            seq(oid("1.2.840.113549.1.9.16.2.47"), set_of(ess)),
        ]
        sig = self.tsa_key.sign(set_of(*attrs), ec.ECDSA(hashes.SHA256()))
        signer = seq(
            integer(1),
            seq(self.tsa_cert.issuer.public_bytes(), integer(self.tsa_cert.serial_number)),
            sha256,
            b"\xa0" + set_of(*attrs)[1:],
            seq(oid("1.2.840.10045.4.3.2")),
            octets(sig),
        )
        data = seq(
            integer(3),
            tlv(0x31, sha256),
            seq(oid("1.2.840.113549.1.9.16.1.4"), tlv(0xA0, octets(info))),
            tlv(0xA0, der),
            tlv(0x31, signer),
        )
        return seq(seq(integer(0)), seq(oid("1.2.840.113549.1.7.2"), tlv(0xA0, data)))

    # ------------------------------------------------------------ logs
    def rekor_v1_add(self, proposed: dict[str, Any]) -> dict[str, Any]:
        """POST /api/v1/log/entries: proposed entry -> {uuid: entry}."""
        if proposed["kind"] == "dsse" and "proposedContent" in proposed["spec"]:
            pc = proposed["spec"]["proposedContent"]
            env = json.loads(pc["envelope"])
            proposed = {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": {
                        "algorithm": "sha256",
                        "value": hashlib.sha256(pc["envelope"].encode()).hexdigest(),
                    },
                    "payloadHash": {
                        "algorithm": "sha256",
                        "value": hashlib.sha256(base64.b64decode(env["payload"])).hexdigest(),
                    },
                    "signatures": [{"signature": s["sig"], "verifier": pc["verifiers"][0]} for s in env["signatures"]],
                },
            }
        body = canonical(proposed)
        e = self.rekor1.append(body)
        entry = {
            "body": b64(body),
            "integratedTime": int(self.clock().timestamp()),
            "logID": self.rekor1.key_id.hex(),
            "logIndex": e["index"],
        }
        set_sig = self.rekor1.sign(canonical(entry))
        entry["verification"] = {
            "signedEntryTimestamp": b64(set_sig),
            "inclusionProof": {
                "checkpoint": e["checkpoint"],
                "hashes": [h.hex() for h in e["path"]],
                "logIndex": e["index"],
                "rootHash": e["root"].hex(),
                "treeSize": e["size"],
            },
        }
        return {f"{int(self.tree_id):016x}{leaf_hash(body).hex()}": entry}

    def rekor_v2_add(self, request: dict[str, Any]) -> dict[str, Any]:
        """POST /api/v2/log/entries: hashedRekordRequestV002 -> TransparencyLogEntry."""
        r = request["hashedRekordRequestV002"]
        body = canonical(
            {
                "apiVersion": "0.0.2",
                "kind": "hashedrekord",
                "spec": {
                    "hashedRekordV002": {
                        "data": {"algorithm": "SHA2_256", "digest": r["digest"]},
                        "signature": r["signature"],
                    }
                },
            }
        )
        e = self.rekor2.append(body)
        return {
            "logIndex": str(e["index"]),
            "logId": {"keyId": b64(self.rekor2.key_id)},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "inclusionProof": {
                "logIndex": str(e["index"]),
                "rootHash": b64(e["root"]),
                "treeSize": str(e["size"]),
                "hashes": [b64(h) for h in e["path"]],
                "checkpoint": {"envelope": e["checkpoint"]},
            },
            "canonicalizedBody": b64(body),
        }

    @staticmethod
    def v1_to_tlog_entry(response: dict[str, Any]) -> dict[str, Any]:
        (entry,) = response.values()
        proof = entry["verification"]["inclusionProof"]
        body = json.loads(base64.b64decode(entry["body"]))
        return {
            "logIndex": str(entry["logIndex"]),
            "logId": {"keyId": b64(bytes.fromhex(entry["logID"]))},
            "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
            "integratedTime": str(entry["integratedTime"]),
            "inclusionPromise": {"signedEntryTimestamp": entry["verification"]["signedEntryTimestamp"]},
            "inclusionProof": {
                "logIndex": str(proof["logIndex"]),
                "rootHash": b64(bytes.fromhex(proof["rootHash"])),
                "treeSize": str(proof["treeSize"]),
                "hashes": [b64(bytes.fromhex(h)) for h in proof["hashes"]],
                "checkpoint": {"envelope": proof["checkpoint"]},
            },
            "canonicalizedBody": entry["body"],
        }

    # ------------------------------------------------------------ bundles
    def sign_blob(
        self,
        data: bytes | None = None,
        *,
        digest: bytes | None = None,
        identity: str,
        issuer: str,
        rekor: int = 1,
        tsa: bool | None = None,
        **cert_args: Any,
    ) -> str:
        digest = digest or hashlib.sha256(data or b"").digest()
        key = ec.generate_private_key(ec.SECP256R1())
        sig = key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        cert = self.issue_cert(key.public_key(), identity, issuer, **cert_args)
        return self._bundle(
            cert,
            digest,
            sig,
            rekor,
            tsa,
            {
                "messageSignature": {
                    "messageDigest": {"algorithm": "SHA2_256", "digest": b64(digest)},
                    "signature": b64(sig),
                }
            },
        )

    def sign_statement(
        self,
        statement: dict[str, Any],
        *,
        identity: str,
        issuer: str,
        rekor: int = 1,
        tsa: bool | None = None,
        **cert_args: Any,
    ) -> str:
        payload = json.dumps(statement, separators=(",", ":")).encode()
        key = ec.generate_private_key(ec.SECP256R1())
        message = pae(INTOTO, payload)
        sig = key.sign(message, ec.ECDSA(hashes.SHA256()))
        cert = self.issue_cert(key.public_key(), identity, issuer, **cert_args)
        env = {"payload": b64(payload), "payloadType": INTOTO, "signatures": [{"sig": b64(sig)}]}
        return self._bundle(cert, hashlib.sha256(message).digest(), sig, rekor, tsa, {"dsseEnvelope": env})

    def _bundle(
        self, cert: x509.Certificate, digest: bytes, sig: bytes, rekor: int, tsa: bool | None, content: dict[str, Any]
    ) -> str:
        if rekor == 1:
            if env := content.get("dsseEnvelope"):
                proposed = {
                    "apiVersion": "0.0.1",
                    "kind": "dsse",
                    "spec": {"proposedContent": {"envelope": json.dumps(env), "verifiers": [b64(cert_pem(cert))]}},
                }
            else:
                proposed = {
                    "apiVersion": "0.0.1",
                    "kind": "hashedrekord",
                    "spec": {
                        "data": {"hash": {"algorithm": "sha256", "value": digest.hex()}},
                        "signature": {"content": b64(sig), "publicKey": {"content": b64(cert_pem(cert))}},
                    },
                }
            entry = self.v1_to_tlog_entry(self.rekor_v1_add(proposed))
        else:
            entry = self.rekor_v2_add(
                {
                    "hashedRekordRequestV002": {
                        "digest": b64(digest),
                        "signature": {
                            "content": b64(sig),
                            "verifier": {
                                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                                "x509Certificate": {"rawBytes": b64(cert_der(cert))},
                            },
                        },
                    }
                }
            )
        material: dict[str, Any] = {"certificate": {"rawBytes": b64(cert_der(cert))}, "tlogEntries": [entry]}
        if tsa if tsa is not None else rekor == 2:
            material["timestampVerificationData"] = {
                "rfc3161Timestamps": [{"signedTimestamp": b64(self.timestamp_over(sig))}]
            }
        return json.dumps({"mediaType": BUNDLE_V03, "verificationMaterial": material, **content})

    # ------------------------------------------------------------ trust material
    def trusted_root(self) -> dict[str, Any]:
        since = {"start": rfc3339(self.start)}

        def log(url: str, key: Any, key_id: bytes, details: str) -> dict[str, Any]:
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "logId": {"keyId": b64(key_id)},
                "publicKey": {"rawBytes": b64(spki(key)), "keyDetails": details, "validFor": since},
            }

        def ca(uri: str, cn: str, *chain: x509.Certificate) -> dict[str, Any]:
            return {
                "subject": {"organization": "fake.test", "commonName": cn},
                "uri": uri,
                "validFor": since,
                "certChain": {"certificates": [{"rawBytes": b64(cert_der(c))} for c in chain]},
            }

        return {
            "mediaType": ROOT_V01,
            "tlogs": [
                log("https://rekor.fake.test", self.rekor1.key, self.rekor1.key_id, "PKIX_ECDSA_P256_SHA_256"),
                log("https://log2.rekor.fake.test", self.rekor2.key, self.rekor2.key_id, "PKIX_ED25519"),
            ],
            "certificateAuthorities": [
                ca("https://fulcio.fake.test", "fake-fulcio-root", self.intermediate, self.root)
            ],
            "ctlogs": [log("https://ctfe.fake.test", self.ct_key, self.ct_id, "PKIX_ECDSA_P256_SHA_256")],
            "timestampAuthorities": [ca("https://tsa.fake.test", "fake-tsa-root", self.tsa_cert, self.tsa_root)],
        }

    def trusted_root_json(self) -> str:
        return json.dumps(self.trusted_root(), indent=1)

    def signing_config(self, rekor: int = 1, tsa: bool = True) -> dict[str, Any]:
        def svc(url: str, major: int = 1) -> dict[str, Any]:
            return {
                "url": url,
                "majorApiVersion": major,
                "operator": "fake.test",
                "validFor": {"start": rfc3339(self.start)},
            }

        return {
            "mediaType": SIGNCFG_V02,
            "caUrls": [svc(self.url)],
            "oidcUrls": [svc(self.url + "/auth")],
            "rekorTlogUrls": [svc(self.url, rekor)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [svc(self.url + "/api/v1/timestamp")] if tsa else [],
            "tsaConfig": {"selector": "ANY"},
        }

    def client_trust_config_json(self, rekor: int = 1, tsa: bool = True) -> str:
        return json.dumps(
            {
                "mediaType": CLIENTCFG_V01,
                "trustedRoot": self.trusted_root(),
                "signingConfig": self.signing_config(rekor, tsa),
            }
        )

    def id_token(self, identity: str, issuer: str, *, seconds: int = 300, **claims: Any) -> str:
        """A JWT of the right shape. Nobody here checks its signature (clients never do)."""
        now = int(self.clock().timestamp())
        body = {"iss": issuer, "sub": identity, "aud": "sigstore", "iat": now, "exp": now + seconds, **claims}
        if "@" in identity:
            body.setdefault("email", identity)
            body.setdefault("email_verified", True)

        def enc(o: Any) -> str:
            return base64.urlsafe_b64encode(canonical(o)).rstrip(b"=").decode()

        head = f"{enc({'alg': 'ES256', 'typ': 'JWT'})}.{enc(body)}"
        der = self.ct_key.sign(head.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(der)
        return f"{head}.{base64.urlsafe_b64encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big')).rstrip(b'=').decode()}"

    # ------------------------------------------------------------ loopback services
    def fulcio_signing_cert(self, request: dict[str, Any], token: str) -> dict[str, Any]:
        token = token or request.get("credentials", {}).get("oidcIdentityToken", "")
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if claims["exp"] < self.clock().timestamp():
            raise ValueError("expired token")
        if csr := request.get("certificateSigningRequest"):
            public_key = x509.load_pem_x509_csr(base64.b64decode(csr)).public_key()
        else:
            public_key = serialization.load_pem_public_key(request["publicKeyRequest"]["publicKey"]["content"].encode())
        leaf = self.issue_cert(public_key, claims.get("email", claims["sub"]), claims["iss"])
        return {
            "signedCertificateEmbeddedSct": {
                "chain": {"certificates": [cert_pem(c).decode() for c in (leaf, self.intermediate, self.root)]}
            }
        }

    @contextlib.contextmanager
    def serve(self, host: str = "127.0.0.1", port: int = 0) -> Iterator[FakeSigstore]:  # noqa: C901 - one small server with all its services
        fs = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *a: Any) -> None:
                pass

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
                try:
                    if self.path == "/api/v2/signingCert":
                        self._reply(200, fs.fulcio_signing_cert(json.loads(raw), token))
                    elif self.path == "/api/v1/log/entries":
                        added = fs.rekor_v1_add(json.loads(raw))
                        uuid = next(iter(added))  # sigstore-go finds the entry by the ETag
                        self._reply(201, added, headers={"ETag": uuid, "Location": f"{self.path}/{uuid}"})
                    elif self.path == "/api/v2/log/entries":
                        self._reply(201, fs.rekor_v2_add(json.loads(raw)))
                    elif self.path == "/api/v1/timestamp":
                        self._reply(201, fs.timestamp(raw), "application/timestamp-reply")
                    else:
                        self._reply(404, {"code": 404, "message": self.path})
                except Exception as e:  # a test server: say why  # noqa: BLE001 - whatever went wrong is the client's answer
                    self._reply(400, {"code": 400, "message": repr(e)})

            def do_GET(self) -> None:
                if self.path == "/api/v2/trustBundle":
                    self._reply(
                        200, {"chains": [{"certificates": [cert_pem(c).decode() for c in (fs.intermediate, fs.root)]}]}
                    )
                else:
                    self._reply(404, {"code": 404, "message": self.path})

            def _reply(
                self, code: int, obj: Any, ctype: str = "application/json", headers: dict[str, str] | None = None
            ) -> None:
                body = obj if isinstance(obj, bytes) else json.dumps(obj).encode()
                self.send_response(code)
                self.send_header("Content-Type", ctype)
                self.send_header("Content-Length", str(len(body)))
                for k, v in (headers or {}).items():
                    self.send_header(k, v)
                self.end_headers()
                self.wfile.write(body)

        srv = ThreadingHTTPServer((host, port), Handler)
        srv.daemon_threads = True
        self.url = f"http://{host}:{srv.server_port}"
        t = threading.Thread(target=srv.serve_forever, args=(0.05,), daemon=True)
        t.start()
        try:
            yield self
        finally:
            srv.shutdown()
            srv.server_close()
            t.join(5)


if __name__ == "__main__":  # write a trust root, a blob and its bundle in a directory
    import pathlib
    import sys

    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    out.mkdir(parents=True, exist_ok=True)
    fs = FakeSigstore()
    (out / "trusted_root.json").write_text(fs.trusted_root_json())
    blob = b"airgap bundle index\n" * 100
    (out / "blob").write_bytes(blob)
    who = {"identity": "release@example.test", "issuer": "https://issuer.example.test"}
    t0 = time.perf_counter()
    (out / "v1.sigstore.json").write_text(fs.sign_blob(blob, **who))
    (out / "v2.sigstore.json").write_text(fs.sign_blob(blob, rekor=2, **who))
