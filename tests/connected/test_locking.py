"""What a lock says, and when it changes."""

from __future__ import annotations

import datetime as dt
import re
import time
from typing import TYPE_CHECKING

import pytest
from support.gate import Gate, gate_before
from support.images import artifact, cosign_signature, multi_arch_image, referrer, single_image
from support.trip import Trip, make_trip, run

from airgap_bundle.core.oci import OCI_INDEX, parse_document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def gate(trip: Trip) -> Iterator[Gate]:
    with gate_before(trip.source.address) as made:
        yield made


def locked(trip: Trip, *options: object) -> dict[str, object]:
    said = trip.lock("--format", "json", *options)
    assert said.status == 0, said.err
    return said.json


def lock_text(trip: Trip) -> str:
    return (trip.path / "acme.lock.yaml").read_text()


def digests(trip: Trip) -> dict[str, str]:
    """Digest by tag of the source."""
    said = run("airgap-manifest", "lock", trip.path / "acme.yaml", "--format", "json").json
    return {item["source"].rpartition("/")[2]: item["digest"] for item in said["items"]}


def test_an_unchanged_manifest_leaves_the_lock_as_it_is(trip: Trip) -> None:
    trip.one_image()
    first = locked(trip)
    before = lock_text(trip)
    assert first["changed"] is True
    single_image("another").push_to(trip.source.registry, "acme/app", "1.0")
    time.sleep(1.1)
    again = locked(trip)
    assert (again["changed"], again["sequence"]) == (False, first["sequence"])
    assert lock_text(trip) == before


@pytest.mark.parametrize(("days", "status"), [(75, 0), (80, 1), (91, 1)])
def test_a_lock_that_nears_its_end_is_told_and_made_anew_with_what_it_holds(trip: Trip, days: int, status: int) -> None:
    reference, _ = two_images(trip)
    trip.manifest_of_images(reference, more=("expires: 90d",))
    locked(trip)
    file, then = trip.path / "acme.lock.yaml", dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    times = {"created": then, "expires": then + dt.timedelta(days=90)}
    older = lock_text(trip)
    for key, moment in times.items():
        older = re.sub(f"^{key}: .*$", f"{key}: '{moment:%Y-%m-%dT%H:%M:%SZ}'", older, flags=re.MULTILINE)
    file.write_text(older)
    said = run("airgap-manifest", "check", "--strict", trip.path / "acme.yaml")
    assert (said.status, "AGM010" in said.text) == (status, bool(status)), said.text
    built = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "old.tar")
    assert (built.status, "--relock" in built.text) == (0, bool(status)), built.text
    assert lock_text(trip) == older
    held = digests(trip)
    locked(trip)
    assert digests(trip) == held
    assert (lock_text(trip) != older) == bool(status)
    assert run("airgap-manifest", "check", "--strict", trip.path / "acme.yaml").status == 0


def test_a_build_with_relock_gives_an_expired_lock_a_new_end(trip: Trip) -> None:
    trip.manifest_of_images(two_images(trip)[0], more=("expires: 90d",))
    locked(trip)
    older = re.sub("^(created|expires): .*$", r"\1: '2020-01-01T00:00:00Z'", lock_text(trip), flags=re.MULTILINE)
    older = older.replace("created: '2020-01-01", "created: '2019-10-03")
    (trip.path / "acme.lock.yaml").write_text(older)
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "new.tar", "--relock")
    assert (said.status, "refused inside" in said.text) == (0, False), said.text
    assert "2020-01-01" not in lock_text(trip)


def test_a_comment_in_the_manifest_keeps_the_digests_in_a_new_lock(trip: Trip) -> None:
    trip.one_image()
    first = locked(trip)
    file = trip.path / "acme.yaml"
    file.write_text("# for everybody\n" + file.read_text())
    again = locked(trip)
    assert (again["changed"], again["items"]) == (True, first["items"])
    assert again["sequence"] > first["sequence"]


def two_images(trip: Trip) -> tuple[str, str]:
    one, two = trip.put({("acme/one", "1"): single_image("one"), ("acme/two", "1"): single_image("two")})
    trip.manifest_of_images(one, two)
    locked(trip)
    for name in ("one", "two"):
        single_image(f"new {name}").push_to(trip.source.registry, f"acme/{name}", "1")
    return one, two


def test_update_asks_for_one_entry_again(trip: Trip) -> None:
    _one, two = two_images(trip)
    assert locked(trip, "--update", two.rpartition(":")[0])["changed"] is True
    assert digests(trip) == {"one:1": single_image("one").digest, "two:1": single_image("new two").digest}


def test_update_all_asks_for_everything_again(trip: Trip) -> None:
    two_images(trip)
    locked(trip, "--update-all")
    assert digests(trip) == {"one:1": single_image("new one").digest, "two:1": single_image("new two").digest}


