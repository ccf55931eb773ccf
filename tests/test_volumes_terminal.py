"""A person with one slot: the next stick is asked for on a real terminal, and what was typed is understood."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from support.images import single_image
from support.pseudoterminal import converse, without_control
from support.trip import Trip, command_line, make_trip

from airgap_bundle.core import strictjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        made.manifest_of_images(*made.put({("acme/app", "1.0"): single_image("app", base="app", size=500_000)}))
        (tmp_path / "drawer").mkdir()
        made.build("drawer/acme.tar", "--volume-size", "800kB")
        (tmp_path / "slot").mkdir()
        yield made


def put(trip: Trip, number: int, slot: Path) -> None:
    """Take out what is there, and put another stick in."""
    for path in slot.iterdir():
        path.unlink()
    for name in (f"acme.tar.{number:03d}", "acme.tar.volumes.json"):
        shutil.copyfile(trip.path / "drawer" / name, slot / name)


def test_each_medium_is_asked_for_in_turn(trip: Trip) -> None:
    slot = trip.path / "slot"
    put(trip, 1, slot)
    asked: list[str] = []

    def answer(question: str) -> str:
        assert trip.inner_tags() == {}
        number = question.split("acme.tar.")[1][:3]
        asked.append(number)
        put(trip, int(number), slot)
        return ""

    status, said = converse(command_line("airgap-import", *trip.push_arguments(slot / "acme.tar.001")), answer)
    assert (status, asked) == (0, ["002", "003"]), said
    assert trip.inner_tags() != {}
    assert all(len(line) < 120 for line in without_control(said))


def test_a_directory_can_be_typed_instead(trip: Trip) -> None:
    slot, other = trip.path / "slot", trip.path / "other"
    other.mkdir()
    put(trip, 1, slot)
    put(trip, 2, other)
    status, said = converse(
        command_line("airgap-import", *trip.push_arguments(slot)),
        lambda question: str(other) if "002" in question else str(trip.path / "drawer"),
    )
    assert status == 0, said


def test_who_presses_enter_too_early_is_asked_again(trip: Trip) -> None:
    slot = trip.path / "slot"
    put(trip, 1, slot)
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        if len(questions) > 1:
            put(trip, 2 if "002" in question else 3, slot)
        return ""

    status, said = converse(command_line("airgap-import", *trip.push_arguments(slot)), answer)
    assert status == 0, said
    assert "acme.tar.002 is not there" in questions[1]


def test_the_stick_of_another_bundle_is_sent_back_once_and_then_taken_at_its_word(trip: Trip) -> None:
    slot = trip.path / "slot"
    put(trip, 1, slot)
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        if len(questions) == 1:
            put(trip, 2, slot)
            (slot / "acme.tar.002").write_bytes(b"x" * 800_000)
        return ""

    status, said = converse(command_line("airgap-import", *trip.push_arguments(slot)), answer)
    assert (status, "its first bytes are others" in questions[1]) == (4, True), said
    assert trip.inner_tags() == {}


def test_a_terminal_that_is_closed_ends_it(trip: Trip) -> None:
    slot = trip.path / "slot"
    put(trip, 1, slot)
    status, said = converse(command_line("airgap-import", *trip.push_arguments(slot)), lambda _: "\x04")
    assert (status, "AB-HOST-TERMINAL" in said) == (6, True), said
    assert trip.inner_tags() == {}


@pytest.fixture
def interrupted(trip: Trip) -> Trip:
    """An import of five volumes that was given up when the last of them was asked for."""
    image = single_image("big", base="big", size=500_000, layers=8)
    trip.manifest_of_images(*trip.put({("acme/big", "1.0"): image}), version="2.0.0")
    shutil.rmtree(trip.path / "drawer")
    (trip.path / "drawer").mkdir()
    trip.build("drawer/acme.tar", "--volume-size", "1200kB", "--relock")
    status, said, asked = import_again(trip, until=5)
    assert (status, asked, trip.inner_tags()) == (6, [2, 3, 4, 5], {}), said
    return trip


def import_again(trip: Trip, *, until: int = 0) -> tuple[int, str, list[int]]:
    """Import from the first volume on; status, what was said, and which volumes were asked for."""
    slot, asked = trip.path / "slot", []
    put(trip, 1, slot)

    def answer(question: str) -> str:
        asked.append(int(question.rsplit("acme.tar.", maxsplit=1)[-1][:3]))
        put(trip, asked[-1], slot)
        return "\x04" if asked[-1] == until else ""

    # One after another, so that what was sent when the terminal was closed is the same every time.
    status, said = converse(command_line("airgap-import", *trip.push_arguments(slot), "--jobs", "1"), answer)
    return status, " ".join(said.split()), asked


def test_the_next_run_asks_only_for_volumes_with_something_that_the_destination_lacks(interrupted: Trip) -> None:
    status, said, asked = import_again(interrupted)
    # The layer that was on the way when the terminal was closed begins in the volume before the last.
    assert (status, asked) == (0, [4, 5]), said
    assert "acme.tar.002 to .003 are not needed" in said
    assert interrupted.inner_tags() != {}
    status, said, asked = import_again(interrupted)
    assert (status, asked) == (0, []), said


def test_without_a_table_nobody_knows_which_volumes_could_be_left_out(interrupted: Trip) -> None:
    (interrupted.path / "drawer" / "acme.tar.volumes.json").write_text("{}")
    status, said, asked = import_again(interrupted)
    assert (status, asked) == (0, [2, 3, 4, 5]), said


def test_a_table_that_lies_about_lengths_moves_no_tag(interrupted: Trip) -> None:
    file = interrupted.path / "drawer" / "acme.tar.volumes.json"
    table = json.loads(file.read_text())
    table["volumes"][2]["size"] -= 512
    table["volumes"][3]["size"] += 512
    file.write_bytes(strictjson.canonical(table))
    status, said, asked = import_again(interrupted)
    # It complains about the good volume, which is insisted on: then the inventory says no.
    assert (status, asked) == (4, [4, 4]), said
    assert interrupted.inner_tags() == {}
