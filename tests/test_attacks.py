"""What somebody who is not trusted could try, each against a real bundle and a registry that must not change.

First the attacks that The Update Framework lists (specification 1.5.2), then those of a site that takes bundles from
several people. `Site.refuses` is the oracle: exit status, stable code, the object named, registry and tags unchanged,
exactly one refusal more in the audit trail, no control characters in what was said.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.bundles import parts_of
from support.content import Corpus
from support.images import single_image
from support.keys import gnupg_home
from support.policies import policy_text, signer_text
from support.site import PLANE, REST, THIRD, Site, bundle_id, now
from support.trip import run

from airgap_bundle.boundary.push import Push
from airgap_bundle.bundle.layout import BLOCK_BYTES
from airgap_bundle.bundle.signatures import SignatureFile
from airgap_bundle.core.strictjson import canonical
from airgap_bundle.trust.openpgp import read_public_key
from airgap_bundle.trust.policy_files import initial_policy, policy_location

if TYPE_CHECKING:
    from pathlib import Path

DAY = dt.timedelta(days=1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(path=tmp_path)
    made.write_policy()
    return made


@pytest.fixture
def loaded(site: Site) -> Site:
    """A site that has imported a bundle of plane with the sequence 100."""
    site.pushed(site.bundle("ci", "bob", sequence=100))
    return site


def test_an_honest_bundle_comes_in(site: Site) -> None:
    site.pushed(site.bundle("ci", "bob"))
    events = [one["event"] for one in site.audit()]
    assert (events[0], events[-1]) == ("push-begun", "push-finished")


# --- The Update Framework: arbitrary software, rollback, fast-forward, freeze, endless data, extraneous, mix-and-match,
# --- wrong software, key compromise


def test_arbitrary_installation_of_an_unsigned_bundle(site: Site) -> None:
    site.refuses(site.bundle(), "AB-TRUST-UNSIGNED")


def test_arbitrary_installation_of_a_bundle_that_a_stranger_signed(site: Site) -> None:
    site.refuses(site.bundle("mallory"), "AB-TRUST-UNKNOWN-SIGNER", site.who.mallory)


def test_arbitrary_installation_under_somebody_elses_file_name(site: Site) -> None:
    parts = site.parts()
    forged = replace(site.who.signature("mallory", parts.inventory_bytes), name=f"openpgp-{site.who.alice}.sig")
    site.refuses(
        replace(parts, signatures=(forged,)).write(site.path / "x.tar"), "AB-TRUST-UNKNOWN-SIGNER", site.who.alice
    )


def test_rollback_to_an_older_bundle(loaded: Site) -> None:
    old = loaded.bundle("ci", "bob", name="old.tar", seed="old", sequence=99)
    loaded.refuses(old, "AB-TRUST-OLDER", "99", "100", "plane")


def test_rollback_by_another_bundle_of_the_same_sequence(loaded: Site) -> None:
    twin = loaded.bundle("ci", "bob", name="twin.tar", seed="twin", sequence=100)
    loaded.refuses(twin, "AB-TRUST-EQUAL-SEQUENCE", "100")


def test_the_same_bundle_again_is_no_rollback(loaded: Site) -> None:
    loaded.pushed(loaded.path / "plane.tar")


def test_fast_forward_by_a_bundle_from_the_future(site: Site) -> None:
    bundle = site.bundle("ci", "bob", created=now() + 2 * DAY)
    site.refuses(bundle, "AB-TRUST-FUTURE", f"{now() + 2 * DAY:%Y-%m-%d}")


def test_fast_forward_is_recovered_from_by_revoking_the_bundle(site: Site) -> None:
    wrong = site.bundle("ci", "bob", sequence=2**53 - 1)
    site.pushed(wrong)
    good = site.bundle("ci", "bob", name="good.tar", seed="good", sequence=100)
    site.refuses(good, "AB-TRUST-OLDER")
    new = site.path / "policy-2.yaml"
    said = run("airgap-import", "policy", "revoke", "--bundle", bundle_id(wrong), "--policy", site.policy, "-o", new)
    assert said.status == 0, said.err
    update_policy(site, new)
    site.pushed(good)


def test_indefinite_freeze_by_an_expired_bundle(site: Site) -> None:
    day = now() - DAY
    bundle = site.bundle("ci", "bob", created=now() - 9 * DAY, expires=day)
    site.refuses(bundle, "AB-TRUST-EXPIRED", f"{day:%Y-%m-%d}")


def test_indefinite_freeze_by_a_bundle_that_the_policy_calls_too_old(site: Site) -> None:
    site.refuses(site.bundle("ci", "bob", created=now() - 181 * DAY), "AB-TRUST-TOO-OLD", "180 days", "plane")


def test_indefinite_freeze_by_setting_the_clock_back(loaded: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log proves when the CI job signed, so only the ledger's newest bundle tells that the clock is wrong."""
    old = named(loaded, "redis", created=now() - 4 * DAY, expires=now() - 2 * DAY)
    loaded.refuses(old, "AB-TRUST-EXPIRED")
    set_clock(monkeypatch, now() - 3 * DAY)
    loaded.refuses(old, "AB-TRUST-CLOCK", f"{now() - 3 * DAY:%Y-%m-%d}")


