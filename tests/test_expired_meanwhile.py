"""What was accepted in time and waits: held, or in another registry. It does not go live once it has expired."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.site import REST, Site, bundle_id, now
from support.trip import Said, run

from airgap_bundle.boundary.inside import Inside
from airgap_bundle.boundary.push import Push
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from pathlib import Path

DAY = dt.timedelta(days=1)
EXPIRED = "AB-TRUST-EXPIRED"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(path=tmp_path)
    made.write_policy()
    return made


def set_clock(monkeypatch: pytest.MonkeyPatch, moment: dt.datetime) -> None:
    """The clock of every command that brings something in, or moves tags."""
    for command in (Push, Inside):
        defaults = command.__init__.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "now", lambda: moment)


def inside(site: Site, *words: object) -> Said:
    return run("airgap-import", *words, "--policy", site.policy, "--state", site.state)


def done(site: Site, *words: object) -> dict[str, Any]:
    said = inside(site, *words, "--format", "json")
    assert said.status == 0, said.err
    return said.json


def refused(site: Site, code: str, *words: object) -> Said:
    """Refused by trust with this code, noted in the audit trail, and no tag moved."""
    before, trail = site.snapshot(), site.audit()
    said = inside(site, *words)
    assert (said.status, code in said.err) == (3, True), said.err
    assert site.snapshot() == before
    assert [one["details"]["code"] for one in site.audit()[len(trail) :]] == [code]
    return said


def hold(site: Site, *, signers: tuple[str, ...] = ("ci", "bob"), **statements: Any) -> tuple[Path, str]:
    """A bundle that expires in ten days, and the receipt of its hold."""
    bundle = site.bundle(*signers, expires=now() + 10 * DAY, **statements)
    said = site.push(bundle, "--hold", "--format", "json")
    assert said.status == 0, said.err
    return bundle, said.json["receipt"]


def receipt_of(site: Site, receipt: str) -> dict[str, Any]:
    return dict(json.loads((site.state / "receipts" / f"{receipt}.json").read_bytes()))


def tags(site: Site) -> list[str]:
    registry = DirectoryRegistry(site.path / "registry", make=False)
    return [tag for tag in registry.list_tags("registry.example/plane/backend") if not tag.startswith("airgap-")]


def test_what_is_held_is_published_until_it_expires(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    _, receipt = hold(site)
    set_clock(monkeypatch, now() + 9 * DAY)
    done(site, "publish", receipt)
    assert tags(site) == ["1.0"]


def test_what_expired_while_it_was_held_is_not_published(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    _, receipt = hold(site)
    set_clock(monkeypatch, now() + 11 * DAY)
    said = refused(site, EXPIRED, "publish", receipt)
    assert "push a newer bundle" in said.text
    assert "--allow-expired BUNDLE_ID with --reason" in said.text
    refused(site, EXPIRED, "publish", receipt, "--dry-run")
    assert tags(site) == []


def test_what_is_older_than_the_policy_allows_is_not_published(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    said = site.push(site.bundle("ci", "bob"), "--hold", "--format", "json")
    set_clock(monkeypatch, now() + 181 * DAY)
    refused(site, "AB-TRUST-TOO-OLD", "publish", said.json["receipt"])


def test_an_override_of_those_who_may_publishes_it_and_is_written_down(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, receipt = hold(site)
    set_clock(monkeypatch, now() + 11 * DAY)
    identity = bundle_id(bundle)
    done(site, "publish", receipt, "--allow-expired", identity, "--reason", "the next one is late")
    assert tags(site) == ["1.0"]
    expected = {"option": "allow-expired", "value": identity, "reason": "the next one is late"}
    assert receipt_of(site, receipt)["overrides"] == [expected]
    (begun,) = [one for one in site.audit() if one["event"] == "publish-begun"]
    assert begun["details"]["allow-expired"] == "the next one is late"


def test_an_override_for_another_bundle_or_without_a_reason_is_none(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, receipt = hold(site)
    other = f"sha256:{'0' * 64}"
    # Said at once, also where nothing has to be set aside.
    refused(site, "AB-TRUST-OVERRIDE", "publish", receipt, "--allow-expired", other, "--reason", "typed wrongly")
    set_clock(monkeypatch, now() + 11 * DAY)
    refused(site, "AB-TRUST-OVERRIDE", "publish", receipt, "--allow-expired", other, "--reason", "typed wrongly")
    said = inside(site, "publish", receipt, "--allow-expired", bundle_id(bundle))
    assert (said.status, "AB-TRUST-OVERRIDE-REASON" in said.err) == (2, True)
    assert tags(site) == []


def test_where_the_policy_allows_no_overrides_nobody_publishes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(path=tmp_path)
    site.write_policy(REST.replace("    overrides: [review]\n", ""))
    bundle, receipt = hold(site)
    set_clock(monkeypatch, now() + 11 * DAY)
    words = ("publish", receipt, "--allow-expired", bundle_id(bundle), "--reason", "please")
    assert "allows no overrides" in refused(site, "AB-TRUST-OVERRIDE", *words).text


def test_only_the_signature_of_somebody_of_the_role_lets_an_override_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(path=tmp_path)
    site.write_policy(REST.replace("require: [release, review]", "require: [release]"))
    bundle, receipt = hold(site, signers=("ci",))
    set_clock(monkeypatch, now() + 11 * DAY)
    words = ("publish", receipt, "--allow-expired", bundle_id(bundle), "--reason", "please")
    assert "nobody of the role review" in refused(site, "AB-TRUST-OVERRIDE", *words).text
    # The approval of what is held is such a signature.
    approval = site.path / "approval.sig"
    approval.write_bytes(site.who.home.sign((site.state / "receipts" / f"{receipt}.json").read_bytes(), site.who.bob))
    done(site, *words, "--approval", approval)
    assert tags(site) == ["1.0"]


def test_what_was_let_in_although_it_had_expired_is_published_on_the_same_word(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = site.bundle("ci", "bob", expires=now() + 10 * DAY)
    set_clock(monkeypatch, now() + 11 * DAY)
    said = site.push(bundle, "--hold", "--allow-expired", bundle_id(bundle), "--reason", "late", "--format", "json")
    done(site, "publish", said.json["receipt"])
    assert [one["reason"] for one in receipt_of(site, said.json["receipt"])["overrides"]] == ["late"]


def test_a_bundle_that_never_expires_by_itself_is_published_as_before(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = site.push(site.bundle("ci", "bob"), "--hold", "--format", "json")
    assert "expires" not in receipt_of(site, said.json["receipt"])
    set_clock(monkeypatch, now() + 100 * DAY)
    done(site, "publish", said.json["receipt"])


def test_what_expired_in_the_first_registry_is_not_promoted_to_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = site.bundle("ci", "bob", expires=now() + 10 * DAY)
    said = site.push(bundle, "--format", "json")
    to = f"dir:{site.path / 'production'}"
    words = ("promote", said.json["receipt"], site.dest, to)
    set_clock(monkeypatch, now() + 11 * DAY)
    assert "promote a newer receipt" in refused(site, EXPIRED, *words).text
    assert not list((site.path / "production").rglob("_tags"))
    promoted = done(site, *words, "--allow-expired", bundle_id(bundle), "--reason", "no newer one yet")
    assert promoted["tagsMoved"] == 1
    assert [one["reason"] for one in receipt_of(site, promoted["receipt"])["overrides"]] == ["no newer one yet"]


def test_what_was_set_aside_for_the_first_registry_is_not_for_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = site.bundle("ci", "bob", expires=now() + 10 * DAY)
    set_clock(monkeypatch, now() + 11 * DAY)
    said = site.push(bundle, "--allow-expired", bundle_id(bundle), "--reason", "to try it", "--format", "json")
    refused(site, EXPIRED, "promote", said.json["receipt"], site.dest, f"dir:{site.path / 'production'}")


def test_what_was_set_aside_is_said_by_both_commands(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, receipt = hold(site)
    set_clock(monkeypatch, now() + 11 * DAY)
    words = ("--allow-expired", bundle_id(bundle), "--reason", "late")
    assert "overridden: --allow-expired: late" in inside(site, "publish", receipt, *words).text
    said = inside(site, "promote", receipt, site.dest, f"dir:{site.path / 'production'}", *words)
    assert "overridden: --allow-expired: late" in said.text
