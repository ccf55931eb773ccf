"""May this come in: signatures, roles, products, revocation, freshness, overrides; each refusal by its code."""

from __future__ import annotations

import itertools
import os
import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.keys import GnuPgHome, gnupg_home
from support.policies import policy_text, signer_text

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import TrustError, UsageError
from airgap_bundle.trust.decision import Decision, Outcome, Overrides, decide
from airgap_bundle.trust.freshness import Accepted, History, InventoryClaims, high_water_mark
from airgap_bundle.trust.policy import parse_policy
from airgap_bundle.trust.policy_model import Policy, Role
from airgap_bundle.trust.roles import fill_roles
from airgap_bundle.trust.signatures import check_signatures

if TYPE_CHECKING:
    from collections.abc import Callable

INVENTORY = b'{"_type":"inventory","name":"plane"}'
BUNDLE = Digest.of(INVENTORY)
OTHER = Digest.of(b"another")
NOW = datetime.now(UTC)
REST = """\
audience: site-a
roles:
  root: {signers: [alice, bob], threshold: 2}
  release: {signers: [alice, ci], threshold: 1}
  review: {signers: [alice, bob], threshold: 1}
products:
  "*": {require: [release], repositories: ["third-party/**"]}
  plane: {require: [release, review], repositories: ["docker.io/**"], maxAge: 180d, overrides: [review]}
  strict: {require: [release], repositories: ["strict/**"]}
"""
CLAIMS = InventoryClaims(
    name="plane",
    version="1.7.0",
    bundle_id=BUNDLE,
    sequence=100,
    created=NOW - timedelta(days=1),
    expires=NOW + timedelta(days=90),
    audience=("site-a",),
    repositories=("docker.io/library/redis",),
)


@pytest.fixture(scope="session")
def ci(home: GnuPgHome) -> str:
    return home.make_key("CI <ci@example.com>")


@pytest.fixture(scope="session")
def signers(home: GnuPgHome, alice: str, bob: str, ci: str) -> str:
    return "".join(
        signer_text(name, key, home.public_key(key)) for name, key in (("alice", alice), ("bob", bob), ("ci", ci))
    )


@pytest.fixture(scope="session")
def policy(signers: str) -> Policy:
    return parse_policy(policy_text(signers, REST), "policy.yaml")


@pytest.fixture(scope="session")
def signed(home: GnuPgHome, alice: str, bob: str, ci: str) -> dict[str, tuple[str, bytes]]:
    """A signature file of each person over the inventory."""
    keys = {"alice": alice, "bob": bob, "ci": ci}
    return {name: (f"openpgp-{key}.sig", home.sign(INVENTORY, key)) for name, key in keys.items()}


@pytest.fixture
def judge(policy: Policy, signed: dict[str, tuple[str, bytes]]) -> Callable[..., Decision]:
    def run(
        *people: str,
        policy: Policy = policy,
        history: History | None = None,
        now: datetime = NOW,
        overrides: Overrides | None = None,
        **changes: object,
    ) -> Decision:
        verdict = check_signatures(policy, INVENTORY, [signed[name] for name in people or ("ci", "bob")], now)
        return decide(policy, verdict, replace(CLAIMS, **changes), history or History(), now, overrides)  # type: ignore[arg-type] - fields by name

    return run


def code_of(call: Callable[..., object], *arguments: object, **named: object) -> str:
    with pytest.raises(TrustError) as caught:
        call(*arguments, **named)
    assert caught.value.exit_status == 3
    assert caught.value.message
    return caught.value.code


def test_a_bundle_that_holds_in_every_respect_is_accepted_with_its_evidence(judge: Callable[..., Decision]) -> None:
    decision = judge()
    assert decision.roles == {"release": ("ci",), "review": ("bob",)}
    assert decision.roles_of("bob") == ("review",)
    assert [step.number for step in decision.steps] == sorted(step.number for step in decision.steps)
    assert {step.outcome for step in decision.steps} == {Outcome.PASSED}
    assert [step.title for step in decision.steps] == [
        "signature", "signature", "product", "role release", "role review", "repositories", "revocation", "audience",
        "clock", "expiry", "sequence",
    ]  # fmt: skip
    assert any("signer's word" in sentence for sentence in decision.not_checked)


