"""From one registry inside to another, exactly what a receipt says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.deliveries import Site, deliveries, make_site
from support.gate import gate_before
from support.images import single_image
from support.registries import embedded_registry

from airgap_bundle.boundary.receipts.documents import parse_receipt
from airgap_bundle.core.content import Digest
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def production(site: Site) -> DirectoryRegistry:
    return DirectoryRegistry(site.path / "production")


def to(site: Site) -> str:
    return f"dir:{site.path / 'production'}"


def test_a_promotion_brings_images_tags_and_what_is_attached(site: Site) -> None:
    receipt = site.push("acme-1")
    done = site.done("promote", receipt, site.dest, to(site))
    assert (done["tagsMoved"], done["promotedFrom"]) == (2, site.dest)
    app, registry = deliveries().images["app-1"], production(site)
    assert registry.get_manifest(site.repository("app"), "1.0") == app.root
    attached = {one.digest for one in registry.list_referrers(site.repository("app"), app.digest)}
    assert attached == {each.digest for each in app.referrers}
    for digest, data in app.all_blobs().items():
        assert registry.has_blob(site.repository("app"), digest, len(data))
    assert site.done("drift")["drifted"] == []


def test_the_receipt_there_says_where_it_came_from(site: Site) -> None:
    receipt = site.push("acme-1")
    raw = (site.state / "receipts" / f"{receipt}.json").read_bytes()
    done = site.done("promote", receipt, site.dest, to(site))
    written = parse_receipt((site.state / "receipts" / f"{done['receipt']}.json").read_bytes())
    assert written.promotion is not None
    assert (written.destination, written.promotion.receipt) == (to(site), receipt)
    assert written.promotion.digest == Digest.of(raw)
    assert [one.signer for one in written.signers] == ["release"]
    assert production(site).head_manifest("airgap-receipts/acme", str(done["receipt"])) is not None
    assert site.events()[-3:] == ["promote-begun", "promote-sent", "promote-finished"]


def test_what_was_promoted_can_be_undone_there(site: Site) -> None:
    first = site.push("acme-1")
    site.done("promote", first, site.dest, to(site))
    second = site.push("acme-2")
    site.done("promote", second, site.dest, to(site))
    site.done("rollback acme", "--dest", to(site))
    found = production(site).head_manifest(site.repository("redis"), "7")
    assert found is not None
    assert found.digest == deliveries().images["redis-1"].digest
    assert site.tags()["redis:7"] == "redis-2"


def test_promoting_again_sends_nothing(site: Site) -> None:
    receipt = site.push("acme-1")
    site.done("promote", receipt, site.dest, to(site))
    again = site.done("promote", receipt, site.dest, to(site))
    assert (again["tagsMoved"], again["blobs"]["pushed"]) == (0, 0)


def test_a_dry_run_sends_nothing(site: Site) -> None:
    receipt = site.push("acme-1")
    planned = site.done("promote", receipt, site.dest, to(site), "--dry-run")
    assert planned["uploads"] > 0
    assert production(site).list_tags(site.repository("app")) == ()


def test_an_older_receipt_does_not_replace_a_newer_one(site: Site) -> None:
    first, second = site.push("acme-1"), site.push("acme-2")
    site.done("promote", second, site.dest, to(site))
    site.refused("promote", first, site.dest, to(site), status=3, code="AB-TRUST-OLDER")
    assert site.events()[-1] == "refused"


def test_what_is_held_or_partial_or_of_another_place_is_refused(site: Site) -> None:
    held = site.push("acme-1", "--hold")
    site.refused("promote", held, site.dest, to(site), status=2, code="AB-PROMOTE-INCOMPLETE")
    partial = site.push("acme-2", "--only", f"{deliveries().host}/acme/**")
    site.refused("promote", partial, site.dest, to(site), status=2, code="AB-PROMOTE-INCOMPLETE")
    whole = site.push("acme-3")
    site.refused("promote", whole, "dir:/nowhere", to(site), status=2, code="AB-RECEIPT-DESTINATION")
    site.refused("promote", whole, site.dest, site.dest, status=2, code="AB-USAGE-SAME-PLACE")


def test_where_staging_lost_something_nothing_is_promoted(site: Site) -> None:
    receipt = site.push("acme-1")
    blob = deliveries().images["redis-1"].root.layers[1].digest
    (link,) = (
        path for path in (site.path / "registry").rglob(f"*{blob.encoded}*") if path.is_file() and path.stat().st_size
    )
    link.unlink()
    site.refused("promote", receipt, site.dest, to(site), status=5, code="AB-REGISTRY-COLLECTED")
    assert production(site).list_tags(site.repository("app")) == ()


def test_damaged_bytes_do_not_get_a_tag(site: Site) -> None:
    receipt = site.push("acme-1")
    blob = deliveries().images["redis-1"].root.layers[1].digest
    (file,) = (
        path for path in (site.path / "registry").rglob(f"*{blob.encoded}*") if path.is_file() and path.stat().st_size
    )
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.chmod(0o644)
    file.write_bytes(raw)
    site.refused("promote", receipt, site.dest, to(site), status=5, code="AB-REGISTRY-CONTENT")
    assert [tag for tag in production(site).list_tags(site.repository("redis")) if tag == "7"] == []
    assert site.status()["unfinished"] == []


def test_the_policy_of_production_decides(site: Site) -> None:
    receipt = site.push("acme-1")
    stricter = (
        site.policy.read_text().replace("version: 1", "version: 2").replace("require: [release]", "require: [review]")
    )
    stricter = stricter.replace("roles:\n", "roles:\n  review: {signers: [other], threshold: 1}\n")
    from support.trip import keys  # noqa: PLC0415 - only this test needs it

    armored = keys().home.public_key(keys().stranger).replace("\n", "\n        ").rstrip()
    stricter = stricter.replace(
        "roles:\n",
        f"  other:\n    openpgp:\n      fingerprint: {keys().stranger}\n"
        f"      publicKey: |-\n        {armored}\nroles:\n",
        1,
    )
    site.policy.write_text(stricter)
    message = site.refused("promote", receipt, site.dest, to(site), status=3, code="AB-TRUST-THRESHOLD")
    assert "review" in message


def test_between_two_paths_of_one_registry_blobs_are_mounted(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    with embedded_registry(tmp_path / "registry") as server:
        receipt = site.push("acme-1", dest=f"{server.address}/staging")
        done = site.done("promote", receipt, f"{server.address}/staging", f"{server.address}/production")
        assert done["blobs"]["pushed"] == 0
        assert done["blobs"]["mounted"] > 0


def test_where_one_tag_is_refused_the_others_are_put_back(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    with embedded_registry(tmp_path / "inner") as server, gate_before(server.address) as gate:
        mine = single_image("of the site")
        mine.push_to(server.registry, f"production/{site.repository('redis')}", "7")
        receipt = site.push("acme-1")
        gate.rule = lambda method, target: 403 if method == "PUT" and target.endswith("/app/manifests/1.0") else None
        said = site.run("promote", receipt, site.dest, f"{gate.address}/production", "--format", "json")
        assert said.status == 5
        found = server.registry.head_manifest(f"production/{site.repository('redis')}", "7")
        assert found is not None
        assert found.digest == mine.digest
        assert site.status()["unfinished"] == []
