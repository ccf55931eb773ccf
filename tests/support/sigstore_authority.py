"""Certificates and timestamps of the local Sigstore: a CA with a CT log, and an RFC 3161 authority."""

# ruff: noqa: FBT001, FBT003 - the x509 builders take criticality by position
from __future__ import annotations

import datetime as dt
import hashlib
import struct
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.sigstore_codec import (
    OID_FULCIO_ISSUER_V1,
    OID_FULCIO_ISSUER_V2,
    OID_SCT_LIST,
    UTC,
    Log,
    cert_der,
    der_items,
    integer,
    octets,
    oid,
    seq,
    set_of,
    spki,
    tlv,
)


class Authority:
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