# Signatures


def test_an_unsigned_bundle_is_refused(policy: Policy) -> None:
    assert code_of(check_signatures, policy, INVENTORY, [], NOW) == "AB-TRUST-UNSIGNED"


def test_an_empty_policy_refuses_every_signature(signed: dict[str, tuple[str, bytes]]) -> None:
    empty = parse_policy(policy_text("", ""), "policy.yaml")
    assert code_of(check_signatures, empty, INVENTORY, signed.values(), NOW) == "AB-TRUST-UNKNOWN-SIGNER"


def test_a_key_that_is_not_in_the_policy_is_unknown(home: GnuPgHome, policy: Policy) -> None:
    key = home.make_key("Mallory <mallory@example.com>")
    signature = home.sign(INVENTORY, key)
    code = code_of(check_signatures, policy, INVENTORY, [(f"openpgp-{key}.sig", signature)], NOW)
    assert code == "AB-TRUST-UNKNOWN-SIGNER"


def test_a_file_name_cannot_lend_somebody_elses_name(home: GnuPgHome, policy: Policy, alice: str) -> None:
    key = home.make_key("Eve <eve@example.com>")
    signature = home.sign(INVENTORY, key)
    code = code_of(check_signatures, policy, INVENTORY, [(f"openpgp-{alice}.sig", signature)], NOW)
    assert code == "AB-TRUST-UNKNOWN-SIGNER"


@pytest.mark.parametrize("data", [INVENTORY + b"\n", INVENTORY.replace(b":", b": "), b"", b'{"_type":"receipt"}'])
def test_a_signature_over_other_bytes_is_refused(
    policy: Policy, signed: dict[str, tuple[str, bytes]], data: bytes
) -> None:
    assert code_of(check_signatures, policy, data, [signed["ci"]], NOW) == "AB-TRUST-BAD-SIGNATURE"


@pytest.mark.parametrize("name", ["openpgp.sig", "../openpgp-x.sig", "openpgp-\x1b[31m.sig", "", "openpgp-ABCD.sig"])
def test_a_name_that_is_no_signatures_name_counts_for_nothing(
    policy: Policy, signed: dict[str, tuple[str, bytes]], name: str
) -> None:
    with pytest.raises(TrustError) as caught:
        check_signatures(policy, INVENTORY, [(name, signed["ci"][1])], NOW)
    assert caught.value.code == "AB-TRUST-BAD-SIGNATURE"
    assert caught.value.message.isprintable()


def test_a_bad_signature_beside_a_good_one_is_reported_and_harmless(
    policy: Policy, signed: dict[str, tuple[str, bytes]], alice: str
) -> None:
    verdict = check_signatures(policy, INVENTORY, [(f"openpgp-{alice}.sig", b"junk"), signed["ci"]], NOW)
    assert verdict.signers == ("ci",)
    assert [item.code for item in verdict.uncounted] == ["AB-TRUST-BAD-SIGNATURE"]


def test_too_many_or_too_large_signatures_are_refused_unread(policy: Policy) -> None:
    many = [(f"openpgp-{n:040x}.sig", b"x") for n in range(10_000)]
    assert code_of(check_signatures, policy, INVENTORY, many, NOW) == "AB-TRUST-SIGNATURE-LIMITS"
    large = [("openpgp-" + "0" * 40 + ".sig", bytes(64 * 1024 + 1))]
    assert code_of(check_signatures, policy, INVENTORY, large, NOW) == "AB-TRUST-SIGNATURE-LIMITS"


