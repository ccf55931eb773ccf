"""Going back: the tags of a product name again what an earlier receipt says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.deliveries import Site, deliveries, make_site
from support.gate import gate_before
from support.images import single_image
from support.registries import embedded_registry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def test_a_rollback_puts_old_tags_back_and_removes_the_new_one(site: Site) -> None:
    first = site.push("acme-1")
    site.push("acme-2")
    done = site.done("rollback acme")
    assert (done["to"], done["moved"], done["removed"], done["stuck"]) == (first, 1, 1, [])
    assert site.tags() == {"app:1.0": "app-1", "redis:7": "redis-1"}
    assert site.status()["current"][0]["receipt"] == first
    assert site.done("drift")["drifted"] == []


def test_a_second_rollback_goes_one_receipt_further_back(site: Site) -> None:
    first, second = site.push("acme-1"), site.push("acme-2")
    site.push("acme-3")
    assert site.done("rollback acme")["to"] == second
    assert site.done("rollback acme")["to"] == first
    assert site.tags() == {"app:1.0": "app-1", "redis:7": "redis-1"}


def test_one_can_go_forward_again(site: Site) -> None:
    site.push("acme-1")
    second = site.push("acme-2")
    site.done("rollback acme")
    site.done("rollback acme", "--to", second)
    assert site.tags() == {"app:1.0": "app-1", "app:2.0": "app-2", "redis:7": "redis-2"}
    assert site.done("drift")["drifted"] == []


def test_a_dry_run_changes_nothing_and_says_what_would_change(site: Site) -> None:
    site.push("acme-1")
    site.push("acme-2")
    before, records = site.tags(), len(site.audit())
    planned = site.done("rollback acme", "--dry-run")
    assert {(tag["path"].rpartition("/")[2], tag["tag"], tag["changes"]) for tag in planned["tags"]} == {
        ("app", "1.0", False),
        ("app", "2.0", True),
        ("redis", "7", True),
    }
    assert (site.tags(), len(site.audit())) == (before, records)


def test_the_first_import_is_undone_by_name_and_puts_back_what_was_there(site: Site) -> None:
    mine = single_image("of the site")
    mine.push_to(site.registry, site.repository("redis"), "7")
    site.push("acme-1")
    message = site.refused("rollback acme", status=2, code="AB-ROLLBACK-NOTHING")
    assert "acme" in message
    site.done("rollback acme", "--to", "none")
    assert site.tags() == {"redis:7": mine.digest}
    assert site.status()["current"] == []
    assert site.status()["undone"] == [{"product": "acme", "destination": site.dest}]
    assert site.done("drift")["drifted"] == []


def test_what_another_product_has_moved_since_is_left(site: Site) -> None:
    site.push("acme-1")
    site.push("acme-2")
    site.push("other-1")
    done = site.done("rollback acme")
    assert [one["reason"] for one in done["left"]] == []
    assert site.tags() == {"app:1.0": "app-1", "redis:7": "redis-other"}
    assert site.done("drift")["drifted"] == []


def test_what_another_product_put_in_between_comes_back_and_not_an_older_one_of_ours(site: Site) -> None:
    site.push("acme-1")
    site.push("other-1")
    site.push("acme-2")
    site.done("rollback acme")
    assert site.tags()["redis:7"] == "redis-other"
    assert site.done("drift")["drifted"] == []


def test_a_tag_that_somebody_moved_by_hand_is_left_and_named(site: Site) -> None:
    site.push("acme-1")
    site.push("acme-2")
    mine = single_image("of the site")
    mine.push_to(site.registry, site.repository("redis"), "7")
    done = site.done("rollback acme")
    assert [(one["tag"], one["now"], one["reason"]) for one in done["left"]] == [
        ("7", mine.digest, "somebody else has moved it since")
    ]
    assert site.tags() == {"app:1.0": "app-1", "redis:7": mine.digest}


def test_where_the_target_was_collected_nothing_moves_and_what_is_missing_is_named(site: Site) -> None:
    first = site.push("acme-1")
    site.push("acme-2")
    before = site.tags()
    gone = deliveries().images["redis-1"].digest
    site.registry.delete_manifest(site.repository("redis"), gone)
    message = site.refused("rollback acme", status=5, code="AB-REGISTRY-COLLECTED")
    assert gone in message
    assert first in message
    assert site.tags() == before
    assert site.status()["unfinished"] == []


def test_a_receipt_of_another_destination_or_product_is_refused(site: Site) -> None:
    elsewhere = site.push("acme-1", dest=f"dir:{site.path / 'elsewhere'}")
    site.push("acme-1")
    site.push("acme-2")
    site.refused("rollback acme", status=2, code="AB-USAGE-WHICH-DESTINATION")
    site.refused("rollback acme", "--to", elsewhere, "--dest", site.dest, status=2, code="AB-RECEIPT-DESTINATION")
    site.refused("rollback other", status=2, code="AB-USAGE-NOT-IMPORTED")
    site.refused("rollback ../acme", status=2, code="AB-USAGE-VALUE")
    site.refused("rollback acme", "--to", "acme-9-0123456789ab-01234567", status=2, code="AB-USAGE-RECEIPT")


def test_an_edited_receipt_is_refused_and_that_is_in_the_trail(site: Site) -> None:
    first = site.push("acme-1")
    site.push("acme-2")
    raw = (site.state / "receipts" / f"{first}.json").read_bytes()
    copy = site.path / "copy.json"
    copy.write_bytes(raw)
    assert site.done("rollback acme", "--to", copy, "--dry-run")["to"] == first
    copy.write_bytes(raw.replace(b'"tool":"airgap', b'"tool":"airgup'))
    site.refused("rollback acme", "--to", copy, status=3, code="AB-RECEIPT-DIFFERS")
    copy.write_bytes(raw.replace(b"sha256:", b"sha256;"))
    site.refused("rollback acme", "--to", copy, status=2, code="AB-RECEIPT-INVALID")
    assert site.events().count("refused") == 2
    assert site.tags()["redis:7"] == "redis-2"


def test_a_receipt_that_this_ledger_does_not_have_is_not_believed(site: Site, tmp_path: Path) -> None:
    site.push("acme-1")
    site.push("acme-2")
    other = make_site(tmp_path / "other")
    foreign = other.push("acme-1")
    file = other.state / "receipts" / f"{foreign}.json"
    site.refused("rollback acme", "--to", file, status=3, code="AB-RECEIPT-UNKNOWN")


def test_nothing_goes_back_to_a_revoked_bundle(site: Site) -> None:
    first = site.push("acme-1")
    site.push("acme-2")
    bundle = site.status()["current"][0]
    assert bundle["receipt"] != first
    # Another policy is bound by nothing but the ledger; without that it would be refused before.
    site.policy.write_text(site.policy.read_text() + "revoked: {bundles: []}\n")
    site.refused("rollback acme", status=3, code="AB-LEDGER-POLICY")


def test_a_registry_without_delete_keeps_the_new_tag_and_that_is_said(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    with (
        embedded_registry(tmp_path / "registry") as server,
        gate_before(server.address) as gate,
    ):
        dest = f"{gate.address}/mirror"
        site.push("acme-1", dest=dest)
        site.push("acme-2", dest=dest)
        gate.rule = lambda method, _target: 405 if method == "DELETE" else None
        done = site.done("rollback acme", status=1)
        assert [name.rpartition(":")[2] for name in done["stuck"]] == ["2.0"]
        assert site.done("drift")["drifted"] == []
        assert site.done("rollback acme", "--to", done["to"])["moved"] == 0


@pytest.mark.parametrize("refusal", [403, 409])
def test_a_registry_that_lets_no_tag_move_ends_it_without_effect(tmp_path: Path, refusal: int) -> None:
    site = make_site(tmp_path)
    with (
        embedded_registry(tmp_path / "registry") as server,
        gate_before(server.address) as gate,
    ):
        dest = f"{gate.address}/mirror"
        site.push("acme-1", dest=dest)
        second = site.push("acme-2", dest=dest)
        gate.rule = lambda method, _target: refusal if method in {"PUT", "DELETE"} else None
        said = site.run("rollback acme", "--format", "json")
        assert said.status == 5
        status = site.status()
        assert status["unfinished"] == []
        assert status["current"][0]["receipt"] == second
        assert site.events()[-2:] == ["rollback-begun", "rollback-stopped"]
        gate.rule = lambda _method, _target: None
        assert site.done("rollback acme")["moved"] == 1


def test_a_partial_import_is_undone_by_a_rollback_to_what_is_current(site: Site) -> None:
    first = site.push("acme-1")
    site.push("acme-2", "--only", f"{deliveries().host}/library/redis")
    assert site.tags()["redis:7"] == "redis-2"
    done = site.done("rollback acme")
    assert done["to"] == first
    assert site.tags() == {"app:1.0": "app-1", "redis:7": "redis-1"}
    assert site.done("drift")["drifted"] == []
    site.refused("rollback acme", status=2, code="AB-ROLLBACK-NOTHING")


def test_each_step_is_in_the_trail_before_and_after(site: Site) -> None:
    site.push("acme-1")
    site.push("acme-2")
    site.done("rollback acme")
    assert site.events() == [
        *["push-begun", "push-sent", "push-tagging", "push-finished"] * 2,
        "rollback-begun",
        "rollback-finished",
    ]
    assert site.run("audit verify", policy=False).status == 0


def test_where_the_trail_cannot_be_written_nothing_moves(site: Site) -> None:
    site.push("acme-1")
    site.push("acme-2")
    trail = site.state / "audit.jsonl"
    lines = trail.read_bytes()
    trail.unlink()
    trail.mkdir()
    site.refused("rollback acme", status=6, code="AB-AUDIT-WRITE")
    trail.rmdir()
    trail.write_bytes(lines)
    assert site.tags()["redis:7"] == "redis-2"
    assert site.status()["unfinished"] == []
