"""Keyless signatures: a Sigstore of our own signs, sigstore verifies offline against its pinned root."""

from __future__ import annotations

import datetime as dt
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.fake_sigstore import FakeSigstore
from support.policies import policy_text

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError, TrustError, UsageError
from airgap_bundle.trust import keyless, keys
from airgap_bundle.trust.policy import parse_policy
from airgap_bundle.trust.policy_files import load_policy
from airgap_bundle.trust.policy_model import KeylessIdentity, Method
from airgap_bundle.trust.signatures import check_signatures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DATA = b'{"name":"acme"}'
IDENTITY = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
ISSUER = "https://token.actions.example"
NAME = keyless.file_name(ISSUER, IDENTITY)
PATTERN = r"^https://github\.com/acme/app/\.github/workflows/[a-z]+\.yml@refs/heads/main$"
NOW = dt.datetime.now(dt.UTC)


def who(identity: str = IDENTITY, issuer: str = ISSUER, pattern: str = "") -> KeylessIdentity:
    return KeylessIdentity(
        identity="" if pattern else identity,
        identity_pattern=pattern,
        issuer=issuer,
        trusted_root_file="root.json",
        trusted_root_digest=Digest.of(b""),
    )


@pytest.fixture(scope="module")
def sigstore() -> FakeSigstore:
    return FakeSigstore()


@pytest.fixture(scope="module")
def root(sigstore: FakeSigstore) -> bytes:
    return sigstore.trusted_root_json().encode()


@pytest.fixture(scope="module")
def bundle(sigstore: FakeSigstore) -> bytes:
    return sigstore.sign_blob(DATA, identity=IDENTITY, issuer=ISSUER).encode()


def refused(data: bytes, bundle: bytes, asked: KeylessIdentity, root: bytes) -> None:
    with pytest.raises(TrustError) as caught:
        keyless.verify(data, bundle, asked, root, name=NAME)
    assert caught.value.code == "AB-TRUST-BAD-SIGNATURE"


@pytest.mark.parametrize(("rekor", "tsa"), [(1, False), (1, True), (2, True)])
def test_a_signature_verifies_offline(sigstore: FakeSigstore, root: bytes, rekor: int, *, tsa: bool) -> None:
    made = sigstore.sign_blob(DATA, identity=IDENTITY, issuer=ISSUER, rekor=rekor, tsa=tsa).encode()
    verified = keyless.verify(DATA, made, who(), root, name=NAME)
    assert (verified.identity, verified.issuer) == (IDENTITY, ISSUER)


def test_not_even_an_attempt_at_the_network_is_made(
    bundle: bytes, sigstore: FakeSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    fresh = json.dumps(sigstore.trusted_root()).encode()
    assert keyless.verify(DATA, bundle, who(), fresh, name=NAME)


def test_other_data_other_identity_other_issuer_are_refused(bundle: bytes, root: bytes) -> None:
    refused(DATA + b" ", bundle, who(), root)
    refused(DATA, bundle, who(identity=IDENTITY + "x"), root)
    refused(DATA, bundle, who(identity=IDENTITY[:-1]), root)
    refused(DATA, bundle, who(issuer=ISSUER + "/"), root)


def test_a_pattern_describes_the_whole_identity(sigstore: FakeSigstore, bundle: bytes, root: bytes) -> None:
    assert keyless.verify(DATA, bundle, who(pattern=PATTERN), root, name=NAME).identity == IDENTITY
    for lookalike in (IDENTITY + ".evil", IDENTITY + "\n", "x" + IDENTITY, IDENTITY.replace("acme/app", "acme/app2")):
        made = sigstore.sign_blob(DATA, identity=lookalike, issuer=ISSUER).encode()
        refused(DATA, made, who(pattern=PATTERN), root)
    refused(DATA, bundle, who(pattern=PATTERN, issuer="https://other"), root)


def test_another_root_is_refused(bundle: bytes) -> None:
    refused(DATA, bundle, who(), FakeSigstore().trusted_root_json().encode())


def change(bundle: bytes, edit: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(bundle)
    edit(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "edit",
    [
        lambda b: b["verificationMaterial"].update(tlogEntries=[]),
        lambda b: b["verificationMaterial"]["tlogEntries"][0].pop("inclusionProof"),
        lambda b: b["verificationMaterial"]["tlogEntries"][0]["inclusionProof"].update(rootHash="AAAA"),
        lambda b: b["verificationMaterial"]["tlogEntries"][0].update(canonicalizedBody="e30="),
        lambda b: b["verificationMaterial"]["tlogEntries"][0].update(integratedTime="1"),
        lambda b: b["verificationMaterial"].pop("certificate"),
        lambda b: b["verificationMaterial"]["certificate"].update(rawBytes="AAAA"),
        lambda b: b["messageSignature"].update(signature="AAAA"),
        lambda b: b["messageSignature"]["messageDigest"].update(digest="AAAA"),
        lambda b: b.pop("messageSignature"),
        lambda b: b.update(mediaType="x"),
        lambda b: b.update(unknown=1),
    ],
)
def test_a_bundle_that_was_changed_is_refused(
    bundle: bytes, root: bytes, edit: Callable[[dict[str, Any]], object]
) -> None:
    refused(DATA, change(bundle, edit), who(), root)


def test_the_log_entry_of_another_bundle_is_refused(sigstore: FakeSigstore, bundle: bytes, root: bytes) -> None:
    other = json.loads(sigstore.sign_blob(b"other", identity=IDENTITY, issuer=ISSUER))
    entries = other["verificationMaterial"]["tlogEntries"]
    refused(DATA, change(bundle, lambda b: b["verificationMaterial"].update(tlogEntries=entries)), who(), root)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b"x" * 70_000, b"{" * 10_000])