def test_a_clock_that_runs_ahead_lets_nothing_in_that_has_expired_by_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = site.bundle("ci", "bob", expires=now() + 90 * DAY)
    set_clock(monkeypatch, now() + 91 * DAY)
    site.refuses(bundle, "AB-TRUST-EXPIRED")
    set_clock(monkeypatch, now() + 23 * DAY / 24)
    site.pushed(bundle)


def test_a_clock_of_1970_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = site.bundle("ci", "bob")
    set_clock(monkeypatch, dt.datetime(1970, 1, 2, tzinfo=dt.UTC))
    site.refuses(bundle, "AB-TRUST-THRESHOLD", "in the future")


@pytest.mark.parametrize("source", ["/dev/zero", "zeros"])
def test_endless_data_in_place_of_a_bundle(site: Site, source: str) -> None:
    endless = site.path / "endless"
    if source == "zeros":
        endless.touch()
        os.truncate(endless, 1 << 40)
    else:
        endless.symlink_to(source)
    said = site.push(endless)
    assert said.status in {2, 4}, said.err
    assert site.snapshot() == {}


def test_endless_data_behind_a_bundle(site: Site) -> None:
    bundle = site.bundle("ci", "bob")
    os.truncate(bundle, 1 << 40)
    site.refuses(bundle, "AB-BUNDLE-TRAILING", status=4)


def test_endless_data_as_a_signature(site: Site) -> None:
    bundle = site.bundle("ci")
    beside = site.path / "plane.tar.signatures"
    beside.mkdir()
    (beside / f"openpgp-{site.who.bob}.sig").touch()
    os.truncate(beside / f"openpgp-{site.who.bob}.sig", 1 << 40)
    site.refuses(bundle, "AB-BUNDLE-SIGNATURES", f"openpgp-{site.who.bob}.sig", status=4)


def test_ten_thousand_signatures(site: Site) -> None:
    bundle = site.bundle("ci")
    beside = site.path / "plane.tar.signatures"
    beside.mkdir()
    for number in range(10_000):
        (beside / f"openpgp-{number:040x}.sig").write_bytes(b"x")
    site.refuses(bundle, "AB-BUNDLE-SIGNATURES", "16", status=4)


def test_extraneous_content_that_no_inventory_names(site: Site) -> None:
    bundle = site.bundle("ci", "bob")
    raw = bundle.read_bytes()
    member_at = next(at for at in range(0, len(raw), BLOCK_BYTES) if raw[at:].startswith(b"blobs/sha256/"))
    extra = raw[: -2 * BLOCK_BYTES] + raw[member_at:]
    bundle.write_bytes(extra)
    site.refuses(bundle, "AB-BUNDLE-TRAILING", status=4)


