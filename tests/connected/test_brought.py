"""Images that charts and workloads bring along into the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.charts import chart_files, deployment, needs_helm, write_chart
from support.images import _manifest, single_image
from support.trip import Trip, make_trip

from airgap_bundle.connected.chart_package import CHART_LAYER
from airgap_bundle.core.oci import HELM_CONFIG
from airgap_bundle.discovery.archive import pack
from airgap_bundle.manifest.lock import Lock, parse_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        made.put({("acme/web", "1"): single_image("web"), ("acme/extra", "1"): single_image("extra")})
        yield made


def write_manifest(trip: Trip, text: str) -> None:
    (trip.path / "acme.yaml").write_text(f"apiVersion: airgap-bundle/v1\nname: acme\nversion: 1.0.0\n{text}")


def write_app(trip: Trip) -> None:
    address = trip.source.address
    templates = {
        "web.yaml": deployment("web", "{{ .Values.web.image }}"),
        "extra.yaml": "{{ if .Values.extra.enabled }}\n" + deployment("extra", f"{address}/acme/extra:1") + "{{ end }}",
    }
    values = f"web: {{image: '{address}/acme/web:1'}}\nextra: {{enabled: false}}\n"
    write_chart(trip.path / "chart", chart_files(templates, values))


def lock(trip: Trip) -> Lock:
    said = trip.lock()
    assert said.status == 0, said.err
    return parse_lock((trip.path / "acme.lock.yaml").read_bytes(), "acme.lock.yaml")


def images(made: Lock) -> list[str]:
    return [item.source.partition("/")[2] for item in made.items if item.kind == "image"]


@needs_helm
def test_what_a_chart_deploys_travels_and_says_where_it_was_found(trip: Trip) -> None:
    write_app(trip)
    write_manifest(trip, "charts: [{chart: ./chart}]\n")
    made = lock(trip)
    (chart,) = [item for item in made.items if item.kind == "chart"]
    assert images(made) == ["acme/web:1"]
    assert [one.found for one in chart.images] == ["app/templates/web.yaml:10 (values web.image)"]
    assert trip.lock("--check").status == 0


@needs_helm
def test_all_takes_what_only_a_switch_turns_on(trip: Trip) -> None:
    write_app(trip)
    write_manifest(trip, "charts: [{chart: ./chart, images: all}]\n")
    assert images(lock(trip)) == ["acme/extra:1", "acme/web:1"]


@needs_helm
def test_values_of_the_manifest_are_used_to_find_images(trip: Trip) -> None:
    write_app(trip)
    (trip.path / "prod.yaml").write_text("extra: {enabled: true}\n")
    write_manifest(trip, "charts: [{chart: ./chart, values: [prod.yaml]}]\n")
    assert images(lock(trip)) == ["acme/extra:1", "acme/web:1"]


def test_none_looks_for_nothing(trip: Trip) -> None:
    write_app(trip)
    write_manifest(trip, "charts: [{chart: ./chart, images: none}]\n")
    assert images(lock(trip)) == []


@needs_helm
def test_exclude_leaves_out_and_entries_by_hand_win_and_stay(trip: Trip) -> None:
    write_app(trip)
    address = trip.source.address
    write_manifest(
        trip,
        f"images: [{{image: '{address}/acme/web:1', as: own/web}}]\n"
        f"charts: [{{chart: ./chart, images: all}}]\nexclude: ['{address}/acme/ex*']\n",
    )
    made = lock(trip)
    assert [(item.path) for item in made.items if item.kind == "image"] == ["own/web"]
    before = (trip.path / "acme.lock.yaml").read_bytes()
    assert lock(trip) == made
    assert (trip.path / "acme.lock.yaml").read_bytes() == before


def test_workloads_bring_their_images_with_the_place(trip: Trip) -> None:
    address = trip.source.address
    (trip.path / ".env").write_text("TAG=1\n")
    (trip.path / "compose.yaml").write_text(f"services:\n  web:\n    image: {address}/acme/web:${{TAG}}\n")
    (trip.path / "images.txt").write_text(f"# more\n{address}/acme/extra:1\n")
    write_manifest(trip, "workloads: [{compose: compose.yaml}, {list: images.txt}]\n")
    made = lock(trip)
    assert images(made) == ["acme/extra:1", "acme/web:1"]
    places = [one.found for item in made.items for one in item.images]
    assert places == ["images.txt:2", "compose.yaml:3:12 (services.web)"]
    assert trip.lock("--check").status == 0


def test_an_image_that_was_found_and_does_not_exist_fails_the_lock(trip: Trip) -> None:
    (trip.path / "images.txt").write_text(f"{trip.source.address}/acme/none:1\n")
    write_manifest(trip, "workloads: [{list: images.txt}]\n")
    said = trip.lock()
    assert said.status == 5
    assert "acme/none:1 does not exist" in said.text


@needs_helm
def test_what_was_brought_along_arrives_inside(trip: Trip) -> None:
    write_app(trip)
    write_manifest(trip, "charts: [{chart: ./chart}]\n")
    trip.pushed(trip.build())
    assert trip.inside("acme/web", "1") is not None
    assert trip.inside("acme/extra", "1") is None


@needs_helm
def test_a_chart_in_a_registry_is_searched_too(trip: Trip) -> None:
    address = trip.source.address
    package = pack(chart_files({"web.yaml": deployment("web", f"{address}/acme/web:1")}), "app")
    chart = _manifest(
        "chart", config=(HELM_CONFIG, b'{"name":"app","version":"1.0.0"}'), layers=[(CHART_LAYER, package, {})]
    )
    trip.put({("charts/app", "1.0.0"): chart})
    write_manifest(trip, f"charts: [{{chart: 'oci://{address}/charts/app', version: 1.0.0}}]\n")
    assert images(lock(trip)) == ["acme/web:1"]
