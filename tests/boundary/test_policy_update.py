"""A new policy takes over by the word of the old root role, and by nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.site import REST, Site
from support.trip import Said, run

from airgap_bundle.trust import openpgp, policy_files
from airgap_bundle.trust.keys import sign

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(path=tmp_path)
    made.write_policy()
    made.pushed(made.bundle("ci", "bob", sequence=100))
    return made


def update(site: Site, new: Path, *options: object) -> Said:
    return run("airgap-import", "policy", "update", new, "--policy", site.policy, "--state", site.state, *options)


def sign_beside(site: Site, new: Path, *signers: str, data: bytes | None = None) -> Path:
    directory = new.with_name(f"{new.name}.signatures")
    directory.mkdir(exist_ok=True)
    for one in site.who.signatures(signers, new.read_bytes() if data is None else data):
        (directory / one.name).write_bytes(one.data)
    return directory


def test_the_old_root_role_lets_a_new_policy_take_over(site: Site) -> None:
    new = site.write_policy(version=2, name="policy-2.yaml", until="2099-01-01")
    sign_beside(site, new, "alice", "bob")
    said = update(site, new, "--format", "json")
    assert said.status == 0, said.err
    assert (said.json["updated"], sorted(said.json["signers"])) == ([site.dest], ["alice", "bob"])
    assert [one["event"] for one in site.audit()][-2:] == ["policy-update-begun", "policy-updated"]
    again = site.bundle("ci", "bob", name="next.tar", seed="next")
    site.refuses(again, "AB-LEDGER-POLICY", "version 2")
    new.replace(site.policy)
    site.pushed(again)


def test_the_same_update_again_changes_nothing(site: Site) -> None:
    new = site.write_policy(version=2, name="policy-2.yaml", until="2099-01-01")
    sign_beside(site, new, "alice", "bob")
    assert update(site, new).status == 0
    trail = site.audit()
    said = update(site, new)
    assert (said.status, "bound to it already" in said.text, site.audit()) == (0, True, trail)


def test_the_old_policy_may_have_been_replaced_on_disk_before(site: Site) -> None:
    new = site.write_policy(version=2, name="policy-2.yaml", until="2099-01-01")
    sign_beside(site, new, "alice", "bob")
    old = site.policy.rename(site.path / "old.yaml")
    site.policy.write_bytes(new.read_bytes())
    assert update(site, new).status == 2
    assert update(site, new, "--old", old).status == 0


def test_signatures_of_gpg_are_taken_as_it_writes_them(site: Site) -> None:
    new = site.write_policy(version=2, name="policy-2.yaml", until="2099-01-01")
    files = []
    for name, armor in (("alice", "--armor"), ("bob", "--no-armor")):
        file = site.path / f"{name}.sig"
        file.write_bytes(site.who.home.sign(new.read_bytes(), getattr(site.who, name), armor))
        files += ["--signature", file]
    said = update(site, new, *files)
    assert said.status == 0, said.err


@pytest.mark.parametrize(
    ("signers", "version", "code"),
    [
        ((), 2, "AB-POLICY-UNSIGNED"),
        (("alice",), 2, "AB-TRUST-THRESHOLD"),
        (("alice", "mallory"), 2, "AB-TRUST-THRESHOLD"),
        (("ci",), 2, "AB-TRUST-THRESHOLD"),
        (("mallory",), 2, "AB-TRUST-UNKNOWN-SIGNER"),
        (("alice", "bob"), 1, "AB-POLICY-VERSION"),
    ],
)
def test_nobody_else_replaces_it(site: Site, signers: tuple[str, ...], version: int, code: str) -> None:
    new = site.write_policy(version=version, name="policy-2.yaml", until="2099-01-01")
    sign_beside(site, new, *signers)
    trail = site.audit()
    said = update(site, new)
    assert (said.status, code in said.err) == (3, True), said.err
    assert [(one["event"], one["details"]["code"]) for one in site.audit()[len(trail) :]] == [("refused", code)]
    site.pushed(site.bundle("ci", "bob", name="next.tar", seed="next"))


def test_a_signature_over_another_text_replaces_nothing(site: Site) -> None:
    new = site.write_policy(version=2, name="policy-2.yaml", until="2099-01-01")
    sign_beside(site, new, "alice", "bob", data=new.read_bytes() + b"\n")
    said = update(site, new)
    assert (said.status, "AB-TRUST-BAD-SIGNATURE" in said.err) == (3, True), said.err


def test_keys_of_the_new_policy_have_no_voice_in_it(site: Site) -> None:
    theirs = site.who.home.public_key(site.who.mallory)
    new = site.path / "policy-2.yaml"
    text = policy_files.initial_policy(openpgp.read_public_key(theirs), "alice").replace(b"version: 1", b"version: 9")
    new.write_bytes(text)
    sign_beside(site, new, "mallory")
    assert update(site, new).status == 3


def test_a_policy_without_root_is_never_replaced(tmp_path: Path) -> None:
    site = Site(path=tmp_path)
    site.write_policy(REST.replace("  root: {signers: [alice, bob], threshold: 2}\n", ""))
    site.pushed(site.bundle("ci", "bob"))
    new = site.write_policy(version=2, name="policy-2.yaml")
    sign_beside(site, new, "alice", "bob")
    said = update(site, new)
    assert (said.status, "AB-POLICY-NO-ROOT" in said.err) == (3, True), said.err


def test_a_revocation_is_written_signed_and_takes_effect_without_a_network(site: Site) -> None:
    waiting = site.bundle("ci", "bob", name="next.tar", seed="next")
    new = site.path / "policy-2.yaml"
    said = run("airgap-import", "policy", "revoke", "--key", "bob", "--policy", site.policy, "-o", new)
    assert said.status == 0, said.err
    assert "too few people with a key that counts are left to fill the role root" in said.text
    sign_beside(site, new, "alice", "bob")
    assert update(site, new).status == 0
    new.replace(site.policy)
    site.refuses(waiting, "AB-TRUST-THRESHOLD", "revoked")
    # What is in the ledger stays good.
    site.pushed(site.path / "plane.tar")


def test_revoking_a_bundle_lets_an_older_one_in(site: Site) -> None:
    said = run("airgap-import", "inspect", site.path / "plane.tar", "--format", "json")
    new = site.path / "policy-2.yaml"
    done = run(
        "airgap-import", "policy", "revoke", "--bundle", said.json["bundleId"], "--policy", site.policy, "-o", new
    )
    assert done.status == 0, done.err
    sign_beside(site, new, "alice", "bob")
    assert update(site, new).status == 0
    new.replace(site.policy)
    site.refuses(site.path / "plane.tar", "AB-TRUST-REVOKED-BUNDLE", said.json["bundleId"])
    site.pushed(site.bundle("ci", "bob", name="older.tar", sequence=1))


def test_what_is_bound_elsewhere_or_not_at_all_is_named(site: Site) -> None:
    new = site.write_policy(version=2, name="policy-2.yaml", until="2099-01-01")
    sign_beside(site, new, "alice", "bob")
    said = update(site, new, "--destination", "registry.internal:5000")
    assert (said.status, "AB-POLICY-NOT-ENROLLED" in said.err) == (2, True), said.err
    assert update(site, new, "--old", new).status == 2


def test_junk_in_place_of_a_signature_is_one_clear_error(site: Site) -> None:
    new = site.write_policy(version=2, name="policy-2.yaml", until="2099-01-01")
    for number, junk in enumerate((b"", b"junk", b"{}", b"\x88\x00", b"x" * 200_000)):
        file = site.path / f"{number}.sig"
        file.write_bytes(junk)
        said = update(site, new, "--signature", file)
        assert (said.status, "AB-SIGNATURE-FILE" in said.err) == (2, True), said.err


def test_a_plain_key_may_be_of_the_root_role(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - for this test only
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - for this test only

    key = ec.generate_private_key(ec.SECP256R1())
    pem = (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    site = Site(path=tmp_path)
    hsm = "  hsm:\n    publicKey: |-\n" + "".join(f"      {line}\n" for line in pem.splitlines())
    rest = REST.replace("root: {signers: [alice, bob], threshold: 2}", "root: {signers: [hsm], threshold: 1}")
    site.write_policy(hsm + rest)
    site.pushed(site.bundle("ci", "bob"))
    new = site.write_policy(hsm + rest, version=2, name="policy-2.yaml")
    signature = json.loads(sign(new.read_bytes(), private).data)
    del signature["verificationMaterial"]["publicKey"]["hint"]
    file = site.path / "hsm.json"
    file.write_text(json.dumps(signature))
    said = update(site, new, "--signature", file)
    assert said.status == 0, said.err
