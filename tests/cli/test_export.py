"""Building: interrupted, refused, asked for nonsense. Nothing that is half done has the final name."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.gate import Gate, gate_before
from support.images import single_image
from support.registries import free_port
from support.trip import Said, Trip, command_line, keys, make_trip, run, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LAYERS = 8


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def gate(trip: Trip) -> Iterator[Gate]:
    with gate_before(trip.source.address) as made:
        yield made


def refused(said: Said, status: int, code: str, *words: str) -> dict[str, Any]:
    """The error as JSON; its sentence has these words."""
    assert said.status == status, said.err
    error = said.json["error"]
    assert error["code"] == code, said.out
    for word in words:
        assert word in error["message"], error["message"]
    return dict(error)


def build(trip: Trip, out: Path | str, *options: object) -> Said:
    return run("airgap-export", "build", trip.path / "acme.yaml", "-o", out, *options, "--format", "json")


def image_of_many_layers(trip: Trip, gate: Gate) -> None:
    """An image of many layers that is read through the gate, and its lock."""
    trip.put({("acme/app", "1.0"): single_image("app", layers=LAYERS)})
    trip.manifest_of_images(f"{gate.address}/acme/app:1.0")
    assert trip.lock().status == 0
    gate.asked.clear()


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("layers", [1, 5, LAYERS])
def test_killed_while_it_fetches_a_build_leaves_no_final_name_and_goes_on(trip: Trip, gate: Gate, layers: int) -> None:
    image_of_many_layers(trip, gate)
    out = trip.path / "acme.tar"
    reference = trip.build("reference.tar", sign="")
    fetched = 0
    process: subprocess.Popen[bytes] | None = None

    def rule(method: str, target: str) -> int | None:
        nonlocal fetched
        fetched += method == "GET" and "/blobs/" in target
        if fetched >= layers and process is not None:
            process.kill()
        return None

    gate.rule = rule
    gate.open.clear()
    process = start("airgap-export", "build", trip.path / "acme.yaml", "-o", out, "--jobs", 1)
    gate.open.set()
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    gate.rule = lambda _method, _target: None
    assert build(trip, out).status == 0
    assert out.read_bytes() == reference.read_bytes()
    assert sorted(each.name for each in trip.path.glob("acme.tar*")) == ["acme.tar"]


def test_interrupted_while_a_transfer_hangs_it_ends_within_two_seconds(trip: Trip, gate: Gate) -> None:
    image_of_many_layers(trip, gate)
    out = trip.path / "acme.tar"
    blobs: list[str] = []

    def rule(method: str, target: str) -> int | None:
        if method == "GET" and "/blobs/" in target:
            blobs.append(target)
            if len(blobs) > 3:
                gate.open.clear()
                gate.open.wait(30)
        return None

    gate.rule = rule
    process = start("airgap-export", "build", trip.path / "acme.yaml", "-o", out)
    _wait_for(lambda: len(blobs) > 3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    said = b"".join(process.communicate(timeout=20))
    assert time.monotonic() - began < 2
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert not out.exists()
    gate.rule = lambda _method, _target: None
    gate.open.set()
    assert build(trip, out).status == 0


def test_interrupted_while_a_registry_wants_a_pause_it_ends_within_two_seconds(trip: Trip, gate: Gate) -> None:
    image_of_many_layers(trip, gate)
    gate.rule = lambda _method, target: 503 if "/blobs/" in target else None
    process = start("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "acme.tar")
    _wait_for(lambda: gate.count("GET", "/blobs/") > 10)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert process.returncode == 130


def test_what_an_interrupted_build_has_is_not_fetched_again(trip: Trip, gate: Gate) -> None:
    """A registry that fails in the middle ends it in order: what was whole by then is remembered."""
    image_of_many_layers(trip, gate)
    out = trip.path / "acme.tar"
    served: set[str] = set()

    def rule(method: str, target: str) -> int | None:
        if method == "GET" and "/blobs/" in target:
            if len(served) >= 4 and target not in served:
                return 404
            served.add(target)
        return None

    gate.rule = rule
    assert build(trip, out, "--jobs", 1).status == 5
    assert not out.exists()
    gate.rule = lambda _method, _target: None
    gate.asked.clear()
    said = build(trip, out, "--jobs", 1)
    assert said.status == 0, said.err
    again = {target for method, target in gate.asked if method == "GET" and "/blobs/" in target}
    assert again.isdisjoint(served)
    assert said.json["resumedBytes"] > 0


def test_the_same_build_again_fetches_no_blob_and_says_that_it_is_there(trip: Trip, gate: Gate) -> None:
    image_of_many_layers(trip, gate)
    out = trip.build(sign="")
    before = out.read_bytes()
    gate.asked.clear()
    said = build(trip, out)
    assert (said.status, said.json["existed"]) == (0, True)
    assert gate.count("GET", "/blobs/") == 0
    assert out.read_bytes() == before


@pytest.mark.parametrize("options", [(), ("--volume-size", "1MB")], ids=["file", "volumes"])
def test_the_same_build_again_asks_nobody_and_changes_nothing(trip: Trip, gate: Gate, options: tuple[str, ...]) -> None:
    image_of_many_layers(trip, gate)
    build(trip, trip.path / "acme.tar", *options)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in trip.path.glob("acme.tar*")}
    gate.asked.clear()
    said = build(trip, trip.path / "acme.tar", *options)
    assert (said.status, said.json["existed"], gate.asked) == (0, True, [])
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in trip.path.glob("acme.tar*")} == before


def test_a_finished_bundle_whose_documents_are_damaged_is_not_taken_for_done(trip: Trip, gate: Gate) -> None:
    image_of_many_layers(trip, gate)
    out = trip.build(sign="")
    raw = bytearray(out.read_bytes())
    at = raw.index(b'"schemaVersion"', raw.index(b"blobs/sha256/"))
    raw[at + 1 : at + 7] = b"SCHEMA"
    out.write_bytes(raw)
    error = refused(build(trip, out), 4, "AB-BUNDLE-BLOB", "acme.tar is damaged")
    assert "move it away" in error["hint"]


def test_the_bundle_of_an_older_lock_is_not_taken_for_that_of_a_new_one(trip: Trip, gate: Gate) -> None:
    image_of_many_layers(trip, gate)
    out = trip.build(sign="")
    trip.put({("acme/app", "1.0"): single_image("another", layers=LAYERS)})
    assert trip.lock("--update-all").status == 0
    refused(build(trip, out), 2, "AB-USAGE-OUTPUT-EXISTS", "is not this bundle")


def test_the_same_build_again_adds_the_signature_that_is_missing(trip: Trip) -> None:
    trip.one_image()
    trip.build(sign="")
    bundle = trip.build()
    assert trip.push(bundle).status == 0


def test_a_file_that_is_something_else_is_never_overwritten(trip: Trip) -> None:
    trip.one_image()
    out = trip.path / "acme.tar"
    for content in (b"", b"the only copy of something", bytes(4096)):
        out.write_bytes(content)
        refused(build(trip, out), 2, "AB-USAGE-OUTPUT-EXISTS", "acme.tar")
        assert out.read_bytes() == content


def test_a_directory_as_output_is_refused(trip: Trip) -> None:
    trip.one_image()
    refused(build(trip, trip.path), 2, "AB-USAGE-OUTPUT-EXISTS")


def test_an_output_in_a_directory_that_is_missing_is_refused(trip: Trip) -> None:
    trip.one_image()
    error = refused(build(trip, trip.path / "nowhere" / "acme.tar"), 6, "AB-HOST-WRITE", "nowhere")
    assert error["hint"]


def test_a_second_build_of_the_same_file_at_the_same_time_is_refused(trip: Trip, gate: Gate) -> None:
    image_of_many_layers(trip, gate)
    out = trip.path / "acme.tar"
    go_on = threading.Event()

    def rule(_method: str, target: str) -> int | None:
        if "/blobs/" in target:
            go_on.wait(20)
        return None

    gate.rule = rule
    first = start("airgap-export", "build", trip.path / "acme.yaml", "-o", out)
    try:
        _wait_for(lambda: gate.count("GET", "/blobs/") > 0)
        refused(build(trip, out), 6, "AB-HOST-BUSY", "another process")
    finally:
        go_on.set()
        first.communicate(timeout=30)
    assert first.returncode == 0
    assert build(trip, out).json["existed"] is True


def test_a_registry_that_is_down_is_named(trip: Trip) -> None:
    address = f"127.0.0.1:{free_port()}"
    trip.manifest_of_images(f"{address}/acme/app:1.0")
    refused(build(trip, trip.path / "acme.tar"), 5, "AB-NETWORK-REFUSED", address)
    assert not (trip.path / "acme.tar").exists()


def test_a_registry_that_sends_other_bytes_is_named(trip: Trip) -> None:
    image = trip.one_image()
    assert trip.lock().status == 0
    layer = image.root.layers[1]
    for path in (trip.path / "source").rglob(layer.digest.encoded):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)
    out = trip.path / "acme.tar"
    said = build(trip, out)
    assert said.status == 5, said.out
    assert layer.digest in said.json["error"]["message"]
    assert not out.exists()


def test_a_file_that_changes_after_the_lock_stops_the_build(trip: Trip) -> None:
    (trip.path / "notes.txt").write_text("first")
    trip.write_manifest("files: [{path: notes.txt}]")
    assert trip.lock().status == 0
    (trip.path / "notes.txt").write_text("other")
    refused(build(trip, trip.path / "acme.tar"), 2, "AB-LOCK-STALE", "notes.txt")
    assert not (trip.path / "acme.tar").exists()


def test_a_manifest_that_names_nothing_is_refused(trip: Trip) -> None:
    trip.write_manifest()
    said = build(trip, trip.path / "acme.tar")
    assert said.status == 2
    assert said.json["error"]["code"] in {"AB-USAGE-NOTHING", "AB-MANIFEST-ERRORS"}


@pytest.mark.parametrize("how", ["gpg", "gpg:", "pgp:me", "keyless:x", ""])
def test_a_way_to_sign_that_is_none_is_refused_before_anything_is_asked(trip: Trip, gate: Gate, how: str) -> None:
    trip.manifest_of_images(f"{gate.address}/acme/app:1.0")
    said = build(trip, trip.path / "acme.tar", "--sign", how)
    assert said.status == 2
    assert gate.asked == []


def test_a_key_that_is_not_there_is_refused_before_anything_is_asked(trip: Trip, gate: Gate) -> None:
    trip.manifest_of_images(f"{gate.address}/acme/app:1.0")
    said = build(trip, trip.path / "acme.tar", "--sign", "gpg:nobody@example.com")
    assert said.status in {2, 3, 6}
    assert "nobody@example.com" in said.json["error"]["message"]
    assert gate.asked == []


def test_an_unsigned_bundle_is_said_to_be_unsigned(trip: Trip) -> None:
    trip.one_image()
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "acme.tar")
    assert "is unsigned" in said.err
    assert "is unsigned" in run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "acme.tar").err


def test_a_bundle_that_is_there_already_is_called_unsigned_only_if_it_is(trip: Trip) -> None:
    trip.one_image()
    bundle = trip.build()
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", bundle)
    assert "Already there" in said.out
    assert "unsigned" not in said.err


def test_to_standard_output_goes_nothing_but_the_bundle(trip: Trip) -> None:
    trip.one_image()
    refused(build(trip, "-"), 2, "AB-USAGE-STDOUT")
    done = subprocess.run(
        command_line("airgap-export", "build", trip.path / "acme.yaml", "-o", "-"), capture_output=True, check=False
    )
    assert done.returncode == 0
    (trip.path / "piped.tar").write_bytes(done.stdout)
    assert run("airgap-export", "inspect", trip.path / "piped.tar", "--check").status == 0
    assert b"standard output" in done.stderr


def test_a_reader_that_leaves_ends_the_stream_without_a_traceback(trip: Trip) -> None:
    trip.put({("acme/app", "1.0"): single_image("app", size=3_000_000)})
    trip.manifest_of_images(f"{trip.source.address}/acme/app:1.0")
    process = start("airgap-export", "build", trip.path / "acme.yaml", "-o", "-")
    assert process.stdout is not None
    process.stdout.read(1000)
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=20) == 6
    assert b"Traceback" not in said


def test_sign_refuses_what_is_no_bundle_and_needs_somebody(trip: Trip) -> None:
    trip.one_image()
    bundle = trip.build(sign="")
    refused(run("airgap-export", "sign", bundle, "--format", "json"), 2, "AB-USAGE-SIGN")
    how = ("--sign", f"gpg:{keys().release}", "--format", "json")
    refused(run("airgap-export", "sign", trip.path / "nowhere.tar", *how), 2, "AB-USAGE-FILE", "nowhere.tar")
    refused(run("airgap-export", "sign", trip.policy, *how), 4, "AB-BUNDLE-NOT-A-BUNDLE")


def test_signing_twice_with_one_key_changes_nothing(trip: Trip) -> None:
    trip.one_image()
    bundle = trip.build()
    before = bundle.read_bytes()
    said = run("airgap-export", "sign", bundle, "--sign", f"gpg:{keys().release}", "--format", "json")
    assert [each["added"] for each in said.json["signatures"]] == [False]
    assert bundle.read_bytes() == before


def test_inspect_shows_everything_as_unverified_and_check_finds_damage(trip: Trip) -> None:
    trip.one_image()
    bundle = trip.build()
    said = run("airgap-export", "inspect", bundle, "--check", "--format", "json")
    assert (said.json["verified"], said.json["checked"]) == (False, True)
    raw = bytearray(bundle.read_bytes())
    raw[-1500] ^= 1
    bundle.write_bytes(raw)
    assert run("airgap-export", "inspect", bundle, "--format", "json").status == 0
    assert run("airgap-export", "inspect", bundle, "--check", "--format", "json").status == 4


def test_plan_says_what_build_writes(trip: Trip) -> None:
    trip.one_image()
    planned = run("airgap-export", "plan", trip.path / "acme.yaml", "--format", "json").json
    bundle = trip.build()
    assert planned["bundleBytes"] == bundle.stat().st_size
    assert planned["bundleId"] == run("airgap-export", "inspect", bundle, "--format", "json").json["bundleId"]


def test_plan_says_how_many_volumes_of_which_length_a_build_makes(trip: Trip) -> None:
    trip.one_image(size=3_000_000)
    manifest = trip.path / "acme.yaml"
    planned = run("airgap-export", "plan", manifest, "--volume-size", "1MB", "--format", "json").json
    built = build(trip, trip.path / "acme.tar", "--volume-size", "1MB").json
    lengths = [path.stat().st_size for path in sorted(trip.path.glob("acme.tar.0*"))]
    assert planned["volumeSizes"] == lengths
    assert planned["volumes"] == built["volumes"] == len(lengths) > 2
    said = run("airgap-export", "plan", manifest, "--volume-size", "1MB")
    assert f"volumes: {len(lengths)}: {len(lengths) - 1} of 1.0 MB, and the last of" in said.text
    said = run("airgap-export", "plan", manifest, "--volume-size", "fat32")
    assert "one takes 4.3 GB (the longest file that FAT32 holds)" in said.text
    assert run("airgap-export", "plan", manifest, "--format", "json").json["volumes"] == 0
    assert run("airgap-export", "plan", manifest, "--volume-size", "1kB").status == 2


def test_plan_leaves_nothing_where_it_looks_for_room(trip: Trip) -> None:
    trip.one_image()
    media = trip.path / "media"
    media.mkdir()
    for more in ((), ("--volume-size", "1MB")):
        assert run("airgap-export", "plan", trip.path / "acme.yaml", "-o", media / "acme.tar", *more).status == 0
    assert list(media.iterdir()) == []
    said = run("airgap-export", "plan", trip.path / "acme.yaml", "-o", media / "no" / "acme.tar", "--format", "json")
    refused(said, 6, "AB-HOST-WRITE", "cannot be written")


def test_a_mirror_is_asked_instead_and_names_stay(trip: Trip, gate: Gate) -> None:
    trip.put({("hub/library/redis", "7"): single_image("redis")})
    trip.manifest_of_images("docker.io/library/redis:7")
    bundle = trip.build("acme.tar", "--mirror", f"docker.io={gate.address}/hub", sign="")
    items = run("airgap-export", "inspect", bundle, "--format", "json").json["items"]
    assert [item["source"] for item in items] == ["docker.io/library/redis:7"]
    assert gate.count("GET", "/v2/hub/library/redis/") > 0


@pytest.mark.parametrize("mirror", ["docker.io", "docker.io=", "=x", "Docker.io/x=y"])
def test_a_mirror_that_is_none_is_refused(trip: Trip, mirror: str) -> None:
    trip.one_image()
    assert build(trip, trip.path / "acme.tar", "--mirror", mirror).status == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system has to be mounted")
def test_a_full_disk_is_said_with_numbers_and_leaves_no_final_name(trip: Trip) -> None:
    trip.one_image(size=3_000_000)
    disk = trip.path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr}")
    try:
        refused(build(trip, disk / "acme.tar"), 6, "AB-HOST-SPACE", "needs", "are free")
        planned = run("airgap-export", "plan", trip.path / "acme.yaml", "-o", disk / "acme.tar", "--format", "json")
        refused(planned, 6, "AB-HOST-SPACE", "needs", "are free")
        assert list(disk.iterdir()) == []
        bundle = trip.build()
        said = trip.push(bundle, f"dir:{disk}/registry", "--format", "json")
        assert said.status in {5, 6}, said.out
        assert "space" in said.json["error"]["message"].lower() + said.json["error"]["code"].lower()
        with (disk / "filler").open("wb") as filler:
            filler.write(bytes(shutil.disk_usage(disk).free))
        state = run(
            "airgap-import", "push", bundle, trip.dest, "--policy", trip.policy, "--state", disk / "state",
            "--format", "json",
        )  # fmt: skip
        assert state.status == 6, state.out
        assert trip.inner_tags() == {}
    finally:
        subprocess.run(["umount", disk], check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system for reading only has to be mounted")
def test_a_lock_on_a_medium_for_reading_only_is_refused_by_its_own_name(trip: Trip) -> None:
    trip.one_image()
    disk = trip.path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", disk], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr}")
    try:
        shutil.copy(trip.path / "acme.yaml", disk)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        said = run("airgap-manifest", "lock", disk / "acme.yaml", "--format", "json")
        refused(said, 6, "AB-HOST-WRITE", f"{disk}/acme.lock.yaml cannot be written", "Read-only")
    finally:
        subprocess.run(["umount", disk], check=False)


def test_every_command_speaks_json(trip: Trip) -> None:
    trip.one_image()
    bundle = trip.build()
    manifest = trip.path / "acme.yaml"
    for words in (("plan", manifest), ("inspect", bundle), ("build", manifest, "-o", bundle)):
        said = run("airgap-export", *words, "--format", "json")
        assert (said.status, bool(said.json)) == (0, True), words
    assert json.loads(run("airgap-export", "nonsense", "--format", "json").out)["error"]["exit"] == 2


def test_what_a_build_left_that_was_killed_right_after_naming_its_file_is_cleared_away(trip: Trip) -> None:
    trip.one_image()
    bundle = trip.build()
    os.link(bundle, trip.path / "acme.tar.partial")
    (trip.path / "acme.tar.partial.journal").write_text("airgap-bundle journal\n")
    before = bundle.read_bytes()
    assert build(trip, bundle).json["existed"] is True
    assert sorted(each.name for each in trip.path.glob("acme.tar*")) == ["acme.tar"]
    assert bundle.read_bytes() == before