def test_the_same_file_inside_and_beside_is_one_and_two_of_a_name_are_refused(
    policy: Policy, signed: dict[str, tuple[str, bytes]]
) -> None:
    twice = [signed["ci"], signed["ci"]]
    assert len(check_signatures(policy, INVENTORY, twice, NOW).counted) == 1
    two = [signed["ci"], (signed["ci"][0], b"other")]
    assert code_of(check_signatures, policy, INVENTORY, two, NOW) == "AB-TRUST-SIGNATURE-LIMITS"


def test_kinds_that_cannot_be_checked_never_count(policy: Policy, signed: dict[str, tuple[str, bytes]]) -> None:
    name = "keyless-" + "0" * 16 + ".sigstore.json"
    with pytest.raises(TrustError):
        check_signatures(policy, INVENTORY, [(name, b"{}")], NOW)
    assert check_signatures(policy, INVENTORY, [(name, b"{}"), signed["ci"]], NOW).signers == ("ci",)


def test_a_signer_whose_time_is_over_does_not_count(
    home: GnuPgHome, alice: str, signed: dict[str, tuple[str, bytes]]
) -> None:
    text = signer_text("alice", alice, home.public_key(alice), until="2026-01-31")
    policy = parse_policy(policy_text(text, ""), "policy.yaml")
    code = code_of(check_signatures, policy, INVENTORY, [signed["alice"]], datetime(2026, 2, 1, tzinfo=UTC))
    assert code == "AB-TRUST-SIGNER-ENDED"


def test_a_revoked_key_counts_for_nothing_but_what_is_in_the_ledger(
    signers: str, alice: str, signed: dict[str, tuple[str, bytes]]
) -> None:
    revoked = parse_policy(policy_text(signers, f"revoked: {{keys: [{{openpgp: {alice}}}]}}\n"), "policy.yaml")
    files = [signed["alice"]]
    assert code_of(check_signatures, revoked, INVENTORY, files, NOW) == "AB-TRUST-REVOKED-KEY"
    assert code_of(check_signatures, revoked, INVENTORY, files, NOW, accepted={OTHER}) == "AB-TRUST-REVOKED-KEY"
    assert check_signatures(revoked, INVENTORY, files, NOW, accepted={BUNDLE}).signers == ("alice",)


def test_a_backdated_signature_by_a_revoked_key_is_refused(home: GnuPgHome) -> None:
    key = home.make_key("Backdated <backdated@example.com>", at="20240101T000000!")
    signature = home.sign(INVENTORY, key, at="20240102T000000!")
    text = signer_text("x", key, home.public_key(key))
    policy = parse_policy(policy_text(text, f"revoked: {{keys: [{{openpgp: {key}}}]}}\n"), "policy.yaml")
    code = code_of(check_signatures, policy, INVENTORY, [(f"openpgp-{key}.sig", signature)], NOW)
    assert code == "AB-TRUST-REVOKED-KEY"


def test_the_policy_can_revoke_one_subkey(home: GnuPgHome) -> None:
    key = home.make_key("Subkeys <subkeys@example.com>")
    subkey = home.add_subkey(key)
    text = signer_text("x", key, home.public_key(key))
    policy = parse_policy(policy_text(text, f"revoked: {{keys: [{{openpgp: {subkey}}}]}}\n"), "policy.yaml")
    name = f"openpgp-{key}.sig"
    by_subkey, by_primary = home.sign(INVENTORY, f"{subkey}!"), home.sign(INVENTORY, f"{key}!")
    assert code_of(check_signatures, policy, INVENTORY, [(name, by_subkey)], NOW) == "AB-TRUST-REVOKED-KEY"
    assert check_signatures(policy, INVENTORY, [(name, by_primary)], NOW).signers == ("x",)


# Roles


def test_one_person_never_fills_two_roles(judge: Callable[..., Decision]) -> None:
    assert code_of(judge, "alice") == "AB-TRUST-THRESHOLD"


