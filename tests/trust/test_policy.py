"""Reading policies: what is taken, and one refusal for each key with its place."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.handmade import HandmadeKey
from support.policies import policy_text, signer_text

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError
from airgap_bundle.trust.openpgp import read_public_key
from airgap_bundle.trust.policy import parse_policy
from airgap_bundle.trust.policy_files import initial_policy
from airgap_bundle.trust.policy_model import Method, Policy

if TYPE_CHECKING:
    from support.keys import GnuPgHome

DIGEST = "sha256:" + "ab" * 32
EC_KEY = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+9ffKKmF0CM5+F95nakxjOfNiDDl
FldN8RQZntwr442JQmLaA5L1rtwcaOqt/5CNQTkJFTPvMNPwzTuaDMF+1g==
-----END PUBLIC KEY-----
"""


@pytest.fixture(scope="session")
def people(home: GnuPgHome, alice: str, bob: str) -> str:
    alice_text = signer_text("alice", alice, home.public_key(alice), until="2027-06-30")
    return alice_text + signer_text("bob", bob.upper(), home.public_key(bob))


REST = """\
roles:
  root: {signers: [alice, bob], threshold: 2}
  release: {signers: [alice], threshold: 1}
  review: {signers: [alice, bob], threshold: 1}
products:
  "*": {require: [release], repositories: ["third-party/**"]}
  plane:
    require: [release, review]
    repositories: ["artifacts.plane.so/**", "docker.io/**"]
    maxAge: 180d
    overrides: [review]
destinations:
  "registry.internal:5000": {tokenHosts: [auth.internal]}
"""


def parse(text: bytes | str) -> Policy:
    return parse_policy(text.encode() if isinstance(text, str) else text, "policy.yaml")


def complaints(text: bytes | str) -> list[tuple[str, str, int]]:
    """Code, path and line of every complaint."""
    with pytest.raises(DocumentError) as caught:
        parse(text)
    assert caught.value.exit_status == 2
    return [(finding.code, finding.path, finding.place.line) for finding in caught.value.findings]


def test_every_key_of_the_example_is_read(people: str, alice: str, bob: str) -> None:
    raw = policy_text(
        people,
        REST + f"audience: site-a\nrevoked:\n  keys: [{{openpgp: {bob.upper()}}}]\n  bundles: ['{DIGEST}']\n",
        version=3,
    )
    policy = parse(raw)
    assert (policy.version, policy.audience, policy.digest) == (3, "site-a", Digest.of(raw))
    assert policy.signers["alice"].openpgp[0].fingerprint == alice
    assert policy.signers["bob"].openpgp[0].fingerprint == bob
    assert policy.roles["root"].threshold == 2
    assert policy.products["plane"].max_age == timedelta(days=180)
    assert policy.products["plane"].overrides == ("review",)
    assert policy.token_hosts_of("registry.internal:5000") == ("registry.internal:5000", "auth.internal")
    assert policy.token_hosts_of("other") == ("other",)
    assert policy.revocation(Method.OPENPGP, bob) is not None
    assert policy.revocation(Method.OPENPGP, alice) is None
    assert policy.revoked_bundles == {Digest(DIGEST)}


def test_an_empty_policy_is_one_and_knows_nobody() -> None:
    policy = parse(policy_text("", ""))
    assert policy.product("anything") is None
    assert not policy.may_write("anything", "docker.io/library/redis")


def test_the_first_policy_is_read_back(home: GnuPgHome, alice: str) -> None:
    policy = parse(initial_policy(read_public_key(home.public_key(alice)), "alice"))
    assert policy.signers["alice"].openpgp[0].fingerprint == alice
    assert {role.threshold for role in policy.roles.values()} == {1}
    assert policy.may_write("anything", "docker.io/library/redis")
    assert set(policy.roles) == {"root", "release"}


