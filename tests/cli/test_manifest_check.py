"""`airgap-manifest check`, `discover`, `diff` and `convert` as they are typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.charts import chart_files, deployment, needs_helm, write_chart
from support.images import helm_chart, single_image
from support.trip import Trip, make_trip, run
from support.web import web_outside

from airgap_bundle.discovery.archive import pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = "apiVersion: airgap-bundle/v1\nname: acme\nversion: 1.0.0\n"
CALLS_OUT = "          env: [{name: LICENCE, value: 'https://licence.vendor.net'}]\n"
FORMATS = ["text", "json", "sarif", "junit", "github", "gitlab"]


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


def write(tmp_path: Path, body: str, name: str = "acme.yaml") -> Path:
    path = tmp_path / name
    path.write_text(HEAD + body)
    return path


def codes(*arguments: object) -> list[str]:
    said = run("airgap-manifest", "check", *arguments, "--format", "json")
    assert said.status in {0, 1}, said.err
    return [finding["code"] for finding in said.json["findings"]]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("body", "strict", "status"),
    [
        ("images: [a.io/b:1]", False, 0),
        ("images: [a.io/b:latest]", False, 0),
        ("images: [a.io/b:latest]", True, 1),
        ("images: [redis:1]", False, 1),
        ("imagse: [redis:1]", False, 2),
        ("images: [", False, 2),
    ],
)
def test_the_exit_status_is_the_same_in_every_format(
    tmp_path: Path, *, name: str, body: str, strict: bool, status: int
) -> None:
    said = run("airgap-manifest", "check", write(tmp_path, body), "--format", name, *(["--strict"] if strict else []))
    assert said.status == status


@pytest.mark.parametrize("name", ["sarif", "github", "gitlab", "junit", "json"])
def test_a_file_that_is_no_manifest_is_shown_with_the_findings_of_the_others(tmp_path: Path, name: str) -> None:
    bad, good = write(tmp_path, "imagse: []\n", "bad.yaml"), write(tmp_path, "images: [redis:1]\n", "good.yaml")
    said = run("airgap-manifest", "check", bad, good, "--format", name)
    assert said.status == 2
    assert "AB-YAML-KEY" in said.out
    assert "AGM003" in said.out


def test_rules_are_chosen_by_code_or_its_beginning(tmp_path: Path) -> None:
    path = write(tmp_path, "images: [redis:latest]\n")
    assert codes(path) == ["AGM003", "AGM004"]
    assert codes(path, "--ignore", "AGM003") == ["AGM004"]
    assert codes(path, "--select", "agm003,AGM001") == ["AGM003"]
    assert codes(path, "--ignore", "AGM") == []
    assert run("airgap-manifest", "check", path, "--ignore", "AGM999").status == 2


def test_a_comment_with_a_reason_suppresses(tmp_path: Path) -> None:
    path = write(tmp_path, "images:\n  - a.io/b:latest  # airgap: ignore[AGM004] built nightly\n")
    assert codes(path) == []
    assert codes(path, "--select", "AGM003") == []


def test_fix_mends_and_checks_again(tmp_path: Path) -> None:
    path = write(tmp_path, "images:\n  - redis:7\n  - redis:7\n")
    said = run("airgap-manifest", "check", path, "--fix")
    assert said.status == 0
    assert path.read_text() == HEAD + "images:\n  - docker.io/library/redis:7\n"


def test_what_loosened_since_the_base_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "k.pub").touch()
    rule = "verify: [{match: 'a.io/**', key: k.pub}]\n"
    base = write(tmp_path, f"images: [a.io/b:1]\n{rule}", "base.yaml")
    assert codes(base, "--base", base) == []
    assert codes(write(tmp_path, "images: [a.io/b:1, c.io/d:1]\nreferrers: none\n"), "--base", base) == ["AGM023"] * 3
    (tmp_path / "other.pub").touch()
    assert codes(write(tmp_path, f"images: [a.io/b:1]\n{rule.replace('k.pub', 'other.pub')}"), "--base", base) == [
        "AGM023"
    ]


def test_registries_outside_the_list_and_rules_about_nothing_are_found(tmp_path: Path) -> None:
    (tmp_path / "k.pub").touch()
    path = write(tmp_path, "images: [a.io/b:1, c.io/d/e:1]\nverify: [{match: 'x.io/**', key: k.pub}]\n")
    assert codes(path) == ["AGM021"]
    assert codes(path, "--allow-registry", "a.io") == ["AGM022", "AGM021"]
    assert codes(path, "--allow-registry", "a.io", "--allow-registry", "c.io/d/**") == ["AGM021"]


def test_discovered_images_and_risks_are_found_in_workloads(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services: {web: {image: 'a.io/web:1', environment: {LICENCE: 'https://licence.vendor.net'}}}\n"
    )
    path = write(tmp_path, "workloads: [{compose: compose.yaml}]\n")
    assert codes(path, "--readiness") == ["AGM030"]
    assert codes(path, "--readiness", "--allow-host", "*.vendor.net") == []
    assert codes(path, "--discover") == []


def test_a_chart_from_a_registry_is_looked_into_as_it_was_locked_or_named_as_not_looked_into(trip: Trip) -> None:
    (image,) = trip.put({("acme/web", "1"): single_image("web")})
    calling = deployment("web", image, CALLS_OUT)
    chart = helm_chart("web", "1.0.0", files=chart_files({"web.yaml": calling}, name="web"))
    trip.put({("charts/web", "1.0.0"): chart})
    path = trip.write_manifest("charts:", f"  - {{chart: 'oci://{trip.source.address}/charts/web', version: 1.0.0}}")
    assert codes(path, "--readiness") == ["AGM036"]
    assert codes(path, "--discover") == []
    # It is for a person to know, and fails nothing.
    said = run("airgap-manifest", "check", "--strict", "--readiness", path)
    assert said.status == 0
    assert (
        f"{trip.source.address}/charts/web:1.0.0 was not looked into: it does not lie beside the manifest" in said.text
    )
    said = run("airgap-manifest", "check", "--readiness", "--online", path)
    assert "it is not in the lock" in said.text
    assert trip.lock().status == 0
    assert codes(path, "--readiness", "--online") == ["AGM030"]
    trip.source.registry.delete_manifest("charts/web", chart.digest)
    assert codes(path, "--readiness", "--online") == ["AGM018", "AGM036"]


def test_a_chart_from_a_repository_is_looked_into_too(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    (image,) = trip.put({("acme/web", "1"): single_image("web")})
    calling = deployment("web", image, CALLS_OUT)
    package = pack(chart_files({"web.yaml": calling}, name="web"), "web")
    with web_outside() as web:
        web.put_chart("https://charts.example.com", "web", "1.0.0", package)
        monkeypatch.setenv("AIRGAP_MIRROR", f"charts.example.com={web.address}/charts.example.com")
        path = trip.write_manifest("charts:", "  - {chart: web, repo: 'https://charts.example.com', version: 1.0.0}")
        assert codes(path, "--readiness") == ["AGM036"]
        assert trip.lock().status == 0
        assert codes(path, "--readiness", "--online") == ["AGM030"]


def test_an_image_that_came_since_the_lock_is_found(trip: Trip) -> None:
    web, more = trip.put({("acme/web", "1"): single_image("web"), ("acme/more", "1"): single_image("more")})
    (trip.path / "images.txt").write_text(f"{web}\n")
    trip.write_manifest("workloads: [{list: images.txt}]")
    assert trip.lock().status == 0
    path = trip.path / "acme.yaml"
    assert codes(path, "--discover") == []
    (trip.path / "images.txt").write_text(f"{web}\n{more}\n")
    assert codes(path, "--discover") == ["AGM020"]


def test_online_finds_what_is_gone_what_moved_and_what_is_too_large(trip: Trip) -> None:
    (one,) = trip.put({("acme/one", "1"): single_image("one", size=50_000)})
    trip.manifest_of_images(one)
    path = trip.path / "acme.yaml"
    assert trip.lock().status == 0
    assert codes(path, "--online", "--volume-size", "dvd") == []
    trip.put({("acme/one", "1"): single_image("two")})
    assert codes(path, "--online") == ["AGM018"]
    trip.manifest_of_images(one, f"{trip.source.address}/acme/gone:1")
    assert codes(path, "--online", "--select", "AGM018") == ["AGM018", "AGM018"]
    assert run("airgap-manifest", "check", path, "--volume-size", "dvd").status == 2


@needs_helm
def test_discover_has_the_documented_shape(tmp_path: Path) -> None:
    template = "{{ if .Values.x.enabled }}\n" + deployment("x", "a.io/x:1") + "{{ end }}"
    chart = write_chart(
        tmp_path / "chart",
        chart_files({"w.yaml": deployment("w", "redis:7"), "x.yaml": template}, "x: {enabled: false}"),
    )
    said = run("airgap-manifest", "discover", chart, "--format", "json").json
    assert said["version"] == 1
    assert [(one["image"], one["certainty"]) for one in said["images"]] == [
        ("docker.io/library/redis:7", "rendered"),
        ("a.io/x:1", "switch"),
    ]
    assert said["images"][0]["found"] == ["app/templates/w.yaml:10 (spec.template.spec.containers[0].image)"]
    assert said["unresolved"] == []
    text = run("airgap-manifest", "discover", chart)
    assert text.status == 0
    assert "with x.enabled=true" in text.out


def test_guesses_are_confirmed_online(trip: Trip) -> None:
    (real,) = trip.put({("acme/real", "1"): single_image("real")})
    address = trip.source.address
    (trip.path / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: b.io/a:1, env: ["
        f"{{name: A, value: '127.0.0.1:{address.rpartition(':')[2]}/acme/real:1'}},"
        f"{{name: B, value: '127.0.0.1:{address.rpartition(':')[2]}/acme/none:1'}}]}}]}}\n"
    )
    offline = run("airgap-manifest", "discover", trip.path / "pod.yaml", "--format", "json").json["images"]
    online = run("airgap-manifest", "discover", trip.path / "pod.yaml", "--online", "--format", "json").json["images"]
    assert [one["certainty"] for one in offline] == ["rendered", "guess", "guess"]
    assert [one["image"].rpartition("/")[2] for one in online] == ["a:1", "real:1"]
    assert real


def test_diff_compares_locks_and_bundles(trip: Trip) -> None:
    one, two = trip.put({("acme/one", "1"): single_image("one"), ("acme/two", "1"): single_image("two")})
    trip.manifest_of_images(one)
    first = trip.build("old.tar")
    (trip.path / "old.lock.yaml").write_bytes((trip.path / "acme.lock.yaml").read_bytes())
    trip.put({("acme/one", "2"): single_image("newer")})
    trip.manifest_of_images(one[:-1] + "2", two, version="2.0.0")
    assert trip.lock().status == 0
    second = trip.build("new.tar")
    for old, new in ((first, second), (trip.path / "old.lock.yaml", trip.path / "acme.lock.yaml")):
        said = run("airgap-manifest", "diff", old, new, "--format", "json").json
        assert [entry["source"] for entry in said["added"]] == [two]
        assert [pair["new"]["source"][-1] for pair in said["changed"]] == ["2"]
        assert said["removed"] == []
    assert run("airgap-manifest", "diff", first, second, "--format", "json").json["deltaBytes"] > 0
    weighed = run(
        "airgap-manifest",
        "diff",
        trip.path / "old.lock.yaml",
        trip.path / "acme.lock.yaml",
        "--online",
        "--format",
        "json",
    ).json
    assert weighed["deltaBytes"] > 0
    assert weighed["added"][0]["bytes"] > 0
    markdown = run("airgap-manifest", "diff", first, second, "--format", "markdown")
    assert markdown.status == 0
    assert "| added | `" in markdown.out
    same = run("airgap-manifest", "diff", first, first)
    assert (same.status, "nothing differs" in same.out) == (0, True)


def test_convert_writes_a_manifest_that_checks(tmp_path: Path) -> None:
    (tmp_path / "images.txt").write_text("ghcr.io/acme/app:1.0\n${X}\n")
    said = run(
        "airgap-manifest", "convert", tmp_path / "images.txt", "--from", "list", "--name", "acme", "--release", "2.0"
    )
    assert said.status == 0
    assert "not carried over" in said.text
    (tmp_path / "acme.yaml").write_text(said.out)
    assert codes(tmp_path / "acme.yaml") == []
    record = json.loads(
        run("airgap-manifest", "convert", tmp_path / "images.txt", "--from", "list", "--format", "json").out
    )
    assert record["lost"]