def test_who_fills_what_is_solved_and_not_taken_as_it_comes(judge: Callable[..., Decision]) -> None:
    # alice could do both; bob only the review, ci only the release.
    assert judge("alice", "bob").roles == {"release": ("alice",), "review": ("bob",)}
    assert judge("alice", "ci").roles == {"release": ("ci",), "review": ("alice",)}


def test_two_subkeys_or_two_keys_of_one_person_are_one_person(home: GnuPgHome, alice: str) -> None:
    second = home.make_key("Alice again <alice2@example.com>")
    listed = "".join(
        "      - " + line.strip() + "\n"
        if line.strip().startswith("fingerprint")
        else "        " + line.removeprefix("      ") + "\n"
        for key in (alice, second)
        for line in signer_text("x", key, home.public_key(key)).splitlines()[2:]
    )
    rest = (
        "roles: {r: {signers: [alice, bob], threshold: 2}}\nproducts: {plane: {require: [r], repositories: ['**']}}\n"
    )
    bob = home.make_key("Bob two <bob2@example.com>")
    text = "  alice:\n    openpgp:\n" + listed + signer_text("bob", bob, home.public_key(bob))
    policy = parse_policy(policy_text(text, rest + "audience: site-a\n"), "policy.yaml")
    files = [(f"openpgp-{key}.sig", home.sign(INVENTORY, key)) for key in (alice, second)]
    verdict = check_signatures(policy, INVENTORY, files, NOW)
    assert (len(verdict.counted), verdict.signers) == (2, ("alice",))
    assert code_of(decide, policy, verdict, CLAIMS, History(), NOW) == "AB-TRUST-THRESHOLD"
    both = check_signatures(policy, INVENTORY, [*files, (f"openpgp-{bob}.sig", home.sign(INVENTORY, bob))], NOW)
    assert decide(policy, both, CLAIMS, History(), NOW).roles == {"r": ("alice", "bob")}


def test_fewer_people_than_the_threshold_are_refused(judge: Callable[..., Decision]) -> None:
    with pytest.raises(TrustError) as caught:
        judge("bob")
    assert caught.value.code == "AB-TRUST-THRESHOLD"
    assert "release" in caught.value.message
    assert "alice, ci" in caught.value.hint


def test_roles_are_filled_exactly() -> None:
    a = Role(name="a", signers=("p", "q", "r"), threshold=1)
    b = Role(name="b", signers=("p", "q"), threshold=1)
    c = Role(name="c", signers=("p",), threshold=1)
    assert fill_roles([a, b, c], ["p", "q", "r", "q"]) == {"a": ("r",), "b": ("q",), "c": ("p",)}
    assert fill_roles([a, b, c], ["p", "q"])["a"] == ("p",)
    assert fill_roles([], ["p"]) == {}
    assert fill_roles([a], []) == {"a": ()}


@pytest.mark.parametrize("seed", range(20))
def test_roles_are_filled_whenever_any_way_of_filling_them_exists(seed: int) -> None:
    chance = random.Random(seed)
    people = list("pqrst")
    roles = []
    for name in "abc":
        signers = tuple(sorted(chance.sample(people, chance.randint(1, 5))))
        roles.append(Role(name=name, signers=signers, threshold=chance.randint(1, min(2, len(signers)))))
    signed = chance.sample(people, chance.randint(1, 5))
    places = [role for role in roles for _ in range(role.threshold)]
    possible = any(
        all(person in role.signers for person, role in zip(order, places, strict=True))
        for order in itertools.permutations(signed, len(places))
    )
    filled = fill_roles(roles, signed)
    used = [person for found in filled.values() for person in found]
    assert len(used) == len(set(used))
    assert all(len(filled[role.name]) == role.threshold for role in roles) is possible


# Products and repositories


def test_a_product_that_the_policy_does_not_know_is_refused(
    signers: str, signed: dict[str, tuple[str, bytes]], judge: Callable[..., Decision]
) -> None:
    rest = REST.replace('  "*":', "  other:")
    policy = parse_policy(policy_text(signers, rest), "policy.yaml")
    assert code_of(judge, "ci", policy=policy, name="unknown") == "AB-TRUST-PRODUCT"