def test_user_ids_cannot_write_into_the_first_policy(home: GnuPgHome) -> None:
    key = HandmadeKey(user_id="a\nroles: {}\u2028x \x85".encode())
    policy = parse(initial_policy(read_public_key(key.public_key), "alice"))
    assert policy.roles["release"].signers == ("alice",)


def test_a_person_may_have_several_keys(home: GnuPgHome, alice: str, bob: str) -> None:
    key = home.public_key(alice).strip().replace("\n", "\n          ")
    other = home.public_key(bob).strip().replace("\n", "\n          ")
    text = f"""  alice:
    openpgp:
      - fingerprint: {alice}
        publicKey: |-
          {key}
      - fingerprint: {bob}
        publicKey: |-
          {other}
    publicKey: |
{textwrap.indent(EC_KEY, "      ")}
    keyless:
      identity: a@example.com
      issuer: https://issuer.example
      trustedRoot: {{file: root.json, sha256: {"0" * 64}}}
"""
    signer = parse(policy_text(text, "")).signers["alice"]
    assert [key.fingerprint for key in signer.openpgp] == [alice, bob]
    assert signer.keyless[0].identity == "a@example.com"
    assert len(signer.keys[0].fingerprint) == 64


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("version: 1\n", "version: 0\n", "AB-YAML-VALUE", "version"),
        ("version: 1\n", "", "AB-YAML-REQUIRED", ""),
        ("policy.v1", "policy.v2", "AB-YAML-VALUE", "apiVersion"),
        ("roles:", "rolls:", "AB-YAML-KEY", "rolls"),
        ("threshold: 2", "threshold: 0", "AB-YAML-VALUE", "roles.root"),
        ("threshold: 2", "threshold: -1", "AB-YAML-TYPE", "roles.root.threshold"),
        ("threshold: 2", "threshold: 3", "AB-YAML-VALUE", "roles.root"),
        ("threshold: 2", 'threshold: "2"', "AB-YAML-TYPE", "roles.root.threshold"),
        (", threshold: 2", "", "AB-YAML-REQUIRED", "roles.root"),
        ("[alice, bob], threshold: 2", "[alice, alice], threshold: 2", "AB-YAML-VALUE", "roles.root"),
        ("[alice, bob], threshold: 2", "[alice, carol], threshold: 2", "AB-POLICY-REFERENCE", "roles.root.signers[1]"),
        ("require: [release, review]", "require: [release, reviw]", "AB-POLICY-REFERENCE", "products.plane.require[1]"),
        ("require: [release, review]", "require: []", "AB-YAML-VALUE", "products.plane"),
        ("require: [release, review]", "require: [release, release]", "AB-YAML-VALUE", "products.plane"),
        ("overrides: [review]", "overrides: [boss]", "AB-POLICY-REFERENCE", "products.plane.overrides[0]"),
        ('["third-party/**"]', "[]", "AB-YAML-VALUE", 'products["*"]'),
        ('["third-party/**"]', '["third party/**"]', "AB-YAML-VALUE", 'products["*"].repositories[0]'),
        ('["third-party/**"]', '["a**b"]', "AB-YAML-VALUE", 'products["*"].repositories[0]'),
        (', repositories: ["third-party/**"]', "", "AB-YAML-REQUIRED", 'products["*"]'),
        ("maxAge: 180d", "maxAge: 0d", "AB-YAML-VALUE", "products.plane.maxAge"),
        ("maxAge: 180d", "maxAge: half a year", "AB-YAML-VALUE", "products.plane.maxAge"),
        ("maxAge", "maxage", "AB-YAML-KEY", "products.plane.maxage"),
        ("  plane:", "  Plane!:", "AB-YAML-VALUE", 'products["Plane!"]'),
        ("tokenHosts: [auth.internal]", "tokenHosts: ['https://auth.internal']", "AB-YAML-VALUE", None),
        ("registry.internal:5000", "https://registry.internal", "AB-YAML-VALUE", None),
        ("tokenHosts", "tokenHost", "AB-YAML-KEY", None),
        ("until: 2027-06-30", "until: 2027-06-31", "AB-YAML-VALUE", "signers.alice.until"),
        ("until: 2027-06-30", "until: tomorrow", "AB-YAML-VALUE", "signers.alice.until"),
        ("until: 2027-06-30", "expires: 2027-06-30", "AB-YAML-KEY", "signers.alice.expires"),
    ],
)
def test_each_key_that_makes_no_sense_is_refused_at_its_place(
    people: str, old: str, new: str, code: str, path: str | None
) -> None:
    text = policy_text(people, REST).decode()
    assert old in text
    found = complaints(text.replace(old, new))
    assert (code, path) in [(code, path if path is None else where) for code, where, _ in found]
    assert all(line > 0 for _, _, line in found)


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ("audience: 'site a'\n", "audience"),
        ("audience: []\n", "audience"),
        ("revoked: {keys: [{openpgp: 12345678}]}\n", "revoked.keys[0].openpgp"),
        ("revoked: {keys: [{}]}\n", "revoked.keys[0]"),
        ("revoked: {keys: [{publicKey: abc}]}\n", "revoked.keys[0].publicKey"),
        (f"revoked: {{keys: [{{openpgp: {'a' * 40}, since: 2026-01-01}}]}}\n", "revoked.keys[0].since"),
        ("revoked: {keys: [{keyless: {identity: a}}]}\n", "revoked.keys[0].keyless"),
        ("revoked: {bundles: [abc]}\n", "revoked.bundles[0]"),
        (f"revoked: {{bundles: ['sha512:{'a' * 128}']}}\n", "revoked.bundles[0]"),
        ("revoked: {bundle: []}\n", "revoked.bundle"),
        ("extra: 1\n", "extra"),
    ],
)
def test_each_key_at_the_top_is_checked(people: str, rest: str, path: str) -> None:
    assert path in [where for _, where, _ in complaints(policy_text(people, REST + rest))]