def test_mix_and_match_of_the_inventory_of_one_and_the_content_of_another(site: Site) -> None:
    signed, other = site.parts(seed="signed"), site.parts(seed="other")
    signatures = tuple(site.who.signatures(("ci", "bob"), signed.inventory_bytes))
    mixed = replace(signed, members=other.members, blobs=other.blobs, signatures=signatures)
    bundle = replace(mixed, raw_inventory=signed.inventory_bytes).write(site.path / "mixed.tar")
    site.refuses(bundle, "AB-BUNDLE-MEMBER", "index.json", status=4)


def test_mix_and_match_of_one_blob(site: Site) -> None:
    """The registry takes blobs that nobody refers to; no tag and no manifest may appear, and the import is noted."""
    bundle = site.bundle("ci", "bob")
    raw = bytearray(bundle.read_bytes())
    raw[-2 * BLOCK_BYTES - 600] ^= 1
    bundle.write_bytes(raw)
    said = site.push(bundle)
    assert (said.status, "sha256:" in said.err) == (4, True), said.err
    assert not [name for name in site.snapshot() if "tags" in name.split("/")]
    assert [one["event"] for one in site.audit()] == ["push-begun", "push-stopped"]


def test_wrong_software_of_a_product_that_the_policy_does_not_know(tmp_path: Path) -> None:
    site = Site(path=tmp_path)
    site.write_policy("".join(line for line in REST.splitlines(keepends=True) if '"*"' not in line))
    site.refuses(named(site, "grafana"), "AB-TRUST-PRODUCT", "grafana")


def test_wrong_software_under_repositories_of_another_product(site: Site) -> None:
    site.refuses(named(site, "redis", repository=PLANE), "AB-TRUST-REPOSITORY", "registry.example/plane/backend")


def test_key_compromise_below_the_threshold(site: Site) -> None:
    site.refuses(site.bundle("ci"), "AB-TRUST-THRESHOLD", "review")
    site.refuses(site.bundle("ci", "mallory"), "AB-TRUST-THRESHOLD", "review")
    site.refuses(site.bundle("bob"), "AB-TRUST-THRESHOLD", "release")


# --- Of a site with several people


def test_a_stolen_ci_key_signing_plane2_to_write_planes_repositories(site: Site) -> None:
    """By itself the CI key may release anything of the general entry, so only the closed repositories stop it."""
    site.refuses(named(site, "plane2", repository=PLANE), "AB-TRUST-REPOSITORY", "plane2", "plane/backend")
    mixed = Corpus(tags={(THIRD, "7"): single_image("t", size=500), (PLANE, "1.0"): single_image("p", size=500)})
    parts = parts_of(mixed, name="plane2", created=now(), sequence=5)
    site.refuses(site.bundle("ci", parts=parts), "AB-TRUST-REPOSITORY", "plane/backend")
    site.pushed(named(site, "plane2"))


def test_a_stolen_ci_key_reaching_planes_repositories_by_a_map(site: Site) -> None:
    site.refuses(
        named(site, "plane2"),
        "AB-TRUST-REPOSITORY",
        "plane/backend",
        options=("--map", f"registry.example/{THIRD}=registry.example/{PLANE}"),
    )


def test_one_person_as_release_and_as_review(site: Site) -> None:
    site.refuses(site.bundle("alice"), "AB-TRUST-THRESHOLD", "alice", "review")


def test_one_person_with_two_keys_is_one_person(site: Site) -> None:
    with gnupg_home() as home:
        second = home.make_key("Alice again <alice2@example.com>")
        entry = site.who.signers().split("  bob:")[0]
        extra = signer_text("x", second, home.public_key(second)).split("openpgp:\n", 1)[1]
        first = entry.split("openpgp:\n", 1)[1]
        both = (
            "  alice:\n    openpgp:\n"
            + as_item(first)
            + as_item(extra)
            + "  bob:"
            + site.who.signers().split("  bob:")[1]
        )
        site.policy.write_bytes(policy_text(both, REST))
        parts = site.parts()
        signatures = (
            site.who.signature("alice", parts.inventory_bytes),
            SignatureFile(name=f"openpgp-{second}.sig", data=home.sign(parts.inventory_bytes, second)),
        )
        bundle = replace(parts, signatures=signatures).write(site.path / "plane.tar")
        site.refuses(bundle, "AB-TRUST-THRESHOLD", "signed by alice, each counted once")