def test_a_stolen_ci_key_cannot_write_planes_repositories_under_another_name(judge: Callable[..., Decision]) -> None:
    assert code_of(judge, "ci", name="plane2") == "AB-TRUST-REPOSITORY"
    assert judge("ci", name="plane2", repositories=("third-party/x",)).entry == "*"


def test_one_repository_out_of_bounds_refuses_the_whole_bundle(judge: Callable[..., Decision]) -> None:
    with pytest.raises(TrustError) as caught:
        judge(repositories=("docker.io/a", "quay.io/b"))
    assert caught.value.code == "AB-TRUST-REPOSITORY"
    assert "quay.io/b" in caught.value.message


# Revocation, audience


def test_a_revoked_bundle_is_refused(signers: str, judge: Callable[..., Decision]) -> None:
    policy = parse_policy(policy_text(signers, REST + f"revoked: {{bundles: ['{BUNDLE}']}}\n"), "policy.yaml")
    assert code_of(judge, policy=policy) == "AB-TRUST-REVOKED-BUNDLE"


@pytest.mark.parametrize("audience", [("site-b",), ("site-b", "site-c"), ("site",), ("SITE-A",)])
def test_a_bundle_for_somebody_else_is_refused(judge: Callable[..., Decision], audience: tuple[str, ...]) -> None:
    assert code_of(judge, audience=audience) == "AB-TRUST-AUDIENCE"


def test_a_bundle_with_an_audience_is_refused_where_the_policy_says_not_who_is_here(
    signers: str, judge: Callable[..., Decision]
) -> None:
    policy = parse_policy(policy_text(signers, REST.replace("audience: site-a\n", "")), "policy.yaml")
    assert code_of(judge, policy=policy) == "AB-TRUST-AUDIENCE"
    assert judge(policy=policy, audience=())


def test_a_bundle_for_everybody_is_taken(judge: Callable[..., Decision]) -> None:
    assert judge(audience=())


# Time and sequence


def test_a_bundle_from_the_future_is_refused(judge: Callable[..., Decision]) -> None:
    assert code_of(judge, created=NOW + timedelta(hours=25)) == "AB-TRUST-FUTURE"
    assert judge(created=NOW + timedelta(hours=23))


def test_an_expired_bundle_is_refused(judge: Callable[..., Decision]) -> None:
    assert code_of(judge, expires=NOW) == "AB-TRUST-EXPIRED"
    assert judge(expires=NOW + timedelta(seconds=1))
    assert judge(expires=None)


def test_a_bundle_older_than_the_policy_allows_is_refused(judge: Callable[..., Decision]) -> None:
    assert code_of(judge, created=NOW - timedelta(days=181)) == "AB-TRUST-TOO-OLD"
    assert judge(created=NOW - timedelta(days=179))


def test_a_clock_that_went_back_is_noticed(judge: Callable[..., Decision]) -> None:
    ahead = History(sequence=1, newest_created=NOW + timedelta(days=2))
    assert code_of(judge, history=ahead) == "AB-TRUST-CLOCK"


@pytest.mark.parametrize(
    ("sequence", "bundle", "expected"),
    [
        (99, OTHER, ""),
        (100, BUNDLE, ""),
        (100, OTHER, "AB-TRUST-EQUAL-SEQUENCE"),
        (101, OTHER, "AB-TRUST-OLDER"),
        (101, BUNDLE, "AB-TRUST-OLDER"),
    ],
)
def test_a_product_never_goes_back(
    judge: Callable[..., Decision], sequence: int, bundle: Digest, expected: str
) -> None:
    history = History(sequence=sequence, bundle_ids=frozenset({bundle}))
    if expected:
        assert code_of(judge, history=history) == expected
    else:
        assert judge(history=history)