def test_all_complaints_come_at_once(people: str) -> None:
    text = policy_text(people, REST).decode().replace("threshold: 2", "threshold: 9").replace("180d", "x")
    found = complaints(text.replace("review]", "revue]"))
    assert len(found) >= 4
    assert found == sorted(found, key=lambda item: item[2])


def test_a_typing_error_is_answered_with_the_word_that_was_meant(people: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(policy_text(people, REST.replace("[alice, bob], threshold: 2", "[alice, bop], threshold: 2")))
    assert caught.value.findings[0].hint == "did you mean 'bob'?"


def test_swapped_key_material_is_refused(home: GnuPgHome, alice: str, bob: str) -> None:
    found = complaints(policy_text(signer_text("alice", alice, home.public_key(bob)), ""))
    assert found[0][:2] == ("AB-POLICY-KEY", "signers.alice.openpgp")


@pytest.mark.parametrize("length", [8, 16, 32, 39])
def test_short_fingerprints_are_refused(home: GnuPgHome, alice: str, length: int) -> None:
    found = complaints(policy_text(signer_text("alice", alice[-length:], home.public_key(alice)), ""))
    assert found[0][:2] == ("AB-YAML-VALUE", "signers.alice.openpgp.fingerprint")


def test_two_people_cannot_share_a_key(home: GnuPgHome, alice: str) -> None:
    one = signer_text("alice", alice, home.public_key(alice))
    assert complaints(policy_text(one + signer_text("bob", alice, home.public_key(alice)), ""))[0][0] == "AB-POLICY-KEY"


def test_a_signer_without_a_key_is_refused() -> None:
    assert complaints(policy_text("  alice: {until: 2030-01-01}\n", ""))[0][1] == "signers.alice"


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ("identity: a, issuer: b", "signers.ci.keyless"),
        ("issuer: b, trustedRoot: {file: r, sha256: X}", "signers.ci.keyless"),
        ("identity: a, identityPattern: ^a$, issuer: b, trustedRoot: {file: r, sha256: X}", "signers.ci.keyless"),
        ("identityPattern: a, issuer: b, trustedRoot: {file: r, sha256: X}", "signers.ci.keyless.identityPattern"),
        ("identityPattern: '^(a$', issuer: b, trustedRoot: {file: r, sha256: X}", "signers.ci.keyless.identityPattern"),
        ("identity: a, issuer: b, trustedRoot: {file: r}", "signers.ci.keyless.trustedRoot"),
        ("identity: a, issuer: b, trustedRoot: {file: ../r, sha256: X}", "signers.ci.keyless.trustedRoot.file"),
        ("identity: a, issuer: b, trustedRoot: {file: r, sha256: abc}", "signers.ci.keyless.trustedRoot.sha256"),
    ],
)
def test_each_key_of_a_keyless_signer_is_checked(entry: str, path: str) -> None:
    text = policy_text(f"  ci: {{keyless: {{{entry.replace('X', '0' * 64)}}}}}\n", "")
    assert path in [where for _, where, _ in complaints(text)]


