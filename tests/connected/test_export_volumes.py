"""Building into volumes: stopped before any write it leaves nothing final half-written, and is finished later."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from support.images import single_image
from support.trip import Trip, make_trip, run

from airgap_bundle.connected import placing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What makes something durable or visible.
_WRITES = ("pwritev", "fdatasync", "fsync", "write", "ftruncate", "link", "unlink", "rename", "replace")
SIZE = "600kB"
COUNT = 4


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    monkeypatch.setattr(placing, "_NOTE_BYTES", 100_000)
    with make_trip(tmp_path, monkeypatch) as made:
        made.manifest_of_images(*made.put({("acme/app", "1.0"): single_image("app", base="app", size=500_000)}))
        made.build("whole.tar", sign="")
        yield made


def build(trip: Trip, place: Path, size: str = SIZE) -> int:
    options = ("--volume-size", size, "--jobs", "1", "--quiet")
    return run("airgap-export", "build", trip.path / "acme.yaml", "-o", place / "acme.tar", *options).status


def build_until(trip: Trip, place: Path, left: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Build, and die before write number `left` below `place`; whether it died."""
    counter = [left]

    def counting(name: str, real: Any) -> Any:
        def step(*arguments: Any, **options: Any) -> Any:
            counter[0] -= 1
            if counter[0] == 0:
                raise Killed
            return real(*arguments, **options)

        return step

    with monkeypatch.context() as patch:
        for name in _WRITES:
            patch.setattr(os, name, counting(name, getattr(os, name)))
        try:
            build(trip, place)
        except Killed:
            return True
    return False


def check_names(place: Path, whole: bytes) -> None:
    """Whatever has a final name is what it should be."""
    for number in range(COUNT):
        path = place / f"acme.tar.{number + 1:03d}"
        if path.exists():
            assert path.read_bytes() == whole[number * 600_000 : (number + 1) * 600_000]
    if (place / "acme.tar.volumes.json").exists():
        assert all((place / f"acme.tar.{number:03d}").exists() for number in range(1, COUNT + 1))


def check_finished(place: Path, whole: bytes) -> None:
    names = [f"acme.tar.{number:03d}" for number in range(1, COUNT + 1)]
    assert sorted(path.name for path in place.iterdir()) == [*names, "acme.tar.sha256", "acme.tar.volumes.json"]
    assert b"".join((place / name).read_bytes() for name in names) == whole


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_before_any_write_the_next_run_finishes_it(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (trip.path / "whole.tar").read_bytes()
    step, died = 0, True
    while died:
        step += 1
        place = trip.path / f"media{step}"
        place.mkdir()
        died = build_until(trip, place, step, monkeypatch)
        check_names(place, whole)
        assert build(trip, place) == 0
        check_finished(place, whole)
    assert step > 30


@pytest.mark.parametrize("step", [5, 12, 20])
def test_killed_now_and_then_the_next_run_finishes_it(trip: Trip, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    whole = (trip.path / "whole.tar").read_bytes()
    place = trip.path / "media"
    place.mkdir()
    assert build_until(trip, place, step, monkeypatch)
    check_names(place, whole)
    assert build(trip, place) == 0
    check_finished(place, whole)


@pytest.mark.parametrize("other", ["500kB", "700kB"])
def test_another_size_after_a_kill_begins_anew_and_leaves_nothing_behind(
    trip: Trip, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    whole = (trip.path / "whole.tar").read_bytes()
    place = trip.path / "media"
    place.mkdir()
    assert build_until(trip, place, 20, monkeypatch)
    assert build(trip, place, other) == 0
    assert b"".join(path.read_bytes() for path in sorted(place.glob("acme.tar.0*"))) == whole
    assert not list(place.glob("*.partial*"))


def test_two_builds_at_once_are_kept_apart(trip: Trip) -> None:
    from airgap_bundle.bundle.volumes.growing import PartialVolumes  # noqa: PLC0415 - only here

    place = trip.path / "media"
    place.mkdir()
    file = PartialVolumes(place / "acme.tar", 2_000_000, 600_000)
    try:
        assert build(trip, place) == 6
    finally:
        file.close()
    assert build(trip, place) == 0


def test_on_a_file_system_without_holes_the_volumes_are_written_in_order(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airgap_bundle.bundle.writer import PartialFile  # noqa: PLC0415 - only here

    monkeypatch.setattr(PartialFile, "keeps_holes", lambda _: False)
    place = trip.path / "media"
    place.mkdir()
    assert build(trip, place) == 0
    check_finished(place, (trip.path / "whole.tar").read_bytes())
    for step in (8, 16):
        again = trip.path / f"again{step}"
        again.mkdir()
        assert build_until(trip, again, step, monkeypatch)
        assert build(trip, again) == 0
        check_finished(again, (trip.path / "whole.tar").read_bytes())