RELEASE = Digest.of(b"what is to come in")


@pytest.mark.parametrize("changes", [
    {},
    {"has_delta": False},
    {"release": None},
    {"release": Digest.of(b"something else")},
    {"sequence": 101},
], ids=["all of it", "no delta is here", "not known", "another release", "an older one"])  # fmt: skip
def test_a_full_bundle_is_the_current_one_only_after_a_delta_of_the_very_same_release(
    judge: Callable[..., Decision], changes: dict[str, Any]
) -> None:
    values: dict[str, Any] = {"sequence": 100, "release": RELEASE, "has_delta": True}
    history = History(bundle_ids=frozenset({OTHER}), **values | changes)
    if changes:
        assert code_of(judge, history=history, release=RELEASE) in {"AB-TRUST-EQUAL-SEQUENCE", "AB-TRUST-OLDER"}
    else:
        decision = judge(history=history, release=RELEASE)
        assert "all of the release" in next(step.detail for step in decision.steps if step.title == "sequence")
    assert code_of(judge, history=history, release=RELEASE, is_whole=False).startswith("AB-TRUST-")
    assert code_of(judge, history=history).startswith("AB-TRUST-")


def test_one_receipt_of_unknown_or_other_content_keeps_the_sequence_closed() -> None:
    delta = Accepted(bundle_id=OTHER, sequence=9, created=NOW, release=RELEASE, is_delta=True)
    assert high_water_mark([delta], frozenset()).release == RELEASE
    for other in (None, Digest.of(b"something else")):
        stranger = Accepted(bundle_id=BUNDLE, sequence=9, created=NOW, release=other)
        assert high_water_mark([delta, stranger], frozenset()).release is None
    older = Accepted(bundle_id=BUNDLE, sequence=8, created=NOW)
    assert high_water_mark([delta, older], frozenset()).release == RELEASE


def test_a_revoked_bundle_no_longer_holds_its_successor_back() -> None:
    entries = [Accepted(bundle_id=OTHER, sequence=9, created=NOW), Accepted(bundle_id=BUNDLE, sequence=5, created=NOW)]
    assert high_water_mark(entries, frozenset()).sequence == 9
    history = high_water_mark(entries, {OTHER})
    assert (history.sequence, history.bundle_ids, history.known) == (5, {BUNDLE}, {BUNDLE})
    assert high_water_mark([], frozenset()).sequence is None


def test_an_empty_ledger_before_a_destination_with_receipts_is_refused(judge: Callable[..., Decision]) -> None:
    assert code_of(judge, history=History(is_adopted=False)) == "AB-TRUST-NOT-ADOPTED"


# Overrides

OLDER = History(sequence=101, bundle_ids=frozenset({OTHER}))


def test_an_override_lifts_what_it_names_under_a_role_of_the_policy(judge: Callable[..., Decision]) -> None:
    decision = judge(history=OLDER, overrides=Overrides(allow_older=BUNDLE, reason="back to the last good one"))
    used = decision.overrides[0]
    assert (used.code, used.role, used.signers, used.reason) == (
        "AB-TRUST-OLDER", "review", ("bob",), "back to the last good one",
    )  # fmt: skip
    assert [step.title for step in decision.steps if step.outcome is Outcome.OVERRIDDEN] == ["sequence"]
    expired = judge(expires=NOW - timedelta(days=1), overrides=Overrides(allow_expired=BUNDLE, reason="no link"))
    assert expired.overrides[0].code == "AB-TRUST-EXPIRED"


def test_an_override_lifts_nothing_else(judge: Callable[..., Decision]) -> None:
    wrong = Overrides(allow_expired=BUNDLE, reason="why")
    assert code_of(judge, history=OLDER, overrides=wrong) == "AB-TRUST-OLDER"
    assert code_of(judge, audience=("site-b",), overrides=wrong) == "AB-TRUST-AUDIENCE"