@pytest.mark.parametrize(
    "key",
    ["junk", EC_KEY.replace("MFkw", "MFkv"), EC_KEY + EC_KEY, EC_KEY.replace("PUBLIC", "PRIVATE")],
    ids=["junk", "damaged", "two", "private"],
)
def test_a_public_key_has_to_be_one(key: str) -> None:
    indented = key.replace("\n", "\n      ")
    assert (
        complaints(policy_text(f"  hsm:\n    publicKey: |-\n      {indented}\n", ""))[0][1] == "signers.hsm.publicKey"
    )


def test_a_named_product_is_closed_to_every_other(people: str) -> None:
    rest = REST.replace('["third-party/**"]', '["**"]')
    policy = parse(policy_text(people, rest))
    assert policy.may_write("plane", "docker.io/library/redis")
    assert not policy.may_write("plane2", "docker.io/library/redis")
    assert "plane" in policy.refusal_to_write("plane2", "docker.io/library/redis")
    assert policy.may_write("plane2", "quay.io/x")


def test_the_entry_of_a_product_replaces_the_general_one(people: str) -> None:
    policy = parse(policy_text(people, REST))
    assert not policy.may_write("plane", "third-party/tool")
    assert policy.may_write("other", "third-party/tool")


def test_nobody_writes_to_the_receipts(people: str) -> None:
    policy = parse(policy_text(people, REST.replace('["third-party/**"]', '["**"]')))
    assert not policy.may_write("other", "airgap-receipts/plane")


def test_the_files_of_a_product_are_its_own_without_being_listed(people: str) -> None:
    policy = parse(policy_text(people, REST.replace('["third-party/**"]', '["**"]')))
    assert policy.may_write("plane", "files/plane")
    assert not policy.may_write("other", "files/plane")
    assert not policy.may_write("other", "files/another")
    assert policy.may_write("other", "files/a/b")


def test_what_ends_within_sixty_days_is_told(home: GnuPgHome, people: str) -> None:
    key = home.make_key("Ending <ending@example.com>", expires="30d", at="20270501T000000!")
    policy = parse(policy_text(people + signer_text("carol", key, home.public_key(key)), ""))
    soon = policy.ending_soon(datetime(2027, 5, 2, tzinfo=UTC))
    assert [ending.what.split(",")[0] for ending in soon] == ["signer carol", "signer alice (until)"]
    assert policy.ending_soon(datetime(2026, 5, 2, tzinfo=UTC)) == ()


def test_the_last_day_of_a_signer_still_counts(people: str) -> None:
    signer = parse(policy_text(people, "")).signers["alice"]
    assert signer.counts_at(datetime(2027, 6, 30, 23, 59, tzinfo=UTC))
    assert not signer.counts_at(datetime(2027, 7, 1, tzinfo=UTC))