def test_a_threshold_of_two_met_by_one_key_twice(tmp_path: Path) -> None:
    site = Site(path=tmp_path)
    rest = REST.replace(
        "review: {signers: [alice, bob], threshold: 1}", "review: {signers: [alice, bob], threshold: 2}"
    )
    site.write_policy(rest)
    parts = site.parts()
    twice = site.who.home.sign(parts.inventory_bytes, site.who.bob) * 2
    signatures = (
        site.who.signature("ci", parts.inventory_bytes),
        SignatureFile(name=f"openpgp-{site.who.bob}.sig", data=twice),
    )
    site.refuses(
        replace(parts, signatures=signatures).write(site.path / "x.tar"), "AB-TRUST-THRESHOLD", "2 OpenPGP packets"
    )


def test_a_backdated_signature_by_a_revoked_key(site: Site) -> None:
    site.write_policy(f"revoked: {{keys: [{{openpgp: {site.who.bob}}}]}}\n{REST}")
    parts = site.parts()
    backdated = site.who.home.gpg(
        "--local-user", site.who.bob, "--detach-sign", data=parts.inventory_bytes, at=f"{now():%Y%m%dT%H%M%S}!"
    )
    signatures = (
        site.who.signature("ci", parts.inventory_bytes),
        SignatureFile(name=f"openpgp-{site.who.bob}.sig", data=backdated),
    )
    bundle = replace(parts, signatures=signatures).write(site.path / "plane.tar")
    site.refuses(bundle, "AB-TRUST-THRESHOLD", "bob", "revoked")


def test_a_signature_by_somebody_whose_time_is_over(site: Site) -> None:
    site.write_policy(until="2026-01-01")
    site.refuses(site.bundle("ci", "bob"), "AB-TRUST-THRESHOLD", "bob", "2026-01-01")
    site.refuses(site.bundle("bob", name="x.tar"), "AB-TRUST-SIGNER-ENDED", "bob", "2026-01-01")


def test_a_bundle_for_another_site(site: Site) -> None:
    site.write_policy(head="audience: site-a\n")
    site.refuses(site.bundle("ci", "bob", audience=("site-b",)), "AB-TRUST-AUDIENCE", "site-a", "site-b")
    site.pushed(site.bundle("ci", "bob", audience=("site-a", "site-b"), seed="ours"))


def test_a_bundle_for_another_site_where_the_policy_says_not_who_is_here(site: Site) -> None:
    site.refuses(site.bundle("ci", "bob", audience=("site-b",)), "AB-TRUST-AUDIENCE", "site-b")


def test_a_policy_with_swapped_key_material(site: Site) -> None:
    text = site.policy.read_text()
    mine = signer_text("bob", site.who.bob, site.who.home.public_key(site.who.bob))
    theirs = signer_text("bob", site.who.bob, site.who.home.public_key(site.who.mallory))
    assert mine in text
    site.policy.write_text(text.replace(mine, theirs))
    said = site.push(site.bundle("ci", "mallory"))
    assert (said.status, "AB-POLICY-INVALID" in said.err or "AB-POLICY-KEY" in said.err) == (2, True), said.err
    assert site.snapshot() == {}


def test_a_trusted_root_that_was_swapped(site: Site) -> None:
    (site.path / "trusted_root.json").write_text(json.dumps({"mediaType": "x"}))
    said = site.push(site.bundle("ci", "bob"))
    assert (said.status, "trusted_root.json" in said.err) == (2, True), said.err
    assert site.snapshot() == {}


