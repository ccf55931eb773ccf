"""What `airgap-manifest` says about manifests and locks, and with which status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.registries import free_port
from support.trip import Trip, make_trip, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


def test_a_typo_is_named_with_line_and_column_and_what_was_meant(trip: Trip) -> None:
    file = trip.write_manifest("imagse:", "  - docker.io/library/redis:7")
    said = run("airgap-manifest", "check", file)
    assert said.status == 2
    assert f"{file}:4:1" in said.err
    assert "imagse" in said.err
    assert "images" in said.err
    assert "imagse:" in said.err.splitlines()[1]


def test_all_complaints_come_at_once(trip: Trip) -> None:
    file = trip.write_manifest("imagse: []", "expires: soon", "platforms: [linux]")
    findings = run("airgap-manifest", "check", file, "--format", "json").json["error"]["findings"]
    assert [(each["line"], each["column"]) for each in findings] == [(4, 1), (5, 10), (6, 13)]


@pytest.mark.parametrize("command", ["check", "lock"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"- a\n", b"a: &x 1\nb: *x\n", b"{", b"a: 1\na: 2\n", b"\x00", b"a: !!python/object x"],
)
def test_what_is_no_manifest_is_2(trip: Trip, command: str, content: bytes) -> None:
    (trip.path / "bad.yaml").write_bytes(content)
    said = run("airgap-manifest", command, trip.path / "bad.yaml", "--format", "json")
    assert said.status == 2, said.out
    assert "bad.yaml" in said.json["error"]["message"]


@pytest.mark.parametrize("command", ["check", "lock"])
def test_a_manifest_that_does_not_exist_is_named(trip: Trip, command: str) -> None:
    said = run("airgap-manifest", command, trip.path / "nowhere.yaml", "--format", "json")
    assert said.status in {2, 6}
    assert "nowhere.yaml" in said.json["error"]["message"]


def test_a_directory_is_no_manifest(trip: Trip) -> None:
    said = run("airgap-manifest", "check", trip.path, "--format", "json")
    assert said.status in {2, 6}


def test_an_unwise_manifest_is_1_and_a_warning_only_with_strict(trip: Trip) -> None:
    short = trip.write_manifest("images: [redis:7]")
    assert run("airgap-manifest", "check", short).status == 1
    latest = trip.write_manifest("images: ['docker.io/library/redis:latest']")
    assert run("airgap-manifest", "check", latest).status == 0
    assert run("airgap-manifest", "check", "--strict", latest).status == 1


def test_a_good_manifest_is_0_and_says_so(trip: Trip) -> None:
    said = run("airgap-manifest", "check", trip.write_manifest("images: ['docker.io/library/redis:7.2.4']"))
    assert (said.status, said.out) == (0, "")
    assert "nothing to complain of" in said.err


def test_a_registry_that_is_down_is_5_and_no_lock_is_written(trip: Trip) -> None:
    address = f"127.0.0.1:{free_port()}"
    trip.manifest_of_images(f"{address}/acme/app:1.0")
    said = trip.lock("--format", "json")
    assert (said.status, said.json["error"]["code"]) == (5, "AB-NETWORK-REFUSED")
    assert address in said.json["error"]["message"]
    assert not (trip.path / "acme.lock.yaml").exists()


def test_a_file_outside_the_directory_of_the_manifest_does_not_travel(trip: Trip) -> None:
    inside = trip.path / "inside"
    inside.mkdir()
    (trip.path / "secret").write_text("secret")
    (inside / "link").symlink_to("../secret")
    manifest = inside / "acme.yaml"
    manifest.write_text("apiVersion: airgap-bundle/v1\nname: acme\nversion: 1.0.0\nfiles: [{path: link}]\n")
    said = run("airgap-manifest", "lock", manifest, "--format", "json")
    assert said.status == 2, said.out
    assert not (inside / "acme.lock.yaml").exists()


@pytest.mark.parametrize("path", ["nowhere.txt", "."])
def test_a_file_that_cannot_travel_is_named_with_its_place(trip: Trip, path: str) -> None:
    trip.write_manifest(f"files: [{{path: {path}, as: x.txt}}]")
    said = trip.lock("--format", "json")
    assert said.status == 2, said.out
    assert "acme.yaml" in said.out


def test_a_file_with_another_digest_is_refused(trip: Trip) -> None:
    (trip.path / "notes.txt").write_text("hello")
    trip.write_manifest(f"files: [{{path: notes.txt, sha256: {'0' * 64}}}]")
    said = trip.lock("--format", "json")
    assert (said.status, said.json["error"]["code"]) == (2, "AB-MANIFEST-LOCAL-FILE")


def test_every_command_speaks_json(trip: Trip) -> None:
    trip.one_image()
    file = trip.path / "acme.yaml"
    for words in (("check", file), ("lock", file), ("lock", file, "--check")):
        said = run("airgap-manifest", *words, "--format", "json")
        assert (said.status, bool(said.json)) == (0, True), words


def test_the_schema_is_json(trip: Trip) -> None:
    for words in (("schema",), ("schema", "--overlay")):
        assert "$schema" in run("airgap-manifest", *words).out
