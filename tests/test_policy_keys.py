"""Every key of a policy is enforced: a bundle comes in, one key of the policy says something else, and it is refused.

The list is compared with the schema, so a key that is added to the policy without a test here is noticed.
"""

from __future__ import annotations

import datetime as dt
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from support.site import IDENTITY, ISSUER, Site, bundle_id, now
from support.trip import run

from airgap_bundle.trust import keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# The baseline: three methods of signing, each of which is needed.
REST = """\
audience: site-a
roles:
  root: {signers: [alice, bob], threshold: 2}
  release: {signers: [release-ci], threshold: 1}
  review: {signers: [bob], threshold: 1}
  approval: {signers: [hsm, alice], threshold: 1}
products:
  plane:
    require: [release, review, approval]
    repositories: ["registry.example/plane/**"]
    maxAge: 180d
"""
OTHER = "ab" * 32
# What each key says instead, and the code of the refusal. {bob}, {hsm}, {root} and {id} are filled in.
CHANGES: dict[str, tuple[tuple[str, str], str]] = {
    "apiVersion": (("policy.v1", "policy.v2"), "AB-POLICY-INVALID"),
    "audience": (("audience: site-a", "audience: site-b"), "AB-TRUST-AUDIENCE"),
    "signers": (("  bob:", "  robert:"), "AB-POLICY-INVALID"),
    "signers.*.openpgp": (("{bob_entry}", "{bob_as_alice}"), "AB-POLICY-INVALID"),
    "signers.*.openpgp.fingerprint": (("fingerprint: {bob}", "fingerprint: {alice}"), "AB-POLICY-INVALID"),
    "signers.*.openpgp.publicKey": (("{bob_key}", "{mallory_key}"), "AB-POLICY-INVALID"),
    "signers.*.keyless": (("keyless:", "keylos:"), "AB-POLICY-INVALID"),
    "signers.*.keyless.identity": ((f"identity: {IDENTITY}", f"identity: {IDENTITY}s"), "AB-TRUST-THRESHOLD"),
    "signers.*.keyless.identityPattern": (
        (f"identity: {IDENTITY}", "identityPattern: ^https://ci\\.example/acme/[a-z]+$"),
        "AB-TRUST-THRESHOLD",
    ),
    "signers.*.keyless.issuer": ((f"issuer: {ISSUER}", f"issuer: {ISSUER}s"), "AB-TRUST-THRESHOLD"),
    "signers.*.keyless.trustedRoot": (("trustedRoot:", "trustedRoots:"), "AB-POLICY-INVALID"),
    "signers.*.keyless.trustedRoot.file": (("trusted_root.json", "policy.yaml"), "AB-POLICY-KEY"),
    "signers.*.keyless.trustedRoot.sha256": (("sha256: {root}", f"sha256: {OTHER}"), "AB-POLICY-KEY"),
    "signers.*.publicKey": (("{hsm_key}", "{other_key}"), "AB-TRUST-THRESHOLD"),
    "signers.*.until": (("  hsm:\n", "  hsm:\n    until: 2026-01-01\n"), "AB-TRUST-THRESHOLD"),
    "roles": (("  review: {signers: [bob], threshold: 1}\n", ""), "AB-POLICY-INVALID"),
    "roles.*.signers": (("review: {signers: [bob]", "review: {signers: [alice]"), "AB-TRUST-THRESHOLD"),
    "roles.*.threshold": (("[hsm, alice], threshold: 1", "[hsm, alice], threshold: 2"), "AB-TRUST-THRESHOLD"),
    "products": (("  plane:\n", "  other:\n"), "AB-TRUST-PRODUCT"),
    "products.*.require": (("require: [", "require: [root, "), "AB-TRUST-THRESHOLD"),
    "products.*.repositories": (("registry.example/plane/**", "registry.example/plan/**"), "AB-TRUST-REPOSITORY"),
    "products.*.maxAge": (("180d", "10d"), "AB-TRUST-TOO-OLD"),
    "revoked": (("products:\n", "revoked: {{keys: [{{openpgp: {bob}}}]}}\nproducts:\n"), "AB-TRUST-THRESHOLD"),
    "revoked.keys": (("products:\n", "revoked: {{keys: [{{openpgp: {bob}}}]}}\nproducts:\n"), "AB-TRUST-THRESHOLD"),
    "revoked.keys.openpgp": (
        ("products:\n", "revoked: {{keys: [{{openpgp: {bob}}}]}}\nproducts:\n"),
        "AB-TRUST-THRESHOLD",
    ),
    "revoked.keys.publicKey": (
        ("products:\n", "revoked: {{keys: [{{publicKey: {hsm}}}]}}\nproducts:\n"),
        "AB-TRUST-THRESHOLD",
    ),
    "revoked.keys.keyless": (
        (
            "products:\n",
            f"revoked: {{{{keys: [{{{{keyless: {{{{identity: {IDENTITY}, issuer: {ISSUER}}}}}}}}}]}}}}\nproducts:\n",
        ),
        "AB-TRUST-THRESHOLD",
    ),
    "revoked.bundles": (("products:\n", 'revoked: {{bundles: ["{id}"]}}\nproducts:\n'), "AB-TRUST-REVOKED-BUNDLE"),
}
REVOKED_IDENTITY = f"keyless: {{identity: {IDENTITY}, issuer: {ISSUER}}}"
# Keys that another test is about, because what they govern is no question of one push.
ELSEWHERE = {
    "version": "tests/boundary/test_policy_update.py",
    "products.*.overrides": "tests/test_attacks.py",
    "products.*.hold": "tests/boundary",
    "products.*.hold.wait": "tests/boundary",
    "products.*.hold.approvals": "tests/boundary",
    **{
        f"products.*.upstream{key}": "tests/test_upstream_import.py"
        for key in (
            "",
            ".match",
            ".keyless",
            ".keyless.identity",
            ".keyless.identityPattern",
            ".keyless.issuer",
            ".keyless.trustedRoot",
            ".keyless.trustedRoot.file",
            ".keyless.trustedRoot.sha256",
            ".publicKey",
            ".openpgp",
            ".openpgp.fingerprint",
            ".openpgp.publicKey",
        )
    },
    "destinations": "tests/cli/test_boundary.py",
    "destinations.*.tokenHosts": "tests/cli/test_boundary.py",
    "revoked.keys.keyless.identity": "test_an_identity_is_revoked_by_both_of_its_parts",
    "revoked.keys.keyless.issuer": "test_an_identity_is_revoked_by_both_of_its_parts",
    "revoked.keys.since": "test_what_was_signed_before_an_identity_was_revoked_still_counts",
}