def test_a_fresh_state_directory(loaded: Site) -> None:
    old = loaded.bundle("ci", "bob", name="old.tar", seed="old", sequence=1)
    fresh = loaded.path / "fresh"
    loaded.refuses(old, "AB-TRUST-NOT-ADOPTED", "receipts", state=fresh)
    # Adopting takes over the mark too.
    loaded.refuses(old, "AB-TRUST-OLDER", "100", state=fresh, options=("--adopt", "--reason", "the disk broke"))
    said = loaded.push(loaded.path / "plane.tar", "--adopt", "--reason", "the disk broke", state=fresh)
    assert said.status == 0, said.err
    begun = [one for one in loaded.audit(fresh) if one["event"] == "push-begun"]
    assert [one["details"] for one in begun] == [{"adopt": "the disk broke"}]


def test_a_state_directory_that_was_put_back(loaded: Site) -> None:
    kept = loaded.path / "kept"
    shutil.copytree(loaded.state, kept)
    kept.chmod(0o700)
    loaded.pushed(loaded.bundle("ci", "bob", name="next.tar", seed="next", sequence=200))
    between = loaded.bundle("ci", "bob", name="between.tar", seed="between", sequence=150)
    loaded.refuses(between, "AB-TRUST-OLDER", "200", state=kept)


def test_a_ledger_that_was_damaged(loaded: Site) -> None:
    raw = bytearray((loaded.state / "ledger.sqlite3").read_bytes())
    raw[100:4096] = bytes(3996)
    (loaded.state / "ledger.sqlite3").write_bytes(raw)
    for beside in loaded.state.glob("ledger.sqlite3-*"):
        beside.unlink()
    before = loaded.snapshot()
    said = loaded.push(loaded.bundle("ci", "bob", name="next.tar", seed="next", sequence=200))
    assert (said.status, "AB-LEDGER-DAMAGED" in said.err) == (6, True), said.err
    assert loaded.snapshot() == before


def test_a_policy_made_on_the_spot_by_an_operator(loaded: Site) -> None:
    key = read_public_key(loaded.who.home.public_key(loaded.who.mallory))
    own = loaded.path / "own.yaml"
    own.write_bytes(initial_policy(key, "mallory"))
    evil = loaded.bundle("mallory", name="evil.tar", seed="evil", sequence=200)
    loaded.refuses(evil, "AB-LEDGER-POLICY", "version 1", policy=own)
    # Nor with a state directory of their own: the receipts in the registry know a policy of that version.
    fresh = loaded.path / "fresh"
    loaded.refuses(evil, "AB-LEDGER-POLICY", policy=own, state=fresh)
    loaded.refuses(evil, "AB-LEDGER-POLICY", policy=own, state=fresh, options=("--adopt", "--reason", "mine"))


def test_a_policy_in_the_working_directory_or_beside_the_bundle(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.path)
    monkeypatch.delenv("AIRGAP_POLICY", raising=False)
    bundle = site.bundle("ci", "bob")
    said = run("airgap-import", "push", bundle, site.dest, "--state", site.state)
    assert (said.status, "AB-TRUST-NO-POLICY" in said.err) == (3, True), said.err
    assert site.snapshot() == {}
    assert [one["details"]["code"] for one in site.audit()] == ["AB-TRUST-NO-POLICY"]


@pytest.mark.parametrize("mode", [0o666, 0o646])
def test_a_policy_that_everybody_may_write(site: Site, mode: int) -> None:
    site.policy.chmod(mode)
    site.refuses(site.bundle("ci", "bob"), "AB-POLICY-WRITABLE", "policy.yaml")


