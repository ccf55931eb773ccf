"""A push that is stopped, refused or repeated: nothing is visible before the end, and nothing is done twice."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.gate import Gate, gate_before
from support.images import artifact, cosign_signature, multi_arch_image, referrer, single_image
from support.registries import embedded_registry
from support.trip import Trip, make_trip, run, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.content import ImageContent

BIG_BYTES = 6 * 1024 * 1024  # more than one buffer


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def gate(trip: Trip) -> Iterator[Gate]:
    with gate_before(trip.inner.address) as made:
        yield made


def three_images(trip: Trip) -> dict[tuple[str, str], ImageContent]:
    """Three images in the source, one with a referrer and a signature tag, and the manifest."""
    web = multi_arch_image("web")
    web = web.with_referrers(referrer(web.root))
    contents = {
        ("acme/web", "1.0"): web,
        ("acme/api", "1.0"): single_image("api"),
        ("acme/db", "1.0"): single_image("db"),
    }
    references = trip.put(contents)
    tag, signature = cosign_signature(web.root)
    trip.put({("acme/web", tag): signature})
    trip.manifest_of_images(*references)
    return contents


def expected_tags(trip: Trip, contents: dict[tuple[str, str], ImageContent]) -> dict[str, list[str]]:
    return {trip.below(repository): [tag] for repository, tag in contents}


def tags_inside(trip: Trip) -> dict[str, list[str]]:
    """Tags that a cluster could use: without those of attachments."""
    return {
        repository: found
        for repository, tags in trip.inner_tags().items()
        if (found := [tag for tag in tags if not tag.startswith("sha256-")])
    }


def is_tag_put(method: str, target: str) -> bool:
    name = target.rpartition("/")[2]
    return (
        method == "PUT"
        and "/manifests/" in target
        and not name.startswith(("sha256:", "sha256-", "airgap-"))
        and "airgap-receipts" not in target
    )


def test_run_again_a_push_uploads_nothing_and_moves_nothing(trip: Trip, gate: Gate) -> None:
    three_images(trip)
    bundle = trip.build()
    dest = f"{gate.address}/mirror"
    first = trip.pushed(bundle, dest)
    gate.asked.clear()
    again = trip.pushed(bundle, dest)
    assert gate.uploads() == 0
    assert gate.count("PUT", "/manifests/") == gate.count("PUT", "/airgap-receipts/acme/manifests/")
    assert again["blobs"]["pushed"] == again["tagsMoved"] == 0
    assert again["receipt"] == first["receipt"]
    assert f"Nothing to do: {dest} has acme 1.0.0" in trip.push(bundle, dest).text


def test_a_blob_that_two_repositories_need_is_uploaded_once(trip: Trip, gate: Gate) -> None:
    trip.manifest_of_images(
        *trip.put(
            {("acme/one", "1"): single_image("one", base="same"), ("acme/two", "1"): single_image("two", base="same")}
        )
    )
    pushed = trip.pushed(trip.build(), f"{gate.address}/mirror")
    assert pushed["blobs"]["mounted"] == 1
    digests = [
        target.partition("digest=")[2] for method, target in gate.asked if method == "PUT" and "digest=" in target
    ]
    assert len(digests) == len(set(digests))


def test_each_image_is_kept_by_an_anchor(trip: Trip) -> None:
    contents = three_images(trip)
    identity = trip.pushed(trip.build())["bundleId"].removeprefix("sha256:")
    for (repository, _), content in contents.items():
        anchor = f"airgap-{identity[:12]}-{content.digest.encoded[:8]}"
        assert trip.inside(repository, anchor) == content.digest


def test_a_stream_pushed_again_uploads_nothing(trip: Trip, gate: Gate) -> None:
    three_images(trip)
    bundle = trip.build()
    trip.pushed(bundle, f"{gate.address}/mirror")
    gate.asked.clear()
    with bundle.open("rb") as stream:
        process = start("airgap-import", *trip.push_arguments("-", f"{gate.address}/mirror"), stdin=stream)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 0, err.decode()
    assert gate.uploads() == 0


@pytest.mark.parametrize("size", [1000, BIG_BYTES])
def test_the_next_blob_of_a_stream_leaves_while_the_registry_ends_the_one_before(
    trip: Trip, gate: Gate, size: int
) -> None:
    images = {("acme/one", "1"): single_image("one", size=size), ("acme/two", "1"): single_image("two", size=size)}
    trip.manifest_of_images(*trip.put(images))
    bundle, arrived, second = trip.build(), [], threading.Event()

    def wait_for_the_second(method: str, target: str) -> int | None:
        if method != "PUT" or "/blobs/uploads/" not in target or "/airgap-receipts/" in target:
            return None
        arrived.append(target)
        if len(arrived) > 1:
            second.set()
        return None if second.wait(20) else 403

    gate.rule = wait_for_the_second
    with bundle.open("rb") as stream:
        process = start("airgap-import", *trip.push_arguments("-", f"{gate.address}/mirror"), stdin=stream)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 0, err.decode()


def test_a_stream_in_which_nothing_comes_any_more_can_be_interrupted(trip: Trip) -> None:
    images = {("acme/one", "1"): single_image("one", size=BIG_BYTES)}
    trip.manifest_of_images(*trip.put(images))
    bundle = trip.build()
    process = start("airgap-import", *trip.push_arguments("-"), stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(bundle.read_bytes()[: -BIG_BYTES // 2])
    process.stdin.flush()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 128 + signal.SIGINT
    process.communicate()
    assert tags_inside(trip) == {}


def test_a_big_blob_of_a_stream_that_is_mounted_is_still_read_and_checked(trip: Trip) -> None:
    """The stream has to pass by it, whoever has it already."""
    old = single_image("old", size=BIG_BYTES, base="big")
    new = single_image("new", size=BIG_BYTES, base="big")
    trip.manifest_of_images(*trip.put({("acme/old", "1"): old}))
    trip.pushed(trip.build("old.tar"))
    time.sleep(1)
    trip.manifest_of_images(*trip.put({("acme/old", "1"): old, ("acme/new", "1"): new}))
    assert trip.lock().status == 0
    bundle = trip.build("new.tar")
    with bundle.open("rb") as stream:
        process = start("airgap-import", *trip.push_arguments("-"), stdin=stream)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 0, err.decode()
    assert trip.inside("acme/new", "1") == new.digest


@pytest.mark.parametrize("refused", [1, 2, 3])
def test_where_one_tag_is_refused_none_has_moved(trip: Trip, gate: Gate, refused: int) -> None:
    three_images(trip)
    bundle = trip.build()
    seen = 0

    def rule(method: str, target: str) -> int | None:
        nonlocal seen
        if is_tag_put(method, target):
            seen += 1
            if seen == refused:
                return 403
        return None

    gate.rule = rule
    said = trip.push(bundle, f"{gate.address}/mirror", "--format", "json")
    assert said.status == 5
    assert "AB-REGISTRY-TAGS-LEFT" not in said.out
    assert tags_inside(trip) == {}
    gate.rule = lambda _method, _target: None
    assert trip.pushed(bundle, f"{gate.address}/mirror")["tagsMoved"] == 3


def test_where_one_tag_is_refused_the_others_are_put_back_to_what_they_were(trip: Trip, gate: Gate) -> None:
    old = {(name, "1.0"): single_image(f"old {name}") for name in ("acme/web", "acme/api", "acme/db")}
    for (name, tag), image in old.items():
        image.push_to(trip.inner.registry, trip.below(name), tag)
    three_images(trip)
    bundle = trip.build()
    gate.rule = lambda method, target: 403 if is_tag_put(method, target) and "/db/" in target else None
    said = trip.push(bundle, f"{gate.address}/mirror", "--format", "json")
    assert said.status == 5
    # The third tag was refused and has never moved, so nothing is left to be put back.
    assert said.json["error"]["code"] != "AB-REGISTRY-TAGS-LEFT"
    for (name, tag), image in old.items():
        assert trip.inside(name, tag) == image.digest


def test_tags_that_cannot_be_put_back_are_named_and_the_ledger_knows(trip: Trip, gate: Gate) -> None:
    three_images(trip)
    bundle = trip.build()
    puts = 0

    def rule(method: str, target: str) -> int | None:
        nonlocal puts
        puts += is_tag_put(method, target)
        if (puts >= 2 and is_tag_put(method, target)) or (method == "DELETE"):
            return 403
        return None

    gate.rule = rule
    said = trip.push(bundle, f"{gate.address}/mirror", "--format", "json")
    assert said.json["error"]["code"] == "AB-REGISTRY-TAGS-LEFT"
    (left,) = tags_inside(trip)
    assert f"{left}:1.0" in said.json["error"]["message"]
    assert said.json["error"]["message"].partition("put back: ")[2] == f"{left}:1.0"
    status = run("airgap-import", "status", "--state", trip.state, "--format", "json").json
    assert len(status["unfinished"]) == 1
    gate.rule = lambda _method, _target: None
    assert trip.pushed(bundle, f"{gate.address}/mirror")["tagsMoved"] == 2
    assert run("airgap-import", "status", "--state", trip.state, "--format", "json").json["unfinished"] == []


def test_a_tag_that_moved_under_way_is_in_the_receipt_as_it_was_when_it_was_replaced(trip: Trip, gate: Gate) -> None:
    """Somebody pushes while a long import runs: undoing has to bring back theirs."""
    trip.one_image()
    bundle = trip.build()
    theirs = single_image("theirs")

    def rule(method: str, target: str) -> int | None:
        if method == "POST" and not theirs_is_there():
            theirs.push_to(trip.inner.registry, trip.below("acme/app"), "1.0")
        return None

    def theirs_is_there() -> bool:
        return trip.inside("acme/app", "1.0") is not None

    gate.rule = rule
    pushed = trip.pushed(bundle, f"{gate.address}/mirror")
    assert [item["previous"] for item in pushed["items"]] == [theirs.digest]


def test_a_signature_that_appears_under_way_is_not_overwritten(trip: Trip, gate: Gate) -> None:
    image = trip.one_image()
    tag, signature = cosign_signature(image.root)
    trip.put({("acme/app", tag): signature})
    bundle = trip.build()
    theirs = artifact("theirs")

    def rule(method: str, target: str) -> int | None:
        if method == "POST" and trip.inside("acme/app", tag) is None:
            theirs.push_to(trip.inner.registry, trip.below("acme/app"), tag)
        return None

    gate.rule = rule
    said = trip.push(bundle, f"{gate.address}/mirror", "--format", "json")
    assert said.json["error"]["code"] == "AB-REGISTRY-CONFLICT"
    assert trip.inside("acme/app", tag) == theirs.digest
    assert tags_inside(trip) == {}


def kill_after(trip: Trip, gate: Gate, bundle: Path, requests: int) -> bool:
    """Push in a process that dies with the request of this number; False where it ended before."""
    process = None
    count = 0

    def rule(method: str, target: str) -> int | None:
        nonlocal count
        count += 1
        if count == requests and process is not None:
            process.kill()
        return None

    gate.rule = rule
    gate.open.clear()
    process = start("airgap-import", *trip.push_arguments(bundle, f"{gate.address}/mirror"))
    gate.open.set()
    process.communicate(timeout=60)
    gate.rule = lambda _method, _target: None
    return process.returncode == -signal.SIGKILL


def assert_nothing_or_told(trip: Trip, expected: dict[str, list[str]]) -> None:
    """No tag moved; or all; or some, and then the ledger says that the import has not ended."""
    found = tags_inside(trip)
    if found not in ({}, expected):
        status = run("airgap-import", "status", "--state", trip.state, "--format", "json").json
        assert len(status["unfinished"]) == 1


def rehearse(trip: Trip, gate: Gate, bundle: Path) -> int:
    """How many requests a whole push takes; done in another registry, with another state."""
    with embedded_registry(trip.path / "rehearsal") as other:
        gate.behind = other.address
        state = trip.path / "rehearsed"
        said = run("airgap-import", "push", bundle, gate.address, "--policy", trip.policy, "--state", state)
        assert said.status == 0, said.err
    gate.behind = trip.inner.address
    count = len(gate.asked)
    gate.asked.clear()
    return count


def assert_survives(trip: Trip, gate: Gate, bundle: Path, requests: int, expected: dict[str, list[str]]) -> None:
    killed = kill_after(trip, gate, bundle, requests)
    found = tags_inside(trip)
    if found not in ({}, expected):
        # Killed between two tags nobody could put the first one back: then the ledger says so.
        status = run("airgap-import", "status", "--state", trip.state, "--format", "json").json
        assert len(status["unfinished"]) == 1
    said = trip.push(bundle, f"{gate.address}/mirror", "--format", "json")
    assert said.status == 0, said.err
    assert killed or said.json["tagsMoved"] == 0
    assert tags_inside(trip) == expected
    assert all(item["previous"] is None for item in said.json["items"])
    assert run("airgap-import", "status", "--state", trip.state, "--format", "json").json["unfinished"] == []
    assert run("airgap-import", "audit", "verify", "--state", trip.state).status == 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.93])
def test_killed_at_any_moment_nothing_is_visible_and_the_next_run_finishes(
    trip: Trip, gate: Gate, share: float
) -> None:
    contents = three_images(trip)
    bundle = trip.build()
    requests = int(rehearse(trip, gate, bundle) * share)
    assert_survives(trip, gate, bundle, requests, expected_tags(trip, contents))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_each_request_nothing_is_visible_and_the_next_run_finishes(trip: Trip, gate: Gate) -> None:
    contents = three_images(trip)
    bundle = trip.build()
    for requests in range(1, rehearse(trip, gate, bundle) + 1):
        with embedded_registry(trip.path / f"inner-{requests}") as trip.inner:
            gate.behind = trip.inner.address
            assert_survives(trip, gate, bundle, requests, expected_tags(trip, contents))
        shutil.rmtree(trip.state)