def test_what_is_no_bundle_is_refused(root: bytes, raw: bytes) -> None:
    refused(DATA, raw, who(), root)


def test_a_bundle_by_a_plain_key_is_no_keyless_one(root: bytes) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    refused(DATA, keys.sign(DATA, pem).data, who(), root)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"mediaType":"x"}', b"x" * (1024 * 1024 + 1)])
def test_what_is_no_trusted_root_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidValueError):
        keyless.check_trusted_root(raw)


@pytest.fixture
def policy_file(tmp_path: Path, root: bytes) -> Path:
    (tmp_path / "root.json").write_bytes(root)
    pin = f"trustedRoot: {{file: root.json, sha256: {Digest.of(root).encoded}}}"
    text = f"  ci:\n    keyless: {{identity: '{IDENTITY}', issuer: '{ISSUER}', {pin}}}\n    until: 2099-01-01\n"
    (tmp_path / "policy.yaml").write_bytes(policy_text(text, ""))
    return tmp_path / "policy.yaml"


def test_a_policy_brings_its_trusted_root_and_the_signature_counts(policy_file: Path, bundle: bytes) -> None:
    verdict = check_signatures(load_policy(policy_file), DATA, [(NAME, bundle)], NOW)
    signature = verdict.counted[0]
    assert (signature.signer, signature.method, signature.time_is_proven) == ("ci", Method.KEYLESS, True)


def test_a_root_that_is_not_the_pinned_one_or_missing_is_refused(policy_file: Path) -> None:
    other = policy_file.parent / "root.json"
    other.write_bytes(FakeSigstore().trusted_root_json().encode())
    with pytest.raises(DocumentError) as caught:
        load_policy(policy_file)
    assert caught.value.code == "AB-POLICY-KEY"
    other.unlink()
    with pytest.raises(UsageError):
        load_policy(policy_file)


def test_without_its_root_a_keyless_signature_does_not_count(policy_file: Path, bundle: bytes) -> None:
    policy = parse_policy(policy_file.read_bytes(), "policy.yaml")
    with pytest.raises(TrustError) as caught:
        check_signatures(policy, DATA, [(NAME, bundle)], NOW)
    assert caught.value.code == "AB-TRUST-NOT-CHECKED"


def test_an_identity_that_the_policy_does_not_name_is_unknown(
    sigstore: FakeSigstore, policy_file: Path, bundle: bytes
) -> None:
    other = sigstore.sign_blob(DATA, identity="evil", issuer=ISSUER).encode()
    policy = load_policy(policy_file)
    for name, data, code in (
        (keyless.file_name(ISSUER, "evil"), other, "AB-TRUST-UNKNOWN-SIGNER"),
        (NAME, other, "AB-TRUST-BAD-SIGNATURE"),
        (keyless.file_name(ISSUER, "evil"), bundle, "AB-TRUST-UNKNOWN-SIGNER"),
    ):
        with pytest.raises(TrustError) as caught:
            check_signatures(policy, DATA, [(name, data)], NOW)
        assert caught.value.code == code


@pytest.mark.parametrize(("since", "counts"), [("", False), ("2020-01-01", False), ("2099-01-01", True)])
def test_a_revoked_identity_counts_for_what_is_proven_to_be_older(
    policy_file: Path, bundle: bytes, since: str, *, counts: bool
) -> None:
    entry = f"keyless: {{identity: '{IDENTITY}', issuer: '{ISSUER}'}}" + (f", since: {since}" if since else "")
    policy_file.write_bytes(policy_file.read_bytes() + f"revoked: {{keys: [{{{entry}}}]}}\n".encode())
    policy = load_policy(policy_file)
    if counts:
        assert check_signatures(policy, DATA, [(NAME, bundle)], NOW).signers == ("ci",)
        return
    with pytest.raises(TrustError) as caught:
        check_signatures(policy, DATA, [(NAME, bundle)], NOW)
    assert caught.value.code == "AB-TRUST-REVOKED-KEY"


def test_a_certificate_that_had_run_out_when_it_signed_is_refused(sigstore: FakeSigstore, root: bytes) -> None:
    day_before = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    for rekor, tsa in ((1, False), (2, True)):
        late = sigstore.sign_blob(
            DATA, identity=IDENTITY, issuer=ISSUER, rekor=rekor, tsa=tsa, not_before=day_before
        ).encode()
        refused(DATA, late, who(), root)


def test_a_certificate_without_its_own_log_entry_is_refused(sigstore: FakeSigstore, root: bytes) -> None:
    refused(DATA, sigstore.sign_blob(DATA, identity=IDENTITY, issuer=ISSUER, sct=False).encode(), who(), root)


@pytest.mark.parametrize("suffix", [".evil", "/../evil", "\n", " ", "?x", "#main"])
def test_an_identity_that_only_looks_alike_is_refused(sigstore: FakeSigstore, root: bytes, suffix: str) -> None:
    exact, lookalike = "https://ci.example/release@main", f"https://ci.example/release@main{suffix}"
    try:
        bundle = sigstore.sign_blob(DATA, identity=lookalike, issuer=ISSUER).encode()
    except ValueError:
        pytest.skip("no certificate can name it")
    refused(DATA, bundle, who(identity=exact), root)
    refused(DATA, bundle, who(pattern="^https://ci\\.example/release@main$"), root)


def test_a_pattern_that_ends_in_a_literal_dollar_matches_nothing_else(sigstore: FakeSigstore, root: bytes) -> None:
    bundle = sigstore.sign_blob(DATA, identity="https://ci.example/a", issuer=ISSUER).encode()
    refused(DATA, bundle, who(pattern="^https://ci.example/a\\$"), root)