@pytest.fixture
def hsm() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def public_text(key: ed25519.Ed25519PrivateKey) -> str:
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "".join(f"      {line}\n" for line in pem.decode().splitlines())


@pytest.fixture
def site(tmp_path: Path, hsm: ed25519.Ed25519PrivateKey) -> Site:
    """A site, and a bundle of some days ago that it accepts."""
    made = Site(path=tmp_path)
    made.write_policy(f"  hsm:\n    publicKey: |-\n{public_text(hsm)}{REST}")
    options = {"audience": ("site-a",), "created": now() - dt.timedelta(days=20)}
    bundle = made.bundle("ci", "bob", **options)
    (tmp_path / "hsm.pem").write_bytes(
        hsm.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    said = run("airgap-export", "sign", bundle, "--sign", f"key:{tmp_path / 'hsm.pem'}")
    assert said.status == 0, said.err
    return made


def facts(site: Site, hsm: ed25519.Ed25519PrivateKey) -> Mapping[str, str]:
    text = site.policy.read_text()
    entries = {
        name: text.split(f"  {name}:\n")[1].split("  bob:\n")[0].split("  release-ci:\n")[0]
        for name in ("alice", "bob")
    }
    home, who = site.who.home, site.who
    body = entries["bob"].split("publicKey: |-\n")[1]
    theirs = "".join(f"        {line}\n" for line in home.public_key(who.mallory).strip("\n").splitlines())
    return {
        "bob": who.bob,
        "alice": who.alice,
        "bob_entry": entries["bob"],
        "bob_as_alice": entries["alice"],
        "bob_key": body,
        "mallory_key": theirs,
        "hsm_key": public_text(hsm),
        "other_key": public_text(ed25519.Ed25519PrivateKey.generate()),
        "hsm": keys.read_public_key(
            hsm.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        ).fingerprint,
        "root": text.split("sha256: ")[1].split("}")[0],
        "id": bundle_id(site.path / "plane.tar"),
    }


def test_the_bundle_comes_in_as_the_policy_stands(site: Site) -> None:
    site.pushed(site.path / "plane.tar")


@pytest.mark.parametrize("key", CHANGES)
def test_each_key_decides(site: Site, hsm: ed25519.Ed25519PrivateKey, key: str) -> None:
    (old, new), code = CHANGES[key]
    values = facts(site, hsm)
    text = site.policy.read_text()
    before = fill(old, values)
    assert text.count(before) >= 1
    site.policy.write_text(text.replace(before, fill(new, values), 1))
    said = site.push(site.path / "plane.tar")
    assert said.status == (2 if code.startswith("AB-POLICY") else 3), said.err
    assert code in said.err, said.err
    assert site.snapshot() == {}


def fill(text: str, values: Mapping[str, str]) -> str:
    """The names in braces filled in; in a text that has none, braces are braces."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text.replace("{{", "{").replace("}}", "}") if "{{" in text else text


@pytest.mark.parametrize(("old", "new"), [(IDENTITY, IDENTITY + "s"), (ISSUER, ISSUER + "s")])
def test_an_identity_is_revoked_by_both_of_its_parts(site: Site, old: str, new: str) -> None:
    revoked = f"revoked: {{keys: [{{{REVOKED_IDENTITY}}}]}}\n".replace(old, new)
    site.policy.write_text(site.policy.read_text() + revoked)
    site.pushed(site.path / "plane.tar")


def test_what_was_signed_before_an_identity_was_revoked_still_counts(site: Site) -> None:
    text = site.policy.read_text()
    for since, status in (("2020-01-01", 3), (f"{now() + dt.timedelta(days=2):%Y-%m-%d}", 0)):
        site.policy.write_text(f"{text}revoked: {{keys: [{{{REVOKED_IDENTITY}, since: {since}}}]}}\n")
        assert site.push(site.path / "plane.tar").status == status


def test_the_list_has_every_key_of_the_schema() -> None:
    schema = json.loads((resources.files("airgap_bundle") / "trust" / "policy.v1.schema.json").read_text())
    assert set(schema_keys(schema, schema)) == CHANGES.keys() | ELSEWHERE.keys()


def schema_keys(node: Mapping[str, Any], schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The paths of all keys; `*` stands for names."""
    if "$ref" in node:
        yield from schema_keys(schema["$defs"][node["$ref"].rpartition("/")[2]], schema, path)
    for word in ("oneOf", "anyOf", "allOf"):
        for member in node.get(word, ()):
            yield from schema_keys(member, schema, path)
    if isinstance(node.get("items"), dict):
        yield from schema_keys(node["items"], schema, path)
    for key, value in node.get("properties", {}).items():
        yield f"{path}{key}"
        yield from schema_keys(value, schema, f"{path}{key}.")
    if isinstance(node.get("additionalProperties"), dict):
        yield from schema_keys(node["additionalProperties"], schema, f"{path}*.")
