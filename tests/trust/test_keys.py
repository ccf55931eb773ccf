"""Signatures by plain keys, as cosign writes and reads them."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa, x25519
from support.policies import policy_text

from airgap_bundle.core.errors import InvalidValueError, TrustError, UsageError
from airgap_bundle.trust import keys
from airgap_bundle.trust.policy import parse_policy
from airgap_bundle.trust.policy_model import Method
from airgap_bundle.trust.signatures import check_signatures

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = b'{"name":"acme"}'


def private_pem(key: Any, passphrase: bytes | None = None) -> bytes:
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))


def public_pem(key: Any) -> bytes:
    public = key.public_key() if hasattr(key, "public_key") else key
    return bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return {
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p521": ec.generate_private_key(ec.SECP521R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "rsa": rsa.generate_private_key(65537, 2048),
    }


def refused(data: bytes, bundle: bytes, key: Any) -> None:
    with pytest.raises(TrustError) as caught:
        keys.verify(data, bundle, keys.read_public_key(public_pem(key)), name="x")
    assert caught.value.code == "AB-TRUST-BAD-SIGNATURE"


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "ed25519", "rsa"])
def test_each_kind_of_key_signs_and_verifies(made: dict[str, Any], kind: str) -> None:
    signed = keys.sign(DATA, private_pem(made[kind]))
    key = keys.read_public_key(public_pem(made[kind]))
    assert signed.fingerprint == key.fingerprint
    assert signed.name == f"key-{key.fingerprint[:16]}.sigstore.json"
    keys.verify(DATA, signed.data, key, name="x")
    refused(DATA + b" ", signed.data, made[kind])
    for other in made.values():
        if other is not made[kind]:
            refused(DATA, signed.data, other)


def test_the_fingerprint_is_that_of_the_spki(made: dict[str, Any]) -> None:
    spki = (
        made["p256"]
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    assert keys.read_public_key(public_pem(made["p256"])).fingerprint == hashlib.sha256(spki).hexdigest()


def test_the_file_has_the_shape_that_cosign_reads(made: dict[str, Any]) -> None:
    signed = keys.sign(DATA, private_pem(made["p256"]))
    document = json.loads(signed.data)
    assert document["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    hint = base64.b64decode(document["verificationMaterial"]["publicKey"]["hint"])
    assert hint.hex() == signed.fingerprint
    assert document["messageSignature"]["messageDigest"] == {
        "algorithm": "SHA2_256",
        "digest": base64.b64encode(hashlib.sha256(DATA).digest()).decode(),
    }


def test_an_encrypted_key_signs_with_its_passphrase_only(made: dict[str, Any]) -> None:
    pem = private_pem(made["p256"], b"secret")
    assert keys.sign(DATA, pem, passphrase=b"secret").data
    for passphrase in (None, b"wrong"):
        with pytest.raises(UsageError, match="private key"):
            keys.sign(DATA, pem, passphrase=passphrase)


def bundle_of(key: Any, signature: bytes, algorithm: str = "SHA2_256", digest: bytes | None = None) -> dict[str, Any]:
    content = hashlib.sha256(DATA).digest() if digest is None else digest
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "any"}, "tlogEntries": []},
        "messageSignature": {
            "messageDigest": {"algorithm": algorithm, "digest": base64.b64encode(content).decode()},
            "signature": base64.b64encode(signature).decode(),
        },
    }


def test_rsa_with_pss_is_taken_too(made: dict[str, Any]) -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    signature = made["rsa"].sign(DATA, pss, hashes.SHA256())
    bundle = json.dumps(bundle_of(made["rsa"], signature)).encode()
    keys.verify(DATA, bundle, keys.read_public_key(public_pem(made["rsa"])), name="x")


def test_a_signature_over_another_hash_than_the_file_says_is_refused(made: dict[str, Any]) -> None:
    signature = made["p256"].sign(DATA, ec.ECDSA(hashes.SHA384()))
    refused(DATA, json.dumps(bundle_of(made["p256"], signature)).encode(), made["p256"])


def test_a_right_digest_with_somebody_elses_signature_is_refused(made: dict[str, Any]) -> None:
    signature = made["p256"].sign(b"other", ec.ECDSA(hashes.SHA256()))
    refused(DATA, json.dumps(bundle_of(made["p256"], signature)).encode(), made["p256"])


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1"),
        lambda b: b.update(mediaType=3),
        lambda b: b.update(extra=1),
        lambda b: b.pop("messageSignature"),
        lambda b: b.update(messageSignature=[]),
        lambda b: b.update(dsseEnvelope={}),
        lambda b: b["verificationMaterial"].pop("publicKey"),
        lambda b: b["verificationMaterial"].update(certificate={}),
        lambda b: b["messageSignature"].update(signature="%"),
        lambda b: b["messageSignature"].update(signature=""),
        lambda b: b["messageSignature"].update(signature=1),
        lambda b: b["messageSignature"].update(signature="A" * 8000),
        lambda b: b["messageSignature"]["messageDigest"].update(algorithm="SHA1"),
        lambda b: b["messageSignature"]["messageDigest"].update(algorithm=["SHA2_256"]),
        lambda b: b["messageSignature"]["messageDigest"].update(digest=""),
        lambda b: b["messageSignature"]["messageDigest"].pop("digest"),
    ],
)
def test_a_file_of_another_shape_is_refused(made: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> None:
    bundle = bundle_of(made["p256"], made["p256"].sign(DATA, ec.ECDSA(hashes.SHA256())))
    change(bundle)
    refused(DATA, json.dumps(bundle).encode(), made["p256"])


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", b"\xff", b"{" * 70_000, b'{"mediaType":1,"mediaType":2}'])
def test_what_is_no_bundle_is_refused(made: dict[str, Any], raw: bytes) -> None:
    refused(DATA, raw, made["p256"])


def test_kinds_of_keys_that_are_too_weak_or_unknown_are_refused() -> None:
    for key in (
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - made to be refused
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.SECP224R1()),
        dsa.generate_private_key(1024),  # noqa: S505 - made to be refused
        x25519.X25519PrivateKey.generate(),
    ):
        with pytest.raises(InvalidValueError):
            keys.read_public_key(public_pem(key))
        with pytest.raises(UsageError):
            keys.sign(DATA, private_pem(key))


@pytest.mark.parametrize("pem", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\n", b"x" * 100_000])
def test_what_is_no_private_key_is_one_clear_error(pem: bytes) -> None:
    with pytest.raises(UsageError, match="not a private key") as caught:
        keys.sign(DATA, pem)
    assert caught.value.code == "AB-KEY-PRIVATE"


def test_a_signature_by_a_pinned_key_counts_and_by_another_does_not(made: dict[str, Any]) -> None:
    pem = public_pem(made["p256"]).decode().replace("\n", "\n      ")
    policy = parse_policy(policy_text(f"  hsm:\n    publicKey: |\n      {pem}\n", ""), "policy.yaml")
    signed, other = keys.sign(DATA, private_pem(made["p256"])), keys.sign(DATA, private_pem(made["p384"]))
    now = datetime.now(UTC)
    verdict = check_signatures(policy, DATA, [(signed.name, signed.data), (other.name, other.data)], now)
    assert [(item.signer, item.method, item.key) for item in verdict.counted] == [
        ("hsm", Method.KEY, signed.fingerprint)
    ]
    assert [item.code for item in verdict.uncounted] == ["AB-TRUST-UNKNOWN-SIGNER"]
    with pytest.raises(TrustError) as caught:
        check_signatures(policy, DATA, [(signed.name, other.data)], now)
    assert caught.value.code == "AB-TRUST-BAD-SIGNATURE"


def test_a_plain_key_can_be_revoked_by_its_digest(made: dict[str, Any]) -> None:
    pem = public_pem(made["p256"]).decode().replace("\n", "\n      ")
    signed = keys.sign(DATA, private_pem(made["p256"]))
    revoked = f"revoked: {{keys: [{{publicKey: {signed.fingerprint}}}]}}\n"
    policy = parse_policy(policy_text(f"  hsm:\n    publicKey: |\n      {pem}\n", revoked), "policy.yaml")
    with pytest.raises(TrustError) as caught:
        check_signatures(policy, DATA, [(signed.name, signed.data)], datetime.now(UTC))
    assert caught.value.code == "AB-TRUST-REVOKED-KEY"


@pytest.mark.parametrize("kind", ["p256", "rsa", "ed25519"])
def test_only_an_ed25519_signature_goes_without_a_hash_as_cosign_writes_it(made: dict[str, Any], kind: str) -> None:
    document = json.loads(keys.sign(DATA, private_pem(made[kind])).data)
    document["messageSignature"]["messageDigest"] = {}
    raw = json.dumps(document).encode()
    refused(DATA + b" ", raw, made[kind])
    if kind == "ed25519":
        keys.verify(DATA, raw, keys.read_public_key(public_pem(made[kind])), name="x")
    else:
        refused(DATA, raw, made[kind])
