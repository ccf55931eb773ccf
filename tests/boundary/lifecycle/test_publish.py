"""Holding and publishing: everything but the tags comes in, and the tags move after scans and approvals."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.deliveries import Site, deliveries, make_site
from support.trip import keys

from airgap_bundle.boundary.receipts.documents import parse_receipt
from airgap_bundle.core.content import Digest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def demand(site: Site, hold: str, roles: str = "") -> None:
    """Let the policy demand a hold."""
    text = site.policy.read_text().replace('    repositories: ["**"]', f'    hold: {hold}\n    repositories: ["**"]')
    site.policy.write_text(text.replace("products:", f"{roles}products:"))


def add_officer(site: Site) -> None:
    """A second person in the policy, whose role is to approve."""
    armored = keys().home.public_key(keys().stranger).replace("\n", "\n        ").rstrip()
    text = site.policy.read_text().replace(
        "roles:\n",
        f"  officer:\n    openpgp:\n      fingerprint: {keys().stranger}\n      publicKey: |-\n        {armored}\n"
        "roles:\n  security: {signers: [officer], threshold: 1}\n",
    )
    site.policy.write_text(text)


def receipt_file(site: Site, receipt: str) -> Path:
    return site.state / "receipts" / f"{receipt}.json"


def sign(site: Site, receipt: str, key: str, *options: str) -> Path:
    """An approval as a person makes it."""
    out = site.path / f"{key[:8]}.sig"
    command = ["gpg", "--batch", "--yes", "-u", key, *options, "-o", out, "--detach-sign", receipt_file(site, receipt)]
    subprocess.run(
        command, check=True, capture_output=True, env={"GNUPGHOME": str(keys().home.path), "PATH": "/usr/bin:/bin"}
    )
    return out


def test_a_held_push_brings_everything_but_the_tags(site: Site) -> None:
    receipt = site.push("acme-1", "--hold")
    assert site.tags() == {}
    anchors = [tag for tag in site.registry.list_tags(site.repository("app")) if tag.startswith("airgap-")]
    assert len(anchors) == 1
    assert site.registry.list_referrers(site.repository("app"), deliveries().images["app-1"].digest)
    status = site.status()
    assert status["current"] == []
    assert [one["receipt"] for one in status["held"]] == [receipt]
    assert "it waits for publish" in site.run("status", policy=False).text
    assert site.done("drift")["drifted"] == []


def test_publishing_moves_the_tags_and_keeps_the_digest_of_the_evidence(site: Site) -> None:
    first = site.push("acme-1")
    receipt = site.push("acme-2", "--hold")
    held = receipt_file(site, receipt).read_bytes()
    report = site.path / "scan.json"
    report.write_bytes(b'{"found": 0}')
    done = site.done("publish", receipt, "--evidence", report)
    assert done["tagsMoved"] == 2
    assert site.tags() == {"app:1.0": "app-1", "app:2.0": "app-2", "redis:7": "redis-2"}
    written = parse_receipt(receipt_file(site, receipt).read_bytes())
    assert written.publication is not None
    assert (written.held, written.previous) == (False, first)
    assert written.publication.held == Digest.of(held)
    assert [(one.name, one.digest) for one in written.publication.evidence] == [
        ("scan.json", Digest.of(report.read_bytes()))
    ]
    assert site.status()["held"] == []
    assert site.events()[-2:] == ["publish-begun", "publish-finished"]
    repository = "airgap-receipts/acme"
    kept = site.registry.get_manifest(repository, receipt)
    assert kept is not None
    assert kept.layers[0].digest == Digest.of(receipt_file(site, receipt).read_bytes())


def test_what_was_published_can_be_undone(site: Site) -> None:
    site.push("acme-1")
    site.done("publish", site.push("acme-2", "--hold"))
    site.done("rollback acme")
    assert site.tags() == {"app:1.0": "app-1", "redis:7": "redis-1"}


def test_publishing_twice_changes_nothing(site: Site) -> None:
    receipt = site.push("acme-1", "--hold")
    site.done("publish", receipt)
    before = receipt_file(site, receipt).read_bytes()
    assert "published already" in site.run("publish", receipt).text
    assert receipt_file(site, receipt).read_bytes() == before


def test_a_dry_run_publishes_nothing(site: Site) -> None:
    receipt = site.push("acme-1", "--hold")
    assert len(site.done("publish", receipt, "--dry-run")["tags"]) == 2
    assert site.tags() == {}


def test_what_was_not_held_cannot_be_published(site: Site) -> None:
    site.refused("publish", site.push("acme-1"), status=2, code="AB-PUBLISH-NOT-HELD")


def test_evidence_that_is_not_there_stops_it(site: Site) -> None:
    receipt = site.push("acme-1", "--hold")
    site.refused("publish", receipt, "--evidence", site.path / "nothing", status=2, code="AB-USAGE-FILE")
    assert site.tags() == {}


def test_what_the_registry_lost_meanwhile_is_named_and_no_tag_moves(site: Site) -> None:
    receipt = site.push("acme-1", "--hold")
    gone = deliveries().images["redis-1"].digest
    site.registry.delete_manifest(site.repository("redis"), gone)
    assert gone in site.refused("publish", receipt, status=5, code="AB-REGISTRY-COLLECTED")
    assert site.tags() == {}
    site.push("acme-1", "--hold")
    site.done("publish", receipt)


def test_an_older_hold_does_not_replace_what_is_newer(site: Site) -> None:
    older = site.push("acme-1", "--hold")
    site.push("acme-2")
    site.refused("publish", older, status=3, code="AB-TRUST-OLDER")
    assert site.events()[-1] == "refused"


def test_the_policy_can_demand_a_hold(site: Site) -> None:
    demand(site, "{}")
    message = site.refused("push", deliveries().bundle("acme-1"), site.dest, status=3, code="AB-TRUST-HOLD")
    assert "acme" in message
    assert site.events() == ["refused"]
    site.done("publish", site.push("acme-1", "--hold"))
    assert site.tags()["redis:7"] == "redis-1"
    # To mend what is missing it may be pushed again.
    assert site.push("acme-1")
    assert parse_receipt(receipt_file(site, site.push("acme-1")).read_bytes()).publication is not None


def test_the_policy_can_demand_a_waiting_time(site: Site) -> None:
    demand(site, "{wait: 24h}")
    receipt = site.push("acme-1", "--hold")
    message = site.refused("publish", receipt, status=3, code="AB-TRUST-WAIT")
    assert "left" in message
    assert publish_at(site, receipt, datetime.now(UTC) + timedelta(hours=25)).publication is not None
    assert site.tags()["redis:7"] == "redis-1"


def test_a_clock_that_went_back_behind_the_import_ends_no_waiting_time(site: Site) -> None:
    demand(site, "{wait: 24h}")
    receipt = site.push("acme-1", "--hold")
    with pytest.raises(Exception, match="the clock of this machine"):
        publish_at(site, receipt, datetime.now(UTC) - timedelta(hours=2))


def publish_at(site: Site, receipt: str, now: datetime):  # noqa: ANN201 - a receipt
    """Publish with another clock."""
    from dataclasses import replace  # noqa: PLC0415 - only this test needs it

    from airgap_bundle.boundary.inside import InsideRequest, open_inside  # noqa: PLC0415 - only this test needs it
    from airgap_bundle.boundary.lifecycle.publish import plan_publish  # noqa: PLC0415 - only this test needs it
    from airgap_bundle.core.report import silent  # noqa: PLC0415 - only this test needs it
    from airgap_bundle.registry.options import ClientOptions  # noqa: PLC0415 - only this test needs it

    request = InsideRequest(
        command="publish", policy=site.policy, state=site.state, options=lambda _policy, _host: ClientOptions()
    )
    with ExitStack() as stack:
        inside = stack.enter_context(open_inside(request, silent))
        return plan_publish(replace(inside, now=lambda: now), receipt, evidence=(), approvals=()).run()


def test_the_policy_can_demand_approvals(site: Site) -> None:
    add_officer(site)
    demand(site, "{approvals: [security]}")
    receipt = site.push("acme-1", "--hold")
    message = site.refused("publish", receipt, status=3, code="AB-TRUST-APPROVAL")
    assert "security" in message
    wrong = sign(site, receipt, keys().release)
    site.refused("publish", receipt, "--approval", wrong, status=3, code="AB-TRUST-APPROVAL")
    assert site.tags() == {}
    right = sign(site, receipt, keys().stranger, "--armor")
    done = site.done("publish", receipt, "--approval", right)
    assert done["approvals"] == [{"signer": "officer", "roles": ["security"]}]
    assert site.tags()["redis:7"] == "redis-1"
    assert site.events().count("refused") == 2


def test_an_approval_of_another_receipt_does_not_count(site: Site) -> None:
    add_officer(site)
    demand(site, "{approvals: [security]}")
    first, second = site.push("acme-1", "--hold"), site.push("acme-2", "--hold")
    approval = sign(site, first, keys().stranger)
    site.refused("publish", second, "--approval", approval, status=3, code="AB-TRUST-BAD-SIGNATURE")
    assert site.tags() == {}


def test_an_approval_that_is_none_is_refused(site: Site) -> None:
    receipt = site.push("acme-1", "--hold")
    nonsense = site.path / "nonsense"
    nonsense.write_bytes(b"hello")
    site.refused("publish", receipt, "--approval", nonsense, status=2, code="AB-SIGNATURE-FILE")


def test_a_policy_that_names_a_role_that_is_not_there_is_none(site: Site) -> None:
    demand(site, "{approvals: [nobody]}")
    said = site.run("policy show", "--format", "json", policy=True)
    assert said.status == 2 or "AB-POLICY" in said.out


def test_a_held_partial_import_publishes_only_its_part(site: Site) -> None:
    receipt = site.push("acme-1", "--hold", "--only", f"{deliveries().host}/library/redis:7")
    site.done("publish", receipt)
    assert site.tags() == {"redis:7": "redis-1"}
    assert site.status()["current"] == []
    assert [one["receipt"] for one in site.status()["partial"]] == [receipt]


def test_a_partial_import_says_so_and_advances_nothing(site: Site) -> None:
    pushed = site.done("push", deliveries().bundle("acme-2"), site.dest, "--only", f"{deliveries().host}/acme/**")
    assert pushed["partial"] is True
    assert site.tags() == {"app:2.0": "app-2"}
    said = site.run("push", deliveries().bundle("acme-2"), site.dest, "--only", f"{deliveries().host}/acme/**")
    assert "Partial, without 1 item" in said.text
    receipt = json.loads(receipt_file(site, str(pushed["receipt"])).read_bytes())
    assert receipt["partial"] is True
    assert [item["outcome"] for item in receipt["items"]].count("skipped") == 1
    # An older one is not refused, as nothing newer has come in whole.
    site.push("acme-1")
    assert site.status()["current"][0]["sequence"] < receipt["sequence"]
    site.refused(
        "push", deliveries().bundle("acme-2"), site.dest, "--only", "nothing/like/it", status=2, code="AB-USAGE-ONLY"
    )
