"""A bundle through a pipe that breaks: where it broke is said, no tag moves, and what came through stays."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.images import single_image
from support.trip import Trip, command_line, make_trip

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import BundleReader, read_head, read_inventory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024
# Larger than one piece of a transfer, so that an upload has begun when the pipe breaks.
BIG_BYTES = 9 * MIB


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        images = {("acme/app", f"{number}.0"): single_image(f"app {number}", base=f"{number}") for number in range(3)}
        images["acme/big", "1.0"] = single_image("big", size=BIG_BYTES)
        made.manifest_of_images(*made.put(images))
        yield made


def places_in(bundle: Path) -> dict[str, int]:
    """Where a pipe may break: before, at, and behind each part of a bundle."""
    medium = FileMedium(bundle)
    try:
        head = read_head(medium)
        layout = BundleReader(medium, head, read_inventory(head, str(bundle))).layout
    finally:
        medium.close()
    extents = sorted(layout.extents.values(), key=lambda extent: extent.header_at)
    big = max(extents, key=lambda extent: (extent.size > MIB, extent.header_at))
    return {
        "nothing": 0,
        "the first block": 512,
        "the inventory": head.area_at - 700,
        "before the signatures": head.area_at,
        "among the signatures": head.area_at + 2000,
        "behind the head": head.head_bytes,
        "behind the first header": extents[0].data_at,
        "in the middle of a document": extents[0].data_at + 100,
        "in the padding of a document": extents[0].end - 1,
        "between two blobs": extents[3].header_at,
        "in the header of a large blob": big.header_at + 256,
        "in the middle of a large blob": big.data_at + 8 * MIB,
        "at the last byte of a large blob": big.data_end - 1,
        "before the end blocks": layout.end_at,
        "between the end blocks": layout.end_at + 512,
        "at the last byte": layout.total_bytes - 1,
    }


def push_of(trip: Trip, raw: bytes) -> tuple[int, dict[str, Any]]:
    """What a push of a stream of these bytes says."""
    (trip.path / "stream").write_bytes(raw)
    with (trip.path / "stream").open() as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", stream)
        said = trip.push("-", "", "--format", "json")
    return said.status, said.json


def test_wherever_a_stream_is_cut_it_is_incomplete_and_no_tag_moves(trip: Trip) -> None:
    bundle = trip.build()
    raw = bundle.read_bytes()
    for place, length in places_in(bundle).items():
        status, said = push_of(trip, raw[:length])
        assert (status, said["error"]["code"]) == (4, "AB-BUNDLE-TRUNCATED"), place
        assert trip.inner_tags() == {}, place
    status, said = push_of(trip, raw)
    assert (status, said["tagsMoved"]) == (0, 4), said


def test_what_came_through_before_the_break_is_not_sent_again(trip: Trip) -> None:
    bundle = trip.build()
    raw = bundle.read_bytes()
    places = places_in(bundle)
    assert push_of(trip, raw[: places["at the last byte of a large blob"]])[0] == 4
    status, said = push_of(trip, raw)
    assert status == 0
    blobs = said["blobs"]
    # The last layer, of which the last byte was missing, and nothing else.
    assert (blobs["pushed"], blobs["bytesSent"] < 1.1 * BIG_BYTES) == (1, True), blobs
    assert push_of(trip, raw)[1]["blobs"]["pushed"] == 0


def test_a_sender_that_fails_ends_the_stream_so_that_nobody_takes_it_for_whole(trip: Trip) -> None:
    """The source lacks a layer now; what is written by then is an archive without an end."""
    assert trip.lock().status == 0
    lost = max(
        (each for each in (trip.path / "source").rglob("*") if each.is_file()), key=lambda each: each.stat().st_size
    )
    lost.unlink()
    build = command_line(
        "airgap-export", "build", trip.path / "acme.yaml", "-o", "-", "--sign", "gpg:release@example.com"
    )
    sent = subprocess.run(build, capture_output=True, check=False, timeout=60)
    assert sent.returncode == 5, sent.stderr
    assert len(sent.stdout) > MIB
    status, said = push_of(trip, sent.stdout)
    assert (status, said["error"]["code"]) == (4, "AB-BUNDLE-TRUNCATED")
    assert trip.inner_tags() == {}
