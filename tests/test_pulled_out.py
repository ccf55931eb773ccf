"""A stick that is pulled out in the middle: the kernel says so, nothing is half done, putting it back is enough."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.images import single_image
from support.sticks import Stick, plugged_in
from support.trip import Trip, make_trip, run

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.volumes import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Stick]:
    with plugged_in(tmp_path) as made:
        yield made


@pytest.fixture
def trip(tmp_path: Path, stick: Stick, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        made.manifest_of_images(
            *made.put(
                {
                    ("acme/small", "1"): single_image("small", base="small", size=1000),
                    ("acme/large", "1"): single_image("large", base="large", size=2_000_000),
                }
            )
        )
        made.build("stick/acme.tar", "--volume-size", "700kB")
        os.sync()
        yield made


def at_read(monkeypatch: pytest.MonkeyPatch, volume: str, count: int, then: Callable[[], None]) -> None:
    """Do something right before a volume is read for the `count`th time."""
    real, reads = FileMedium.read_at, []

    def read_at(self: FileMedium, at: int, buffer: memoryview) -> int:
        if self.name.endswith(volume):
            reads.append(at)
            if len(reads) == count:
                then()
        return real(self, at, buffer)

    monkeypatch.setattr(FileMedium, "read_at", read_at)


@pytest.mark.parametrize("number", ["003", "004", "006"])
def test_pulled_out_while_pushing_no_tag_moves_and_the_next_run_goes_on(
    trip: Trip, stick: Stick, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    with monkeypatch.context() as patch:
        at_read(patch, number, 1, stick.pull_out)
        said = trip.push(stick.place)
    assert (said.status, "AB-HOST-READ" in said.err, "Input/output error" in said.text) == (6, True, True), said.err
    assert "acme.tar.00" in said.text
    assert trip.inner_tags() == {}
    stick.take_away()
    stick.plug_in()
    trip.pushed(stick.place)
    assert trip.inner_tags() != {}


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_pulled_out_before_anything_is_read(trip: Trip, stick: Stick, command: str) -> None:
    stick.pull_out()
    options = ("--policy", trip.policy) if command == "verify" else ()
    said = run("airgap-import", command, stick.place, *options)
    assert (said.status, "AB-HOST-READ" in said.err) == (6, True), said.err


def test_pulled_out_while_it_is_checked(trip: Trip, stick: Stick, monkeypatch: pytest.MonkeyPatch) -> None:
    at_read(monkeypatch, ".004", 1, stick.pull_out)
    said = run("airgap-export", "inspect", stick.place, "--check")
    assert (said.status, "AB-HOST-READ" in said.err) == (6, True), said.err


def test_pulled_out_while_it_is_cut_onto(trip: Trip, stick: Stick, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trip.build("whole.tar")
    at_read(monkeypatch, "whole.tar", 14, stick.pull_out)
    said = run("airgap-export", "cut", whole, "--volume-size", "600kB", "-o", stick.place)
    assert (said.status, "AB-HOST-WRITE" in said.err) == (6, True), said.err
    monkeypatch.undo()
    stick.take_away()
    stick.plug_in()
    assert not (stick.place / "whole.tar.volumes.json").exists()


@pytest.mark.parametrize("count", [1, 2])
def test_put_back_in_time_the_same_run_goes_on(
    trip: Trip, stick: Stick, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    aside = trip.path / "acme.tar.006"
    last = stick.place / "acme.tar.006"
    aside.write_bytes(last.read_bytes())
    last.unlink()
    waits = []

    def sleep(_: float) -> None:
        waits.append(True)
        if len(waits) == 1:
            stick.take_away()
            stick.plug_in()
        else:
            last.write_bytes(aside.read_bytes())

    defaults = sources.MediaSupply.__init__.__kwdefaults__ or {}
    monkeypatch.setattr(sources.MediaSupply.__init__, "__kwdefaults__", {**defaults, "sleep": sleep})
    at_read(monkeypatch, ".004", count, stick.pull_out)
    said = trip.push(stick.place, "", "--wait-media", "60")
    assert said.status == 0, said.err
    assert "acme.tar.004 cannot be read" in said.text
    assert trip.inner_tags() != {}