def test_update_of_what_is_not_there_is_refused(trip: Trip) -> None:
    two_images(trip)
    said = trip.lock("--update", "docker.io/library/redis", "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (2, "AB-USAGE-UPDATE")


def test_an_edited_entry_alone_is_resolved_again(trip: Trip) -> None:
    one, two = two_images(trip)
    trip.write_manifest("images:", f"  - {one}", f"  - {{image: {two!r}, as: acme/second}}")
    locked(trip)
    assert digests(trip) == {"one:1": single_image("one").digest, "two:1": single_image("new two").digest}


def test_a_new_lock_has_a_higher_sequence_even_within_one_second(trip: Trip) -> None:
    one, two = two_images(trip)
    first = locked(trip, "--update", one)["sequence"]
    second = locked(trip, "--update", two)["sequence"]
    assert isinstance(first, int)
    assert isinstance(second, int)
    assert second > first


def test_an_image_without_an_index_is_kept_too_when_platforms_are_wanted(trip: Trip) -> None:
    """Nothing but `--update` may move what was reviewed."""
    image = single_image("app")
    (reference,) = trip.put({("acme/app", "1.0"): image})
    trip.write_manifest("platforms: [linux/amd64]", "images:", f"  - {reference}")
    locked(trip)
    single_image("moved").push_to(trip.source.registry, "acme/app", "1.0")
    assert locked(trip)["changed"] is False
    assert digests(trip) == {"app:1.0": image.digest}
    assert trip.lock("--check").status == 0


def test_referrers_that_were_left_out_are_looked_for_when_they_are_wanted(trip: Trip) -> None:
    image = single_image("app")
    (reference,) = trip.put({("acme/app", "1.0"): image.with_referrers(referrer(image.root))})
    trip.manifest_of_images(reference, more=("referrers: none",))
    assert [item["attached"] for item in locked(trip)["items"]] == [0]  # type: ignore[attr-defined]  # a list
    trip.manifest_of_images(reference)
    assert [item["attached"] for item in locked(trip)["items"]] == [1]  # type: ignore[attr-defined]  # a list


def test_referrers_that_are_not_wanted_any_more_go(trip: Trip) -> None:
    image = single_image("app")
    (reference,) = trip.put({("acme/app", "1.0"): image.with_referrers(referrer(image.root))})
    trip.manifest_of_images(reference)
    locked(trip)
    trip.manifest_of_images(reference, more=("referrers: none",))
    assert [item["attached"] for item in locked(trip)["items"]] == [0]  # type: ignore[attr-defined]  # a list


def test_check_says_0_when_the_lock_fits_and_1_when_not(trip: Trip) -> None:
    image = trip.one_image()
    assert trip.lock("--check").status == 1
    locked(trip)
    assert trip.lock("--check").status == 0
    image.push_to(trip.source.registry, "acme/app", "2.0")
    trip.manifest_of_images(f"{trip.source.address}/acme/app:2.0")
    said = trip.lock("--check", "--format", "json")
    assert (said.status, said.json["fits"], said.json["exists"]) == (1, False, True)


def test_check_asks_no_registry(trip: Trip, gate: Gate) -> None:
    single_image("app").push_to(trip.source.registry, "acme/app", "1.0")
    trip.manifest_of_images(f"{gate.address}/acme/app:1.0")
    locked(trip)
    gate.asked.clear()
    assert trip.lock("--check").status == 0
    assert gate.asked == []


def test_a_stale_lock_stops_a_build_and_relock_makes_it_anew(trip: Trip) -> None:
    image = trip.one_image()
    locked(trip)
    image.push_to(trip.source.registry, "acme/app", "2.0")
    trip.manifest_of_images(f"{trip.source.address}/acme/app:2.0")
    out = trip.path / "acme.tar"
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", out, "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (2, "AB-LOCK-STALE")
    assert not out.exists()
    trip.build("acme.tar", "--relock", sign="")
    assert trip.lock("--check").status == 0


def test_a_build_makes_a_lock_that_is_missing(trip: Trip) -> None:
    trip.one_image()
    trip.build(sign="")
    assert trip.lock("--check").status == 0


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (("sha256:", "sha256:zz"), 2, "AB-LOCK-INVALID"),
        (("digest: ", "digets: "), 2, "AB-LOCK-INVALID"),
        (("lock.v1", "lock.v9"), 2, "AB-LOCK-INVALID"),
    ],
)
def test_a_lock_that_was_tampered_with_is_refused(trip: Trip, change: tuple[str, str], status: int, code: str) -> None:
    trip.one_image()
    locked(trip)
    file = trip.path / "acme.lock.yaml"
    file.write_text(file.read_text().replace(*change, 1))
    out = trip.path / "acme.tar"
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", out, "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (status, code), said.err
    assert not out.exists()


