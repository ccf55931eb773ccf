"""Revocations are written into the text of a policy, whatever way it is written."""

from __future__ import annotations

import datetime as dt

import pytest

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import UsageError
from airgap_bundle.trust.policy import parse_policy
from airgap_bundle.trust.policy_edit import find_key, revoke
from airgap_bundle.trust.policy_model import Method

FINGERPRINT, OTHER = "ab" * 20, "cd" * 20
OLD, NEW = Digest(f"sha256:{'1' * 64}"), Digest(f"sha256:{'2' * 64}")
KEYLESS = """\
signers:
  ci:
    keyless: {identity: 'https://ci/"a" # b', issuer: https://issuer, trustedRoot: {file: r.json, sha256: %s}}
""" % ("3" * 64)
ENDS = [
    "",
    "revoked: {}\n",
    f"revoked:\n  keys:\n    - {{openpgp: {OTHER}}}\n  bundles:\n  - {OLD}\n# the end\n",
    f'revoked: {{keys: [], bundles: ["{OLD}"]}}\n',
    "revoked:\n  # none yet\n  bundles: []",
    "# no line feed at the end\nroles: {}",
    f"revoked:\n    keys: [{{openpgp: {OTHER}}}]  # lost\n\n\nroles: {{}}\n",
    f"revoked:\r\n  bundles:\r\n    - {OLD}\r\n",
]


@pytest.mark.parametrize("end", ENDS)
def test_the_successor_says_all_that_was_said_and_what_is_revoked_now(end: str) -> None:
    policy = parse_policy(f"apiVersion: airgap-bundle/policy.v1\nversion: 9 # nine\n{end}".encode(), "policy.yaml")
    read = parse_policy(revoke(policy, find_key(policy, FINGERPRINT.upper()), [NEW]), "new.yaml")
    assert read.version == 10
    assert {key.name for key in read.revoked_keys} == {FINGERPRINT, *(key.name for key in policy.revoked_keys)}
    assert read.revoked_bundles == policy.revoked_bundles | {NEW}


@pytest.mark.parametrize("end", ENDS)
def test_no_line_of_the_old_text_is_lost(end: str) -> None:
    raw = f"apiVersion: airgap-bundle/policy.v1\nversion: 9 # nine\n{end}".encode()
    new = revoke(parse_policy(raw, "policy.yaml"), (), [NEW]).decode()
    assert [comment for comment in end.splitlines() if comment.strip().startswith("#") and comment not in new] == []
    assert "version: 10 # nine" in new


def test_an_identity_is_revoked_from_a_day_on_with_every_character_of_it() -> None:
    raw = f"apiVersion: airgap-bundle/policy.v1\nversion: 1\n{KEYLESS}".encode()
    policy = parse_policy(raw, "policy.yaml")
    (key,) = find_key(policy, "ci", dt.date(2026, 5, 1))
    assert find_key(policy, 'https://ci/"a" # b', dt.date(2026, 5, 1)) == (key,)
    read = parse_policy(revoke(policy, [key], ()), "new.yaml")
    assert read.revoked_keys == (key,)
    assert (key.method, key.name) == (Method.KEYLESS, 'https://issuer\nhttps://ci/"a" # b')


@pytest.mark.parametrize("text", ["", "bob", "ABCD1234", "12" * 32, "--key", "ci\n"])
def test_what_the_policy_does_not_know_is_no_key(text: str) -> None:
    policy = parse_policy(b"apiVersion: airgap-bundle/policy.v1\nversion: 1\n", "policy.yaml")
    with pytest.raises(UsageError) as caught:
        find_key(policy, text)
    assert caught.value.code == "AB-USAGE-KEY"


def test_what_is_revoked_already_is_said() -> None:
    policy = parse_policy(f"apiVersion: airgap-bundle/policy.v1\nversion: 1\n{ENDS[2]}".encode(), "policy.yaml")
    with pytest.raises(UsageError, match="already"):
        revoke(policy, find_key(policy, OTHER), [OLD])
