"""Whether the registries still hold what the ledger says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.deliveries import Site, deliveries, make_site
from support.gate import gate_before
from support.images import single_image
from support.registries import embedded_registry, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.core.content import Digest


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def blob_file(site: Site, digest: Digest) -> Path:
    found = [path for path in (site.path / "registry").rglob(f"*{digest.encoded}*") if path.is_file()]
    # Names of it elsewhere are links, small files that say what it is.
    file = max(found, key=lambda path: path.stat().st_size)
    file.chmod(0o644)
    return file


def drifted(site: Site, *options: object) -> list[tuple[str, str, str]]:
    found = site.done("drift", *options, status=1)["drifted"]
    return [(one["kind"], one["name"], one["state"]) for one in found]


def test_nothing_has_drifted_right_after_an_import(site: Site) -> None:
    site.push("acme-1")
    found = site.done("drift", "--deep")
    assert found["drifted"] == []
    assert found["checked"] == {"tags": 2, "images": 3, "blobs": 8}
    assert "Everything is as the ledger says: 2 tags, 3 images, 8 blobs" in site.run("drift").text


def test_a_ledger_without_imports_has_nothing_to_drift(site: Site) -> None:
    assert site.done("drift")["drifted"] == []


def test_a_tag_that_moved_and_one_that_is_gone_are_named_and_a_push_restores_them(site: Site) -> None:
    site.push("acme-1")
    mine = single_image("of the site")
    mine.push_to(site.registry, site.repository("redis"), "7")
    site.registry.delete_tag(site.repository("app"), "1.0")
    assert drifted(site) == [("tag", "1.0", "missing"), ("tag", "7", "moved")]
    said = site.run("drift")
    assert (said.status, mine.digest in said.out) == (1, True)
    site.push("acme-1")
    assert site.done("drift")["drifted"] == []


def test_an_anchor_that_is_gone_is_named(site: Site) -> None:
    site.push("acme-1")
    (anchor,) = (tag for tag in site.registry.list_tags(site.repository("app")) if tag.startswith("airgap-"))
    site.registry.delete_tag(site.repository("app"), anchor)
    assert drifted(site) == [("anchor", anchor, "missing")]
    site.push("acme-1")
    assert site.done("drift")["drifted"] == []


def test_an_image_that_is_gone_is_named_with_its_tag_and_anchor(site: Site) -> None:
    site.push("acme-1")
    gone = deliveries().images["redis-1"].digest
    site.registry.delete_manifest(site.repository("redis"), gone)
    assert ("image", gone, "missing") in drifted(site)
    assert {kind for kind, _, _ in drifted(site)} == {"anchor", "image", "tag"}
    site.push("acme-1")
    assert site.done("drift")["drifted"] == []


def test_an_attachment_that_is_gone_is_named_and_a_push_restores_it(site: Site) -> None:
    site.push("acme-1")
    (sbom,) = deliveries().images["app-1"].referrers
    site.registry.delete_manifest(site.repository("app"), sbom.digest)
    assert drifted(site) == [("attachment", sbom.digest, "missing")]
    site.push("acme-1")
    assert site.done("drift")["drifted"] == []


def test_a_blob_that_is_gone_is_named_and_a_push_restores_it(site: Site) -> None:
    site.push("acme-1")
    layer = deliveries().images["redis-1"].root.layers[1].digest
    blob_file(site, layer).unlink()
    assert drifted(site) == [("blob", layer, "missing")]
    site.push("acme-1")
    assert site.done("drift")["drifted"] == []


def test_damage_inside_a_blob_is_found_only_by_reading_it(site: Site) -> None:
    site.push("acme-1")
    layer = deliveries().images["redis-1"].root.layers[1].digest
    file = blob_file(site, layer)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    assert site.done("drift")["drifted"] == []
    assert drifted(site, "--deep") == [("blob", layer, "damaged")]


def test_a_blob_of_another_length_is_damaged(site: Site) -> None:
    site.push("acme-1")
    layer = deliveries().images["redis-1"].root.layers[1].digest
    file = blob_file(site, layer)
    file.write_bytes(file.read_bytes()[:-1])
    assert drifted(site) == [("blob", layer, "damaged")]


def test_damage_inside_an_image_manifest_is_found(site: Site) -> None:
    site.push("acme-1")
    digest = deliveries().images["redis-1"].digest
    file = blob_file(site, digest)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    assert ("image", digest, "damaged") in drifted(site)


def test_the_last_product_that_put_a_tag_answers_for_it(site: Site) -> None:
    site.push("acme-1")
    site.push("other-1")
    assert site.done("drift")["drifted"] == []
    mine = single_image("of the site")
    mine.push_to(site.registry, site.repository("redis"), "7")
    assert site.done("drift acme")["drifted"] == []
    assert [one["products"] for one in site.done("drift other", status=1)["drifted"]] == [["other"]]


def test_what_cannot_be_asked_is_an_error_and_not_nothing_wrong(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    with embedded_registry(tmp_path / "registry") as server, gate_before(server.address) as gate:
        site.push("acme-1", dest=gate.address)
        for status in (401, 403, 503):
            gate.rule = lambda method, _target, status=status: status if method == "HEAD" else None
            assert site.run("drift", "--format", "json").status == 5


def test_a_product_that_was_never_imported_is_refused(site: Site) -> None:
    site.push("acme-1")
    site.refused("drift nothing", status=2, code="AB-USAGE-NOT-IMPORTED")
    site.refused("drift acme", "--dest", f"127.0.0.1:{free_port()}", status=2, code="AB-USAGE-NOT-IMPORTED")


def test_looking_for_drift_changes_nothing(site: Site) -> None:
    site.push("acme-1")
    records, before = len(site.audit()), sorted(path for path in (site.path / "registry").rglob("*"))
    site.done("drift", "--deep")
    assert (len(site.audit()), sorted(path for path in (site.path / "registry").rglob("*"))) == (records, before)