def test_a_policy_of_ones_own_beside_the_machines(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine has a policy, naming another one changes nothing, and is said."""
    own = site.path / "own.yaml"
    own.write_bytes(initial_policy(read_public_key(site.who.home.public_key(site.who.mallory)), "mallory"))
    monkeypatch.setitem(policy_location.__kwdefaults__, "system", str(site.policy))
    said = site.refuses(site.bundle("mallory"), "AB-TRUST-UNKNOWN-SIGNER", policy=own)
    assert "own.yaml is not looked at" in said.text


def test_an_override_from_the_environment(loaded: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    old = loaded.bundle("ci", "bob", name="old.tar", seed="old", sequence=1)
    for name in ("ALLOW_OLDER", "ALLOW_EXPIRED", "PUSH_ALLOW_OLDER", "IMPORT_ALLOW_OLDER"):
        monkeypatch.setenv(f"AIRGAP_{name}", bundle_id(old))
    for name in ("REASON", "PUSH_REASON", "ADOPT", "FORCE", "INSECURE"):
        monkeypatch.setenv(f"AIRGAP_{name}", "1")
    loaded.refuses(old, "AB-TRUST-OLDER")


def test_an_override_that_the_policy_gives_goes_into_receipt_and_audit(loaded: Site) -> None:
    old = loaded.bundle("ci", "bob", name="old.tar", seed="old", sequence=1)
    options = ("--allow-older", bundle_id(old), "--reason", "the new one broke production")
    loaded.pushed(old, *options)
    noted = next(one for one in reversed(loaded.audit()) if one["event"] == "push-begun")
    assert noted["details"] == {"allow-older": "AB-TRUST-OLDER: the new one broke production"}
    receipt = max((loaded.state / "receipts").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    assert json.loads(receipt.read_bytes())["overrides"][0]["reason"] == "the new one broke production"


def test_an_override_without_its_role_or_for_another_bundle(loaded: Site) -> None:
    third = named(loaded, "redis", sequence=100)
    loaded.pushed(third)
    old = named(loaded, "redis", name="older.tar", seed="older", sequence=1)
    options = ("--allow-older", bundle_id(old), "--reason", "please")
    loaded.refuses(old, "AB-TRUST-OVERRIDE", "allows no overrides", options=options)
    plane = loaded.bundle("ci", "bob", name="old.tar", seed="old", sequence=1)
    loaded.refuses(plane, "AB-TRUST-OLDER", options=options)


def test_an_override_without_a_reason(loaded: Site) -> None:
    old = loaded.bundle("ci", "bob", name="old.tar", seed="old", sequence=1)
    before = loaded.snapshot()
    said = loaded.push(old, "--allow-older", bundle_id(old))
    assert (said.status, "AB-TRUST-OVERRIDE-REASON" in said.err, loaded.snapshot() == before) == (2, True, True)


def test_a_signature_of_another_bundle(site: Site) -> None:
    parts, other = site.parts(seed="a"), site.parts(seed="b")
    signatures = tuple(site.who.signatures(("ci", "bob"), other.inventory_bytes))
    site.refuses(replace(parts, signatures=signatures).write(site.path / "x.tar"), "AB-TRUST-BAD-SIGNATURE")


def test_a_signature_of_a_receipt(loaded: Site) -> None:
    """The receipt itself in place of the inventory, signed by everybody: it is of another type."""
    (receipt,) = (loaded.state / "receipts").iterdir()
    raw = receipt.read_bytes()
    parts = loaded.parts(seed="x", sequence=200)
    signatures = tuple(loaded.who.signatures(("ci", "bob"), raw))
    bundle = replace(parts, raw_inventory=raw, signatures=signatures).write(loaded.path / "x.tar")
    loaded.refuses(bundle, "AB-BUNDLE-INVENTORY", "_type", status=4)
    # And its signature beside an honest inventory.
    bundle = replace(parts, signatures=signatures).write(loaded.path / "y.tar")
    loaded.refuses(bundle, "AB-TRUST-BAD-SIGNATURE")


def test_a_signature_of_a_policy(site: Site) -> None:
    signatures = tuple(site.who.signatures(("ci", "bob"), site.policy.read_bytes()))
    parts = replace(site.parts(), raw_inventory=site.policy.read_bytes(), signatures=signatures)
    site.refuses(parts.write(site.path / "x.tar"), "AB-BUNDLE-INVENTORY", status=4)


@pytest.mark.parametrize("indent", [0, None])
def test_a_signature_of_the_same_json_in_other_bytes(site: Site, indent: int | None) -> None:
    parts = site.parts()
    other = json.dumps(json.loads(parts.inventory_bytes), indent=indent).encode()
    assert other != parts.inventory_bytes
    # The signature of the one beside the other …
    signatures = tuple(site.who.signatures(("ci", "bob"), other))
    site.refuses(replace(parts, signatures=signatures).write(site.path / "x.tar"), "AB-TRUST-BAD-SIGNATURE")
    # … and an inventory in other bytes with its own signature: it has one spelling.
    bundle = replace(parts, raw_inventory=other, signatures=signatures).write(site.path / "y.tar")
    site.refuses(bundle, "AB-BUNDLE-INVENTORY", status=4)


@pytest.mark.parametrize(
    "release",
    [
        "{signers: [alice], threshold: 1}",
        "{signers: [release-ci], threshold: 1}",
        "{signers: [release-ci, alice], threshold: 2}",
        "{signers: [alice, bob, release-ci], threshold: 3}",
    ],
    ids=["only OpenPGP", "only Sigstore", "both", "three of three"],
)
def test_no_signature_at_all_under_each_shape_of_a_policy(tmp_path: Path, release: str) -> None:
    site = Site(path=tmp_path)
    site.write_policy(f'roles:\n  release: {release}\nproducts:\n  "*": {{require: [release], repositories: ["**"]}}\n')
    site.refuses(site.bundle(), "AB-TRUST-UNSIGNED")


def test_an_empty_policy_refuses_everything(tmp_path: Path) -> None:
    site = Site(path=tmp_path)
    site.policy.write_bytes(policy_text("", ""))
    site.refuses(site.bundle("ci", "bob", "alice"), "AB-TRUST-UNKNOWN-SIGNER", "names no signer")


@pytest.mark.parametrize("payload", [b"", b"garbage", b"\xff\xfe", b"[]", b"null", b"{" * 5000, b'{"_type":"x"}'])
def test_a_valid_signature_over_something_that_is_no_inventory(site: Site, payload: bytes) -> None:
    signatures = tuple(site.who.signatures(("ci", "bob"), payload))
    parts = replace(site.parts(), signatures=signatures)
    # An empty inventory stands for "the usual one" in `Parts`.
    bundle = (replace(parts, raw_inventory=payload) if payload else parts).write(site.path / "x.tar")
    said = site.push(bundle)
    assert said.status == (4 if payload else 3), said.err
    assert site.snapshot() == {}
    assert [one["event"] for one in site.audit()] == ["refused"]


def test_a_bundle_that_expired_before_it_was_made(site: Site) -> None:
    parts = site.parts()
    document = json.loads(parts.inventory_bytes)
    document["expires"] = "2020-01-01T00:00:00Z"
    raw = canonical(document)
    signatures = tuple(site.who.signatures(("ci", "bob"), raw))
    bundle = replace(parts, raw_inventory=raw, signatures=signatures).write(site.path / "x.tar")
    said = site.push(bundle)
    assert said.status in {3, 4}, said.err
    assert site.snapshot() == {}


def test_a_forged_receipt_in_the_registry_can_only_make_it_stricter(loaded: Site) -> None:
    """Nobody has signed the receipts there, so one that says less must not let an older bundle in."""
    tags = [name for name in loaded.snapshot() if "airgap-receipts" in name]
    assert tags
    for name in tags:
        (loaded.path / "registry" / name).unlink()
    old = loaded.bundle("ci", "bob", name="old.tar", seed="old", sequence=99)
    loaded.refuses(old, "AB-TRUST-OLDER", "100")


@pytest.mark.parametrize("digest", ["MD5", "SHA1", "RIPEMD160"])
def test_a_signature_with_a_weak_hash(site: Site, digest: str) -> None:
    parts = site.parts()
    key = site.who.home.make_key(f"{digest}@example.com", algorithm="rsa2048")
    policy = policy_text(signer_text("alice", key, site.who.home.public_key(key)), LONELY)
    site.policy.write_bytes(policy)
    weak = ("--digest-algo", digest, "--allow-weak-digest-algos", "--allow-weak-key-signatures")
    data = site.who.home.sign(parts.inventory_bytes, key, *weak)
    signatures = (SignatureFile(name=f"openpgp-{key}.sig", data=data),)
    site.refuses(replace(parts, signatures=signatures).write(site.path / "x.tar"), "AB-TRUST-WEAK-SIGNATURE")


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x00" * 300, b"{}", b"-----BEGIN PGP SIGNATURE-----\n"])
def test_junk_in_place_of_a_signature(site: Site, junk: bytes) -> None:
    parts = site.parts()
    good = site.who.signature("ci", parts.inventory_bytes)
    bundle = replace(parts, signatures=(good,)).write(site.path / "x.tar")
    beside = site.path / "x.tar.signatures"
    beside.mkdir()
    (beside / f"openpgp-{site.who.bob}.sig").write_bytes(junk)
    said = site.push(bundle)
    assert said.status in {3, 4}, said.err
    assert site.snapshot() == {}
    assert [one["event"] for one in site.audit()] == ["refused"]


def test_a_key_in_the_users_keyring_or_in_the_bundle_is_not_in_the_policy(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(site.who.home.path))
    site.policy.write_bytes(
        policy_text(signer_text("alice", site.who.alice, site.who.home.public_key(site.who.alice)), LONELY)
    )
    site.refuses(site.bundle("bob"), "AB-TRUST-UNKNOWN-SIGNER", site.who.bob)
    key = site.who.home.public_key(site.who.bob).encode()
    with_key = site.parts().with_member("airgap/manifest.yaml", key)
    said = site.push(site.bundle("bob", parts=with_key))
    assert said.status in {3, 4}, said.err
    assert site.snapshot() == {}


def test_terminal_sequences_in_what_a_stranger_says_are_shown_and_not_obeyed(site: Site) -> None:
    bundle = site.bundle("ci", "bob", version="1.0.0", audience=("site-a",))
    target = site.path / "evil\x1b[2J\x1b]52;c;AAAA\x07.tar"
    bundle.rename(target)
    said = site.push(target)
    assert said.status == 3
    assert "\x1b" not in said.err
    assert "\x07" not in said.err


LONELY = """\
roles:
  release: {signers: [alice], threshold: 1}
products:
  "*": {require: [release], repositories: ["**"]}
"""


def named(site: Site, product: str, *, repository: str = THIRD, name: str = "", **options: object) -> Path:
    """A bundle of another product that the CI key alone has signed."""
    facts = {"sequence": 10, "seed": product, **options}
    parts = site.parts(repository=repository, name=product, **facts)
    return site.bundle("ci", name=name or f"{product}.tar", parts=parts)


def as_item(entry: str) -> str:
    """The lines of a key as one entry of a list."""
    lines = entry.splitlines(keepends=True)
    return "      - " + lines[0].lstrip() + "".join("  " + line for line in lines[1:])


def set_clock(monkeypatch: pytest.MonkeyPatch, moment: dt.datetime) -> None:
    """The clock that an import is given."""
    monkeypatch.setitem(Push.__init__.__kwdefaults__, "now", lambda: moment)


def update_policy(site: Site, new: Path) -> None:
    """Let the root role sign it, let it take over, and put it into its place."""
    files: list[object] = []
    for one in site.who.signatures(("alice", "bob"), new.read_bytes()):
        (site.path / one.name).write_bytes(one.data)
        files += ["--signature", site.path / one.name]
    places = ("--policy", site.policy, "--state", site.state)
    said = run("airgap-import", "policy", "update", new, *files, *places)
    assert said.status == 0, said.err
    new.replace(site.policy)


def test_a_refused_verification_shows_how_far_it_came(site: Site) -> None:
    site.write_policy(head="audience: site-a\n")
    bundle = site.bundle("ci", "bob", audience=("site-b",))
    said = run("airgap-import", "verify", bundle, "--policy", site.policy)
    assert (said.status, "AB-TRUST-AUDIENCE" in said.err) == (3, True)
    assert [line.split()[0] for line in said.out.splitlines() if line[:1].isdigit()] == list("122344445")
    assert "Accepted" not in said.text
