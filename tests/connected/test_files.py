"""Files of the web and whole directories: locked, carried, and written out again inside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from support.helm import sha256
from support.scripted_server import ScriptedServer, answer
from support.trip import Trip, make_trip, run, start

from airgap_bundle.connected.packing import list_tree, write_tar
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, RegistryError
from airgap_bundle.core.report import Place
from airgap_bundle.manifest.lock import parse_lock
from airgap_bundle.manifest.locked import DIRECTORY_MEDIA_TYPE, FILE_MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.trip import Said

    from airgap_bundle.manifest.locked import LockedItem


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


def locked(trip: Trip) -> tuple[LockedItem, ...]:
    return parse_lock((trip.path / "acme.lock.yaml").read_bytes(), "acme.lock.yaml").items


def assert_refused(said: Said, status: int, code: str, word: str) -> None:
    assert (said.status, said.out) == (status, ""), said.text
    assert f"explain {code}" in said.text, said.text
    assert word in said.text, said.text


def make_directory(trip: Trip) -> None:
    (trip.path / "notes" / "deep" / "empty").mkdir(parents=True)
    (trip.path / "notes" / "run.sh").write_text("#!/bin/sh\n")
    (trip.path / "notes" / "run.sh").chmod(0o700)
    (trip.path / "notes" / "deep" / "a b.txt").write_bytes(b"text" * 200)
    (trip.path / "licence").write_text("free")
    trip.write_manifest("files:", "  - {path: notes/, as: docs/notes}", "  - {path: licence, as: licences/acme.lic}")


def tree(path: Path) -> dict[str, tuple[int, bytes]]:
    return {
        found.relative_to(path).as_posix(): (found.stat().st_mode & 0o777, found.read_bytes())
        for found in path.rglob("*")
        if found.is_file()
    }


EXPECTED = {
    "docs/notes/run.sh": (0o755, b"#!/bin/sh\n"),
    "docs/notes/deep/a b.txt": (0o644, b"text" * 200),
    "licences/acme.lic": (0o644, b"free"),
}


def test_a_file_of_the_web_is_fetched_once_and_never_again(trip: Trip) -> None:
    with ScriptedServer() as server:
        server.step("GET", "/install.sh?v=1", answer(302, location="/moved/install.sh"))
        server.step("GET", "/moved/install.sh", answer(200, b"echo hello"))
        address = f"http://{server.address}/install.sh?v=1"
        trip.write_manifest("files:", f"  - {{url: '{address}', sha256: {sha256(b'echo hello')}}}")
        assert trip.lock().status == 0
        assert trip.lock("--update-all").status == 0
    (item,) = locked(trip)
    assert (item.path, item.digest, item.media_type) == ("install.sh", Digest.of(b"echo hello"), FILE_MEDIA_TYPE)
    trip.pushed(trip.build(), "", "--files-to", trip.path / "out")
    assert tree(trip.path / "out") == {"install.sh": (0o644, b"echo hello")}


def test_a_file_of_the_web_with_another_digest_is_refused(trip: Trip) -> None:
    with ScriptedServer() as server:
        server.always("GET", "/a", answer(200, b"other"))
        trip.write_manifest("files:", f"  - {{url: 'http://{server.address}/a', sha256: {'0' * 64}}}")
        assert_refused(trip.lock(), 5, "AB-WEB-CONTENT", "0" * 64)


def test_a_file_of_the_web_that_is_cut_short_is_fetched_again(trip: Trip) -> None:
    with ScriptedServer() as server:
        server.step("GET", "/a", answer(200, b"half", content_length="8"), cut=True)
        server.step("GET", "/a", answer(200, b"half two"))
        trip.write_manifest("files:", f"  - {{url: 'http://{server.address}/a'}}")
        assert trip.lock().status == 0
    assert locked(trip)[0].digest == Digest.of(b"half two")


def test_a_login_goes_to_the_host_that_it_is_for_and_to_no_other(trip: Trip) -> None:
    with ScriptedServer() as other, ScriptedServer() as server:
        (trip.path / "auth.json").write_text(json.dumps({"auths": {server.address: {"auth": "YTpi"}}}))
        server.step("GET", "/a", answer(401, www_authenticate='Basic realm="x"'))
        server.step("GET", "/a", answer(302, location=f"http://{other.address}/b"))
        other.step("GET", "/b", answer(401, www_authenticate='Basic realm="x"'))
        trip.write_manifest("files:", f"  - {{url: 'http://{server.address}/a'}}")
        assert_refused(trip.lock("--authfile", trip.path / "auth.json"), 5, "AB-WEB-REFUSED", "status 401")
        assert [request.headers.get("authorization") for request in server.received] == [None, "Basic YTpi"]
        assert [request.headers.get("authorization") for request in other.received] == [None]


def test_a_directory_is_one_layer_that_depends_on_its_files_alone(trip: Trip) -> None:
    make_directory(trip)
    assert trip.lock().status == 0
    item = locked(trip)[1]
    assert (item.source, item.path, item.media_type) == ("notes", "docs/notes", DIRECTORY_MEDIA_TYPE)
    for found in (trip.path / "notes").rglob("*"):
        os.utime(found, (1, 1))
    (trip.path / "notes" / "run.sh").chmod(0o755)
    assert trip.lock().status == 0
    assert locked(trip)[1] == item
    (trip.path / "notes" / "run.sh").chmod(0o644)
    assert trip.lock().status == 0
    assert locked(trip)[1].digest != item.digest


def test_the_files_of_a_bundle_are_written_into_a_directory(trip: Trip) -> None:
    make_directory(trip)
    bundle = trip.build()
    assert run("airgap-import", "verify", bundle, "--policy", trip.policy).status == 0
    document = trip.pushed(bundle, "", "--files-to", trip.path / "out")
    assert tree(trip.path / "out") == EXPECTED
    assert sorted(document["files"]) == sorted(EXPECTED)
    assert (trip.path / "out" / "docs" / "notes" / "deep" / "empty").is_dir()
    assert sorted(path.name for path in (trip.path / "out").iterdir()) == ["docs", "licences"]
    # Once more changes nothing.
    before = {path: path.stat().st_ino for path in (trip.path / "out").rglob("*")}
    trip.pushed(bundle, "", "--files-to", trip.path / "out")
    assert {path: path.stat().st_ino for path in (trip.path / "out").rglob("*")} == before


def test_the_files_of_a_stream_are_written_too(trip: Trip) -> None:
    make_directory(trip)
    bundle = trip.build()
    arguments = trip.push_arguments("-", "", "--files-to", trip.path / "out")
    with bundle.open("rb") as stream, start("airgap-import", *arguments, stdin=stream) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert tree(trip.path / "out") == EXPECTED


@pytest.mark.parametrize("way", ["other file", "link", "directory", "file for directory", "dangling link"])
def test_what_is_in_the_way_of_a_file_stops_everything(trip: Trip, way: str) -> None:
    make_directory(trip)
    bundle = trip.build()
    out = trip.path / "out"
    (out / "licences").mkdir(parents=True)
    match way:
        case "other file":
            (out / "licences" / "acme.lic").write_text("other")
        case "link":
            (out / "licences" / "acme.lic").symlink_to(trip.path / "licence")
        case "directory":
            (out / "licences" / "acme.lic").mkdir()
        case "file for directory":
            (out / "docs").write_text("other")
        case _:
            (out / "docs").symlink_to(trip.path / "nowhere")
    before = sorted(path.name for path in out.rglob("*"))
    assert_refused(trip.push(bundle, "", "--files-to", out), 2, "AB-USAGE-FILES-EXIST", "something else")
    assert sorted(path.name for path in out.rglob("*")) == before
    assert trip.inner_tags() == {}
    # Without that it goes on where it was.
    trip.pushed(bundle, "", "--files-to", trip.path / "elsewhere")
    assert tree(trip.path / "elsewhere") == EXPECTED


def test_a_directory_that_leads_elsewhere_is_not_followed(trip: Trip) -> None:
    make_directory(trip)
    bundle = trip.build()
    (trip.path / "elsewhere").mkdir()
    (trip.path / "out").mkdir()
    (trip.path / "out" / "docs").symlink_to(trip.path / "elsewhere")
    assert_refused(trip.push(bundle, "", "--files-to", trip.path / "out"), 2, "AB-USAGE-FILES-EXIST", "docs")
    assert list((trip.path / "elsewhere").iterdir()) == []


def test_files_go_away_again_where_the_tags_cannot_move(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    make_directory(trip)
    bundle = trip.build()
    (trip.path / "out" / "docs").mkdir(parents=True)

    def fail(*_: object, **__: object) -> int:
        assert EXPECTED.items() <= tree(trip.path / "out").items()
        raise RegistryError("AB-REGISTRY-FAILED", "no tag can be moved")

    monkeypatch.setattr("airgap_bundle.boundary.push.move_tags", fail)
    assert trip.push(bundle, "", "--files-to", trip.path / "out").status == 5
    assert [path.name for path in (trip.path / "out").rglob("*")] == ["docs"]


def test_a_build_notices_a_directory_that_has_changed_when_its_cache_is_gone(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRGAP_CACHE", str(trip.path / "cache"))
    make_directory(trip)
    assert trip.lock().status == 0
    (trip.path / "notes" / "run.sh").write_text("other")
    # What was locked is what travels, while it is at hand.
    trip.build("one.tar")
    for kept in (trip.path / "cache" / "blobs" / "sha256").iterdir():
        kept.unlink()
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "two.tar")
    assert_refused(said, 2, "AB-LOCK-STALE", "notes")
    assert not (trip.path / "two.tar").exists()


def test_an_unusable_cache_is_named(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    make_directory(trip)
    (trip.path / "file").touch()
    monkeypatch.setenv("AIRGAP_CACHE", str(trip.path / "file"))
    assert_refused(trip.lock(), 6, "AB-HOST-CACHE", "AIRGAP_CACHE")


@pytest.mark.parametrize("kind", ["link", "pipe", "odd name", "long name"])
def test_what_cannot_travel_in_a_directory_is_named(trip: Trip, kind: str) -> None:
    make_directory(trip)
    place = trip.path / "notes" / "deep"
    match kind:
        case "link":
            (place / "bad").symlink_to("/etc/passwd")
        case "pipe":
            os.mkfifo(place / "bad")
        case "odd name":
            (place / "b\\ad").touch()
        case _:
            # 800 characters: more than systems open below a directory of the reader.
            for _ in range(4):
                place /= "bad" * 67
                place.mkdir()
    assert_refused(trip.lock(), 2, "AB-MANIFEST-LOCAL-FILE", "ad")


def test_a_directory_outside_the_manifest_is_refused(trip: Trip) -> None:
    (trip.path / "inside").mkdir()
    (trip.path / "inside" / "up").symlink_to(trip.path)
    manifest = trip.path / "inside" / "acme.yaml"
    manifest.write_text("apiVersion: airgap-bundle/v1\nname: acme\nversion: 1\nfiles: [{path: up/state}]\n")
    (trip.path / "state").mkdir(exist_ok=True)
    said = run("airgap-manifest", "lock", manifest)
    assert said.status == 2
    assert "leads out of the directory" in said.text


def test_the_tar_of_a_directory_is_read_by_others(tmp_path: Path) -> None:
    (tmp_path / "in" / ("d" * 90)).mkdir(parents=True)
    (tmp_path / "in" / ("d" * 90) / ("f" * 95)).write_bytes(b"x" * 700)
    place = Place(file="m.yaml")
    with (tmp_path / "out.tar").open("wb") as out:
        write_tar(tmp_path / "in", list_tree(tmp_path / "in", place), "", out, place)
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert tar.getnames() == ["d" * 90, f"{'d' * 90}/{'f' * 95}"]
        found = tar.extractfile(f"{'d' * 90}/{'f' * 95}")
        assert found is not None
        assert found.read() == b"x" * 700


LONG = "d" * 200 + "/" + "e" * 120 + "/" + "f" * 255


@pytest.mark.parametrize("program", ["tar", "bsdtar", "python"])
def test_names_as_long_as_file_systems_hold_are_read_by_others(tmp_path: Path, program: str) -> None:
    if program != "python" and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    source, place = tmp_path / "in", Place(file="m.yaml")
    (source / LONG).parent.mkdir(parents=True)
    (source / LONG).write_bytes(b"x" * 700)
    (source / LONG).chmod(0o755)
    # Of every length around the places where ustar ends and the record gets another digit.
    names = ["s" * length for length in (*range(80, 104), 155, 255)]
    for name in names:
        (source / name).write_text(name)
    with (tmp_path / "out.tar").open("wb") as out:
        write_tar(source, list_tree(source, place), "", out, place)
    unpacked = tmp_path / "out"
    unpacked.mkdir()
    if program == "python":
        with tarfile.open(tmp_path / "out.tar") as tar:
            tar.extractall(unpacked, filter="data")
    else:
        subprocess.run([program, "-xf", tmp_path / "out.tar", "-C", unpacked], check=True, capture_output=True)
    assert sorted(path.name for path in unpacked.iterdir()) == sorted(["d" * 200, *names])
    assert all((unpacked / name).read_text() == name for name in names)
    assert ((unpacked / LONG).read_bytes(), (unpacked / LONG).stat().st_mode & 0o777) == (b"x" * 700, 0o755)


def test_long_names_of_a_directory_arrive_as_files(trip: Trip) -> None:
    place = trip.path / "docs" / LONG
    place.parent.mkdir(parents=True)
    place.write_text("long")
    trip.write_manifest("files: [{path: docs}]")
    trip.pushed(trip.build(), "", "--files-to", trip.path / "out")
    assert (trip.path / "out" / "docs" / LONG).read_text() == "long"


def test_a_file_that_changes_while_it_is_packed_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    place = Place(file="m.yaml")
    tree_before = list_tree(tmp_path, place)
    for other in (b"1234", b"123456"):
        (tmp_path / "a").write_bytes(other)
        with pytest.raises(DocumentError, match="changes while it is read"), (tmp_path.parent / "o").open("wb") as out:
            write_tar(tmp_path, tree_before, "", out, place)
