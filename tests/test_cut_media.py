"""Several sticks through one slot: filled, read back, and the next one asked for; each a file system of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from support.images import single_image
from support.pseudoterminal import converse, without_control
from support.trip import Trip, command_line, make_trip, run

from airgap_bundle.bundle.volumes import sources
from airgap_bundle.bundle.volumes.cutter import Placed, read_back
from airgap_bundle.bundle.volumes.table import VolumeHash
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SIZE = "600kB"
# The bundle has 3.1 MB: six volumes, two of which fit beside the table on a stick of this size.
STICK = "1500k"


class Slot:
    """A mount point, and sticks that lie beside it until somebody puts one in."""

    def __init__(self, path: Path) -> None:
        self.place = path / "slot"
        self.place.mkdir()
        self.path = path
        self.sticks: list[Path] = []

    def new_stick(self, size: str = STICK) -> Path:
        """An empty file system of `size` in the drawer."""
        stick = self.path / f"stick{len(self.sticks)}"
        stick.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={size}", "none", stick)
        self.sticks.append(stick)
        return stick

    def take_out(self) -> None:
        """As a person does; fails while somebody has a file open there."""
        subprocess.run(["umount", self.place], check=True, capture_output=True)

    def put_in(self, stick: Path) -> None:
        """Put it into the slot."""
        _mount("--bind", stick, self.place)

    def change(self) -> None:
        """The next stick, a new one."""
        self.take_out()
        self.put_in(self.new_stick())

    def joined(self) -> bytes:
        """All volumes, in the order of the sticks."""
        return b"".join(one.read_bytes() for stick in self.sticks for one in sorted(stick.glob("acme.tar.0*")))

    def close(self) -> None:
        """Unmount everything."""
        for place in (self.place, *self.sticks):
            subprocess.run(["umount", place], check=False, capture_output=True)


def _mount(*words: object) -> None:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine allows no mounts: {done.stderr}")


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Slot]:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("root and mount are needed")
    made = Slot(tmp_path)
    try:
        made.put_in(made.new_stick())
        yield made
    finally:
        made.close()


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        made.manifest_of_images(*made.put({("acme/app", "1.0"): single_image("app", base="app", size=1_000_000)}))
        made.build("acme.tar")
        yield made


def cut(trip: Trip, slot: Slot, *options: object) -> list[object]:
    """The words of the command."""
    return ["cut", trip.path / "acme.tar", "--volume-size", SIZE, "-o", slot.place, *options]


def quick(monkeypatch: pytest.MonkeyPatch, action: Callable[[], Any]) -> None:
    """Instead of sleeping between two looks, something is done."""
    defaults = {**(sources.MediaSupply.__init__.__kwdefaults__ or {}), "sleep": lambda _: action()}
    monkeypatch.setattr(sources.MediaSupply.__init__, "__kwdefaults__", defaults)


def test_each_stick_is_filled_and_read_back_before_the_next_one_is_asked_for(trip: Trip, slot: Slot) -> None:
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(" ".join(question.split()))
        slot.change()
        return ""

    status, said = converse(command_line("airgap-export", *cut(trip, slot)), answer)
    assert status == 0, said
    assert len(questions) == len(slot.sticks) - 1 == 2, said
    assert f"{slot.place} has acme.tar.001 to .002, read back and right: unmount it, and take it out" in questions[0]
    assert "acme.tar.003 to .006 (1.9 MB) need another medium" in questions[0]
    assert "acme.tar.005 to .006 (" in questions[1]
    assert slot.joined() == (trip.path / "acme.tar").read_bytes()
    assert len({(stick / "acme.tar.volumes.json").read_bytes() for stick in slot.sticks}) == 1
    for stick in slot.sticks:
        subprocess.run(["sha256sum", "--check", "--strict", "acme.tar.sha256"], cwd=stick, check=True)
    assert all(len(line.replace(str(slot.place), "slot")) < 100 for line in without_control(said))
    trip.pushed(slot.sticks[0], "", "--media", slot.sticks[1], "--media", slot.sticks[2])


def test_an_old_stick_an_empty_slot_and_a_small_stick_are_not_written_to(trip: Trip, slot: Slot) -> None:
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(" ".join(question.split()))
        if len(questions) == 2:
            slot.take_out()
        if len(questions) == 3:
            slot.put_in(slot.new_stick("300k"))
        if len(questions) > 3:
            slot.change()
        return ""

    status, said = converse(command_line("airgap-export", *cut(trip, slot)), answer)
    assert status == 0, said
    assert f"{slot.place} still holds acme.tar.002" in questions[1]
    assert f"nothing is mounted at {slot.place}" in questions[2]
    assert f"do not fit on {slot.place}" in questions[3]
    assert slot.joined() == (trip.path / "acme.tar").read_bytes()
    slot.take_out()
    assert list(slot.place.iterdir()) == list(slot.sticks[1].iterdir()) == []


def test_another_place_can_be_typed_and_takes_the_rest(trip: Trip, slot: Slot) -> None:
    other = trip.path / "other"
    status, said = converse(command_line("airgap-export", *cut(trip, slot)), lambda _: str(other))
    assert status == 0, said
    assert [one.name for one in sorted(other.glob("acme.tar.0*"))] == [f"acme.tar.00{n}" for n in (3, 4, 5, 6)]


def test_a_terminal_that_is_closed_ends_it_and_the_rest_can_be_cut_later(trip: Trip, slot: Slot) -> None:
    status, said = converse(command_line("airgap-export", *cut(trip, slot)), lambda _: "\x04")
    assert (status, "AB-HOST-TERMINAL" in said) == (6, True), said
    assert "goes on with --only 3-6" in " ".join(said.split())
    slot.change()
    later = run("airgap-export", *cut(trip, slot, "--only", "3-4"))
    assert later.status == 0, later.err


def test_unattended_each_stick_is_waited_for(trip: Trip, slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def later() -> None:
        looks.append(1)
        if len(looks) % 2 == 0:
            slot.change()

    quick(monkeypatch, later)
    said = run("airgap-export", *cut(trip, slot, "--wait-media", "60", "--format", "json"))
    assert said.status == 0, said.err
    assert said.json["readBack"] is True
    assert [one["turn"] for one in said.json["placed"]] == [1, 1, 2, 2, 3, 3]
    assert slot.joined() == (trip.path / "acme.tar").read_bytes()


def test_unattended_a_stick_that_never_comes_ends_it(trip: Trip, slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, lambda: None)
    said = run("airgap-export", *cut(trip, slot, "--wait-media", "3"))
    assert (said.status, "AB-HOST-SPACE" in said.err, "none came in time" in said.text) == (6, True, True), said.err
    assert "--only 3-6" in said.text


def test_without_a_terminal_nothing_is_written_where_not_all_of_it_fits(trip: Trip, slot: Slot) -> None:
    said = run("airgap-export", *cut(trip, slot))
    assert (said.status, "4 of 6 volumes" in said.text) == (6, True), said.err
    assert list(slot.place.iterdir()) == []


def test_a_bundle_that_changes_after_it_was_read_is_not_cut_further(trip: Trip, slot: Slot) -> None:
    bundle = trip.path / "acme.tar"

    def answer(_: str) -> str:
        slot.change()
        with bundle.open("r+b") as file:
            file.seek(1_300_000)
            file.write(b"another byte")
        return ""

    status, said = converse(command_line("airgap-export", *cut(trip, slot)), answer)
    assert (status, "AB-BUNDLE-BLOB" in said, "has changed where acme.tar.003 begins" in said) == (4, True, True), said
    assert not list(slot.place.glob("acme.tar.003*"))


def test_a_medium_that_gives_back_other_bytes_keeps_no_volume_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "acme.tar.001"
    path.write_bytes(b"what the stick kept")
    hashing = VolumeHash()
    hashing.update(b"what was written to")
    placed = Placed(number=1, directory=tmp_path, path=path, size=19, existed=False)
    with pytest.raises(HostError, match="gives back other bytes") as caught:
        read_back(placed, hashing.entry(path.name))
    assert (caught.value.code, path.exists()) == ("AB-HOST-READ-BACK", False)
