"""Every way to sign a bundle, ending in a push that the policy inside lets through."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from support.fake_sigstore import FakeSigstore
from support.keys import GnuPgHome, gnupg_home
from support.policies import policy_text, signer_text
from support.site import Site, bundle_id, people
from support.trip import run

from airgap_bundle.trust import keyless_signing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REST = """\
roles:
  release: {signers: [signer], threshold: 1}
products:
  "*": {require: [release], repositories: ["**"]}
"""
IDENTITY, ISSUER = "release@example.test", "https://issuer.example.test"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(path=tmp_path)


@pytest.fixture(params=[1, 2], ids=["Rekor v1", "Rekor v2"])
def service(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSigstore]:
    # Nothing of a real CI job or of the person who runs this may leak in.
    for name in (
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "GITHUB_ACTIONS",
        "SIGSTORE_ID_TOKEN",
        "CI",
        "BUILDKITE",
        "GITLAB_CI",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with FakeSigstore().serve() as fake:
        (tmp_path / "sigstore.json").write_text(fake.client_trust_config_json(rekor=request.param))
        (tmp_path / "token").write_text(fake.id_token(IDENTITY, ISSUER) + "\n")
        yield fake


def sign(bundle: Path, *options: object) -> str:
    said = run("airgap-export", "sign", bundle, *options)
    assert said.status == 0, said.err
    return said.text


def write_policy(site: Site, signer: str) -> None:
    site.policy.write_bytes(policy_text(f"  signer:\n{signer}", REST))


def write_key(path: Path, key: ec.EllipticCurvePrivateKey | object, passphrase: bytes = b"") -> str:
    """The public half in PEM, indented for a policy."""
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)  # type: ignore[attr-defined]  # any private key
    )
    pem = key.public_key().public_bytes(  # type: ignore[attr-defined]  # any private key
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    path.with_suffix(".pub").write_bytes(pem)
    lines = "".join(f"      {line}\n" for line in pem.decode().splitlines())
    return f"    publicKey: |-\n{lines}"


def test_an_identity_signs_at_a_private_instance_and_its_root_verifies_it(site: Site, service: FakeSigstore) -> None:
    bundle = site.bundle()
    before = bundle_id(bundle)
    options = ("--trust-config", site.path / "sigstore.json")
    text = sign(bundle, "--sign", "keyless", *options, "--identity-token", site.path / "token")
    assert f"{IDENTITY} ({ISSUER})" in text
    assert bundle_id(bundle) == before
    said = run("airgap-export", "trusted-root", *options, "-o", site.path / "root.json", "--format", "json")
    assert said.status == 0, said.err
    digest = hashlib.sha256((site.path / "root.json").read_bytes()).hexdigest()
    assert said.json["sha256"] == digest
    pinned = f"{{file: root.json, sha256: {digest}}}"
    keyless = f"    keyless: {{identity: {IDENTITY}, issuer: {ISSUER}, trustedRoot: {pinned}}}\n"
    write_policy(site, keyless)
    site.pushed(bundle)
    # The same identity again, with another certificate, is the same signer.
    token = ("--identity-token", site.path / "token")
    assert "nothing was changed" in sign(bundle, "--sign", "keyless", *options, *token)


@pytest.mark.parametrize("token", ["", "junk", "a.b.c", "expired"])
def test_a_token_that_is_none_is_one_clear_error(site: Site, service: FakeSigstore, token: str) -> None:
    if token == "expired":
        token = service.id_token(IDENTITY, ISSUER, seconds=-600)
    (site.path / "token").write_text(token)
    options = ("--trust-config", site.path / "sigstore.json", "--identity-token", site.path / "token")
    bundle = site.bundle()
    before = bundle.read_bytes()
    said = run("airgap-export", "sign", bundle, "--sign", "keyless", *options)
    assert (said.status, "AB-SIGN-IDENTITY" in said.err) == (2, True), said.err
    assert bundle.read_bytes() == before
    assert not token or token not in said.err


def test_without_an_identity_nothing_is_asked_of_the_service(site: Site, service: FakeSigstore) -> None:
    said = run(
        "airgap-export", "sign", site.bundle(), "--sign", "keyless", "--trust-config", site.path / "sigstore.json"
    )
    assert (said.status, "AB-SIGN-IDENTITY" in said.err) == (2, True), said.err


def test_a_service_that_refuses_or_is_gone_is_named(site: Site, tmp_path: Path) -> None:
    with FakeSigstore().serve() as fake:
        (tmp_path / "sigstore.json").write_text(fake.client_trust_config_json())
        (tmp_path / "token").write_text(fake.id_token(IDENTITY, ISSUER))
    options = ("--trust-config", tmp_path / "sigstore.json", "--identity-token", tmp_path / "token")
    said = run("airgap-export", "sign", site.bundle(), "--sign", "keyless", *options)
    assert (said.status, "AB-SIGN-SERVICE" in said.err, "sigstore.json" in said.err) == (5, True, True), said.err


def test_a_service_that_never_answers_is_given_up(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyless_signing, "SERVICE_SECONDS", 0.3)
    fake = FakeSigstore()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fake.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "sigstore.json").write_text(fake.client_trust_config_json())
        (tmp_path / "token").write_text(fake.id_token(IDENTITY, ISSUER))
        options = ("--trust-config", tmp_path / "sigstore.json", "--identity-token", tmp_path / "token")
        said = run("airgap-export", "sign", site.bundle(), "--sign", "keyless", *options)
    assert (said.status, "did not answer" in said.err) == (5, True), said.err
    for thread in threading.enumerate():
        if thread.name == "sigstore":
            thread.join(5)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"mediaType": "x"}', b"x" * 100])
def test_what_is_no_trust_configuration_is_one_clear_error(site: Site, raw: bytes) -> None:
    (site.path / "sigstore.json").write_bytes(raw)
    for command in (("trusted-root", "-o", site.path / "root.json"), ("sign", site.bundle(), "--sign", "keyless")):
        said = run("airgap-export", *command, "--trust-config", site.path / "sigstore.json")
        assert (said.status, "AB-SIGN-CONFIGURATION" in said.err) == (2, True), said.err
    assert not (site.path / "root.json").exists()


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "Ed25519", "RSA"],
)
def test_a_key_in_a_file_signs(site: Site, key: object) -> None:
    write_policy(site, write_key(site.path / "signer.pem", key))
    bundle = site.bundle()
    sign(bundle, "--sign", f"key:{site.path / 'signer.pem'}")
    site.pushed(bundle)


def test_the_passphrase_of_a_key_comes_from_a_descriptor(site: Site) -> None:
    write_policy(site, write_key(site.path / "signer.pem", ec.generate_private_key(ec.SECP256R1()), b"open sesame"))
    bundle = site.bundle()
    how = ("--sign", f"key:{site.path / 'signer.pem'}")
    for text, status in ((b"wrong\n", 2), (b"", 2), (b"open sesame\n", 0)):
        reading, writing = os.pipe()
        os.write(writing, text)
        os.close(writing)
        said = run("airgap-export", "sign", bundle, *how, "--passphrase-fd", reading)
        os.close(reading)
        assert said.status == status, said.err
        assert "sesame" not in said.text
    site.pushed(bundle)
    said = run("airgap-export", "sign", bundle, *how)
    assert (said.status, "AB-SIGN-PASSPHRASE" in said.err) == (2, True)
    said = run("airgap-export", "sign", bundle, *how, "--passphrase-fd", 987)
    assert (said.status, "AB-SIGN-PASSPHRASE" in said.err) == (2, True)


def test_a_key_of_cosign_is_explained(site: Site) -> None:
    (site.path / "cosign.key").write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED")
    how = ("--sign", f"key:{site.path / 'cosign.key'}", "--passphrase-fd", os.open(os.devnull, os.O_RDONLY))
    said = run("airgap-export", "sign", site.bundle(), *how)
    assert (said.status, "--attach" in said.text) == (2, True), said.err


@pytest.mark.parametrize("how", ["", "gpg", "gpg:", "key:", "keyless:x", "alice", "GPG:alice@example.com", "key"])
def test_what_is_no_way_to_sign_is_refused(site: Site, how: str) -> None:
    said = run("airgap-export", "sign", site.bundle(), "--sign", how)
    assert (said.status, "AB-USAGE-SIGN" in said.err) == (2, True), said.err


@pytest.fixture
def home() -> Iterator[GnuPgHome]:
    with gnupg_home() as made:
        yield made


def test_the_inventory_goes_out_and_a_signature_of_gpg_comes_back(site: Site, home: GnuPgHome) -> None:
    key = home.make_key("Elsewhere <elsewhere@example.com>")
    site.policy.write_bytes(policy_text(signer_text("signer", key, home.public_key(key)), REST))
    bundle = site.bundle()
    inventory = site.path / "inventory.json"
    sign(bundle, "--inventory-only", inventory)
    assert f"sha256:{hashlib.sha256(inventory.read_bytes()).hexdigest()}" == bundle_id(bundle)
    (site.path / "signature.asc").write_bytes(home.sign(inventory.read_bytes(), key, "--armor"))
    assert key in sign(bundle, "--attach", site.path / "signature.asc")
    site.pushed(bundle)
    assert "nothing was changed" in sign(bundle, "--attach", site.path / "signature.asc")


def test_a_subkeys_signature_is_attached_under_its_primary_key(site: Site, home: GnuPgHome) -> None:
    key = home.make_key("Subkey <subkey@example.com>")
    subkey = home.add_subkey(key)
    (site.path / "key.asc").write_text(home.public_key(key))
    site.policy.write_bytes(policy_text(signer_text("signer", key, home.public_key(key)), REST))
    parts = site.parts()
    bundle = parts.write(site.path / "bundle.tar")
    (site.path / "s.sig").write_bytes(home.sign(parts.inventory_bytes, f"{subkey}!"))
    sign(bundle, "--attach", site.path / "s.sig", "--key", site.path / "key.asc")
    site.pushed(bundle)


def test_the_users_keyring_knows_the_primary_key(site: Site, home: GnuPgHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(home.path))
    key = home.make_key("Ring <ring@example.com>")
    subkey = home.add_subkey(key)
    parts = site.parts()
    bundle = parts.write(site.path / "bundle.tar")
    (site.path / "s.sig").write_bytes(home.sign(parts.inventory_bytes, f"{subkey}!"))
    assert key in sign(bundle, "--attach", site.path / "s.sig")


def test_a_signature_of_an_hsm_comes_back_as_a_sigstore_bundle(site: Site) -> None:
    write_policy(site, write_key(site.path / "hsm.pem", ec.generate_private_key(ec.SECP256R1())))
    parts = site.parts()
    other, bundle = parts.write(site.path / "other.tar"), parts.write(site.path / "bundle.tar")
    sign(other, "--sign", f"key:{site.path / 'hsm.pem'}")
    made = json.loads(read_signature(other))
    for hint in (True, False):
        if not hint:
            del made["verificationMaterial"]["publicKey"]["hint"]
        (site.path / "hsm.json").write_text(json.dumps(made))
        keys = () if hint else ("--key", site.path / "hsm.pub")
        sign(bundle, "--attach", site.path / "hsm.json", *keys)
    site.pushed(bundle)
    said = run("airgap-export", "sign", site.bundle(), "--attach", site.path / "hsm.json")
    assert said.status in {2, 3}


def read_signature(bundle: Path) -> bytes:
    listed = subprocess.run(["tar", "-tf", bundle], check=True, capture_output=True, text=True).stdout.split()
    name = next(each for each in listed if each.startswith("airgap/signatures/"))
    return subprocess.run(["tar", "-xOf", bundle, name], check=True, capture_output=True).stdout


@pytest.mark.parametrize("armor", ["--armor", "--no-armor"])
def test_a_signature_of_another_bundle_is_not_attached(site: Site, armor: str) -> None:
    bundle, other = site.bundle(), site.parts(seed="other")
    before = bundle.read_bytes()
    file = site.path / "other.sig"
    file.write_bytes(people().home.sign(other.inventory_bytes, people().alice, armor))
    said = run("airgap-export", "sign", bundle, "--attach", file)
    assert (said.status, "AB-TRUST-BAD-SIGNATURE" in said.err, "other.sig" in said.err) == (3, True, True), said.err
    assert bundle.read_bytes() == before


def test_a_signature_by_another_key_than_was_named_is_not_attached(site: Site) -> None:
    parts = site.parts()
    bundle = parts.write(site.path / "bundle.tar")
    (site.path / "s.sig").write_bytes(people().home.sign(parts.inventory_bytes, people().alice))
    (site.path / "bob.asc").write_text(people().home.public_key(people().bob))
    said = run("airgap-export", "sign", bundle, "--attach", site.path / "s.sig", "--key", site.path / "bob.asc")
    assert (said.status, "AB-TRUST-UNKNOWN-SIGNER" in said.err) == (3, True), said.err


def test_an_existing_file_is_not_overwritten(site: Site) -> None:
    file = site.path / "mine"
    file.write_text("mine")
    said = run("airgap-export", "sign", site.bundle(), "--inventory-only", file)
    assert (said.status, file.read_text()) == (2, "mine")
