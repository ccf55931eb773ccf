"""What `airgap-import policy` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.site import IDENTITY, REST, Site
from support.trip import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(path=tmp_path)
    made.write_policy()
    return made


def show(site: Site, *options: object) -> str:
    said = run("airgap-import", "policy", "show", "--policy", site.policy, *options)
    assert said.status == 0, said.err
    return said.out + said.err


def test_show_has_every_fingerprint_in_full_behind_its_signer(site: Site) -> None:
    lines = show(site).splitlines()
    for name, key in (("alice", site.who.alice), ("bob", site.who.bob), ("release-ci", IDENTITY)):
        assert any(line.startswith(name) and key in line for line in lines)


def test_show_warns_of_what_ends_and_of_roles_that_nobody_can_fill(site: Site) -> None:
    site.write_policy(f"revoked: {{keys: [{{openpgp: {site.who.bob}}}]}}\n{REST}")
    assert "left to fill the role root" in show(site)
    site.write_policy(until="2026-01-01")
    text = " ".join(show(site).split())
    assert "alice (until) has ended" in text
    assert "left to fill the role review" in text


def test_show_says_all_of_it_to_machines(site: Site) -> None:
    site.write_policy(f"revoked: {{keys: [{{openpgp: {site.who.bob}}}]}}\n{REST}", head="audience: site-a\n")
    said = run("airgap-import", "policy", "show", "--policy", site.policy, "--format", "json")
    shown = said.json
    assert (shown["audience"], shown["unfillable"]) == ("site-a", ["root"])
    assert shown["revoked"]["keys"] == [{"method": "openpgp", "key": site.who.bob}]
    assert [one["maxAgeDays"] for one in shown["products"]] == [None, 180]


def test_revoking_nothing_or_twice_or_nonsense_is_refused_and_writes_nothing(site: Site) -> None:
    new = site.path / "new.yaml"
    for options in ((), ("--key", "carol"), ("--bundle", "latest"), ("--key", "bob", "--since", "soon")):
        said = run("airgap-import", "policy", "revoke", "--policy", site.policy, "-o", new, *options)
        assert (said.status, new.exists()) == (2, False), said.err


def test_an_existing_policy_is_not_overwritten(site: Site) -> None:
    before = site.policy.read_bytes()
    said = run("airgap-import", "policy", "revoke", "--key", "bob", "--policy", site.policy, "-o", site.policy)
    assert (said.status, site.policy.read_bytes()) == (2, before), said.err