def test_a_lock_that_names_another_image_gets_that_or_nothing(trip: Trip) -> None:
    image = trip.one_image()
    locked(trip)
    file = trip.path / "acme.lock.yaml"
    file.write_text(file.read_text().replace(image.digest, "sha256:" + "0" * 64))
    out = trip.path / "acme.tar"
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", out, "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-MISSING"), said.err


def test_a_lock_with_another_size_is_refused(trip: Trip) -> None:
    image = trip.one_image()
    locked(trip)
    file = trip.path / "acme.lock.yaml"
    size = image.root.descriptor.size
    file.write_text(file.read_text().replace(f"size: {size}", f"size: {size + 1}"))
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "acme.tar")
    assert said.status in {2, 4, 5}, said.err


def test_a_rewritten_index_that_does_not_fit_its_platforms_is_refused(trip: Trip) -> None:
    image = multi_arch_image("app", ("linux/amd64", "linux/arm64", "linux/s390x"))
    (reference,) = trip.put({("acme/app", "1.0"): image})
    trip.write_manifest("platforms: [linux/amd64, linux/s390x]", "images:", f"  - {reference}")
    locked(trip)
    file = trip.path / "acme.lock.yaml"
    kept, other = image.root.children[0].descriptor, image.root.children[1].descriptor
    file.write_text(file.read_text().replace(kept.digest, other.digest).replace(f"{kept.size}", f"{other.size}"))
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "acme.tar", "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (2, "AB-LOCK-MISMATCH"), said.err


def test_a_platform_that_is_not_there_is_named_with_those_that_are(trip: Trip) -> None:
    (reference,) = trip.put({("acme/app", "1.0"): multi_arch_image("app")})
    trip.write_manifest("images:", f"  - {{image: {reference!r}, platforms: [linux/s390x]}}")
    said = trip.lock("--format", "json")
    assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-PLATFORM")
    assert "it has linux/amd64, linux/arm64" in said.json["error"]["message"]
    assert "acme.yaml:5:" in said.json["error"]["message"]


def test_a_single_image_for_another_platform_is_refused(trip: Trip) -> None:
    (reference,) = trip.put({("acme/app", "1.0"): single_image("app")})
    trip.write_manifest("images:", f"  - {{image: {reference!r}, platforms: [linux/arm64]}}")
    said = trip.lock("--format", "json")
    assert said.json["error"]["code"] == "AB-REGISTRY-PLATFORM"
    assert "linux/amd64 only" in said.json["error"]["message"]


def test_an_artifact_has_no_platform(trip: Trip) -> None:
    (reference,) = trip.put({("acme/db", "1.0"): artifact("db")})
    trip.write_manifest("images:", f"  - {{image: {reference!r}, platforms: [linux/arm64]}}")
    assert trip.lock("--format", "json").json["error"]["code"] == "AB-REGISTRY-PLATFORM"


def test_a_tag_that_does_not_exist_is_named_with_its_place(trip: Trip) -> None:
    trip.manifest_of_images(f"{trip.source.address}/acme/app:9")
    said = trip.lock("--format", "json")
    assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-NOT-FOUND")
    assert "acme.yaml:5:5" in said.json["error"]["message"]
    assert not (trip.path / "acme.lock.yaml").exists()


def test_a_signature_tag_of_a_child_is_found(trip: Trip) -> None:
    image = multi_arch_image("app")
    tag, signature = cosign_signature(image.documents[0], suffix="att")
    trip.put({("acme/app", tag): signature})
    trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image}))
    assert [item["attached"] for item in locked(trip)["items"]] == [1]  # type: ignore[attr-defined]  # a list


def test_two_entries_for_one_name_inside_are_refused(trip: Trip) -> None:
    one, two = trip.put({("acme/one", "1"): single_image("one"), ("acme/two", "1"): single_image("two")})
    trip.write_manifest("images:", f"  - {{image: {one!r}, as: acme/app}}", f"  - {{image: {two!r}, as: acme/app}}")
    said = trip.lock("--format", "json")
    assert (said.status, said.json["error"]["code"]) == (2, "AB-MANIFEST-ERRORS")


def test_an_index_that_lies_about_its_children_is_refused_when_the_lock_is_made(trip: Trip) -> None:
    """Inside it would be refused for good: better now."""
    image = multi_arch_image("app", attestations=False)
    raw = image.root.raw.replace(str(image.documents[0].descriptor.size).encode(), b"9999", 1)
    lying = parse_document(raw, OCI_INDEX)
    image.push_to(trip.source.registry, "acme/app", "0.9")
    trip.source.registry.put_manifest("acme/app", "1.0", lying)
    trip.manifest_of_images(f"{trip.source.address}/acme/app:1.0")
    said = trip.lock("--format", "json")
    assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-DOCUMENT")
    assert "of 9999 bytes where it is pointed to" in said.json["error"]["message"]
