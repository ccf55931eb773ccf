"""What a delta can be built against."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from support.deliveries import Site, deliveries, make_site

import airgap_bundle.boundary.lifecycle


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def holdings(site: Site, *options: object) -> dict[str, object]:
    file = site.path / "holdings.json"
    site.done("holdings -o", file, *options)
    document = json.loads(file.read_bytes())
    schema = Path(airgap_bundle.boundary.lifecycle.__file__).parent / "holdings.v1.schema.json"
    jsonschema.validate(document, json.loads(schema.read_bytes()))
    return dict(document)


def test_every_blob_of_what_is_current_is_listed_with_the_bundle_that_brought_it(site: Site) -> None:
    receipt = site.push("acme-1")
    (there,) = holdings(site)["destinations"]
    blobs = {}
    for name in ("app-1", "redis-1"):
        image = deliveries().images[name]
        for content in (image, *image.referrers):
            blobs |= {str(digest): len(data) for digest, data in content.all_blobs().items()}
    assert {one["digest"]: one["size"] for one in there["blobs"]} == blobs
    assert [(one["product"], one["receipt"]) for one in there["bundles"]] == [("acme", receipt)]


def test_what_is_missing_is_left_out_and_counted(site: Site) -> None:
    site.push("acme-1")
    layer = deliveries().images["redis-1"].root.layers[1].digest
    (file,) = (
        path for path in (site.path / "registry").rglob(f"*{layer.encoded}*") if path.is_file() and path.stat().st_size
    )
    file.unlink()
    (there,) = holdings(site)["destinations"]
    assert layer not in {one["digest"] for one in there["blobs"]}
    assert "1 thing missing" in site.run("holdings -o", site.path / "again.json").text


def test_after_a_rollback_it_is_what_was_gone_back_to(site: Site) -> None:
    first = site.push("acme-1")
    site.push("acme-2")
    site.done("rollback acme")
    (there,) = holdings(site)["destinations"]
    assert [one["receipt"] for one in there["bundles"]] == [first]


def test_held_and_partial_imports_are_no_base(site: Site) -> None:
    site.push("acme-1", "--hold")
    assert holdings(site)["destinations"] == []


def test_several_products_of_a_destination_are_one_list(site: Site) -> None:
    site.push("acme-1")
    site.push("other-1")
    (there,) = holdings(site)["destinations"]
    assert [one["product"] for one in there["bundles"]] == ["acme", "other"]
    (only,) = holdings(site, "other")["destinations"]
    assert [one["product"] for one in only["bundles"]] == ["other"]


def test_a_file_that_cannot_be_written_is_no_file(site: Site) -> None:
    site.push("acme-1")
    said = site.run("holdings -o", site.path / "no" / "such" / "directory.json", "--format", "json")
    assert said.status == 6
    assert [path.name for path in site.path.iterdir() if "partial" in path.name] == []
