"""Signatures over images as cosign leaves them in a registry, made with keys of a test or a Sigstore of our own."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from support.content import ImageContent, pointer
from support.images import SIGSTORE_BUNDLE, SIMPLE_SIGNING

from airgap_bundle.core.content import Digest
from airgap_bundle.core.oci import OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST, Document, parse_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from support.fake_sigstore import FakeSigstore

SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1"
IN_TOTO = "application/vnd.in-toto+json"


def public_pem(key: Any) -> bytes:
    """What a publisher hands out as cosign.pub."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))


def raw_signature(key: Any, data: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    """A bare signature, by default over SHA-256."""
    algorithm = algorithm or hashes.SHA256()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), algorithm)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(data, ec.ECDSA(algorithm))


def payload(digest: str, kind: str = "cosign container image signature") -> bytes:
    """What cosign signs."""
    value = {
        "critical": {
            "identity": {"docker-reference": "registry.example/app"},
            "image": {"docker-manifest-digest": digest},
            "type": kind,
        },
        "optional": None,
    }
    return json.dumps(value, separators=(",", ":")).encode()


def key_notes(key: Any, content: bytes, algorithm: hashes.HashAlgorithm | None = None) -> dict[str, str]:
    """The annotations of a payload signed with a key."""
    return {"dev.cosignproject.cosign/signature": _base64(raw_signature(key, content, algorithm))}


def keyless_notes(sigstore: FakeSigstore, content: bytes, **who: Any) -> dict[str, str]:
    """The annotations of a payload signed without a key: certificate, and the log's promise without a proof."""
    bundle = json.loads(sigstore.sign_blob(content, **who))
    material = bundle["verificationMaterial"]
    entry = material["tlogEntries"][0]
    log = {
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": int(entry["integratedTime"]),
            "logIndex": int(entry["logIndex"]),
            "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
        },
    }
    certificate = material["certificate"]["rawBytes"]
    return {
        "dev.cosignproject.cosign/signature": bundle["messageSignature"]["signature"],
        "dev.sigstore.cosign/certificate": f"-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n",
        "dev.sigstore.cosign/bundle": json.dumps(log),
    }


def beside(subject: Digest) -> str:
    """The tag of a signature."""
    return f"sha256-{subject.encoded}.sig"


def signature_image(*layers: tuple[bytes, Mapping[str, str]]) -> ImageContent:
    """What lies under that tag: payloads with their annotations."""
    return _image(OCI_CONFIG, b'{"rootfs":{}}', [(SIMPLE_SIGNING, data, notes) for data, notes in layers])


def bundle_referrer(subject: Document, bundle: bytes, predicate: str = SIGN_PREDICATE) -> ImageContent:
    """A Sigstore bundle attached to an image, as cosign 3 writes it."""
    more = {
        "artifactType": SIGSTORE_BUNDLE,
        "subject": pointer(subject),
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": predicate,
        },
    }
    return _image(OCI_EMPTY, b"{}", [(SIGSTORE_BUNDLE, bundle, {})], more)


def statement(digest: Digest, predicate: str = SIGN_PREDICATE) -> dict[str, Any]:
    """An in-toto statement that signs an image."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "", "digest": {"sha256": digest.encoded}}],
        "predicateType": predicate,
        "predicate": {},
    }


def envelope_by_key(key: Any, content: bytes, kind: str = IN_TOTO) -> bytes:
    """A Sigstore bundle with an envelope that a key signed."""
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(content), content)
    signatures = [{"sig": _base64(raw_signature(key, message)), "keyid": ""}]
    return _bundle(key, {"dsseEnvelope": {"payload": _base64(content), "payloadType": kind, "signatures": signatures}})


def message_by_key(key: Any, data: bytes) -> bytes:
    """A Sigstore bundle with a signature over `data`."""
    digest = {"algorithm": "SHA2_256", "digest": _base64(hashlib.sha256(data).digest())}
    return _bundle(key, {"messageSignature": {"messageDigest": digest, "signature": _base64(raw_signature(key, data))}})


def _bundle(key: Any, content: Mapping[str, Any]) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    spki = key.public_key().public_bytes(serialization.Encoding.DER, form)
    hint = _base64(hashlib.sha256(spki).digest())
    material = {"publicKey": {"hint": hint}, "tlogEntries": []}
    return json.dumps({"mediaType": SIGSTORE_BUNDLE, "verificationMaterial": material, **content}).encode()


def _image(
    config_type: str,
    config: bytes,
    layers: Sequence[tuple[str, bytes, Mapping[str, str]]],
    more: Mapping[str, Any] | None = None,
) -> ImageContent:
    value = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": config_type, "digest": Digest.of(config), "size": len(config)},
        "layers": [
            {"mediaType": kind, "digest": Digest.of(data), "size": len(data), "annotations": dict(notes)}
            for kind, data, notes in layers
        ],
        **(more or {}),
    }
    root = parse_document(json.dumps(value).encode(), OCI_MANIFEST)
    blobs = {Digest.of(data): data for data in (config, *(data for _, data, _ in layers))}
    return ImageContent(root=root, documents=(root,), blobs=blobs)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