def test_an_override_for_another_bundle_is_refused(judge: Callable[..., Decision]) -> None:
    other = Overrides(allow_older=OTHER, reason="why")
    assert code_of(judge, overrides=other) == "AB-TRUST-OVERRIDE"
    assert code_of(judge, history=OLDER, overrides=other) == "AB-TRUST-OLDER"


def test_an_override_that_the_policy_gives_nobody_is_refused(judge: Callable[..., Decision]) -> None:
    overrides = Overrides(allow_older=BUNDLE, reason="why")
    code = code_of(judge, "ci", name="strict", repositories=("strict/x",), history=OLDER, overrides=overrides)
    assert code == "AB-TRUST-OVERRIDE"


def test_an_override_needs_a_signature_of_its_role(signers: str, judge: Callable[..., Decision]) -> None:
    rest = REST.replace("require: [release, review]", "require: [release]")
    policy = parse_policy(policy_text(signers, rest), "policy.yaml")
    overrides = Overrides(allow_older=BUNDLE, reason="why")
    assert code_of(judge, "ci", policy=policy, history=OLDER, overrides=overrides) == "AB-TRUST-OVERRIDE"
    assert judge("ci", "bob", policy=policy, history=OLDER, overrides=overrides).overrides


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_an_override_without_a_reason_is_none(reason: str) -> None:
    with pytest.raises(UsageError):
        Overrides(allow_older=BUNDLE, reason=reason)


def test_nothing_in_the_environment_overrides(judge: Callable[..., Decision], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRGAP_ALLOW_OLDER", "AIRGAP_ALLOW_EXPIRED", "AIRGAP_REASON"):
        monkeypatch.setitem(os.environ, name, BUNDLE)
    assert code_of(judge, history=OLDER) == "AB-TRUST-OLDER"


def test_a_verdict_over_other_bytes_decides_nothing(policy: Policy, signed: dict[str, tuple[str, bytes]]) -> None:
    verdict = check_signatures(policy, INVENTORY, [signed["ci"], signed["bob"]], NOW)
    assert (
        code_of(decide, policy, verdict, replace(CLAIMS, bundle_id=OTHER), History(), NOW) == "AB-TRUST-BAD-SIGNATURE"
    )


def test_a_revoked_key_in_its_own_home_is_refused_by_the_decision() -> None:
    with gnupg_home() as home:
        key = home.make_key("Withdrawn <withdrawn@example.com>")
        signature = home.sign(INVENTORY, key)
        home.revoke(key)
        policy = parse_policy(policy_text(signer_text("x", key, home.public_key(key)), ""), "policy.yaml")
        code = code_of(check_signatures, policy, INVENTORY, [(f"openpgp-{key}.sig", signature)], NOW)
        assert code == "AB-TRUST-REVOKED-KEY"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"repositories": ("quay.io/other/app",)}, "AB-TRUST-REPOSITORY"),
        ({"name": "theirs", "repositories": ()}, "AB-TRUST-PRODUCT"),
    ],
)
def test_a_bundle_for_others_is_never_met_with_advice_to_extend_the_policy(
    signers: str, judge: Callable[..., Decision], changes: dict[str, Any], code: str
) -> None:
    rest = re.sub(r'  "\*": .*\n', "", REST)
    here, nowhere = (
        parse_policy(policy_text(signers, text), "policy.yaml")
        for text in (rest, rest.replace("audience: site-a\n", ""))
    )
    for policy, expected in ((here, "and here is site-a"), (nowhere, "does not say who is here")):
        with pytest.raises(TrustError, match=expected) as caught:
            judge(policy=policy, audience=("site-b",), **changes)
        assert (caught.value.code, "meant for site-b" in caught.value.message) == (code, True)
        assert caught.value.hint.startswith("ask for a bundle")
        assert "repositories" not in caught.value.hint
    with pytest.raises(TrustError) as caught:
        judge(policy=here, **changes)
    assert (caught.value.code, "meant for" in caught.value.message) == (code, False)
