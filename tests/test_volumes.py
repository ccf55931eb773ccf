"""Whole trips in volumes: built, cut, carried on several media, signed, imported in any order, from one slot too."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.images import single_image
from support.trip import Trip, catalogue, keys, make_trip, run

from airgap_bundle.bundle.volumes import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = "300kB"
COUNT = 7


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        made.manifest_of_images(
            *made.put(
                {
                    ("acme/app", "1.0"): single_image("app", base="app", size=500_000),
                    ("acme/tool", "2"): single_image("tool", base="tool", size=1000),
                }
            )
        )
        yield made


def volumes(trip: Trip, *options: object, sign: str = "release", directory: str = "media") -> Path:
    """Build into volumes; their directory."""
    place = trip.path / directory
    place.mkdir()
    trip.build(f"{directory}/acme.tar", "--volume-size", SIZE, *options, sign=sign)
    return place


def digests(directory: Path) -> dict[str, str]:
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    return {str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def joined(directory: Path, name: str = "acme.tar") -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.glob(f"{name}.[0-9][0-9][0-9]")))


def check_sums(directory: Path, name: str = "acme.tar") -> list[str]:
    """What `sha256sum --check` says of what lies there."""
    words = ["sha256sum", "--check", "--strict", f"{name}.sha256"]
    said = subprocess.run(words, cwd=directory, check=True, capture_output=True, text=True)
    return said.stdout.split("\n")[:-1]


def inside(trip: Trip) -> dict[str, list[str]]:
    return {name.rpartition("/")[2]: tags for name, tags in trip.inner_tags().items()}


def test_volumes_are_the_very_bytes_of_the_bundle_and_nothing_else_lies_beside_them(trip: Trip) -> None:
    place = volumes(trip, sign="")
    whole = trip.build("whole.tar", sign="")
    assert joined(place) == whole.read_bytes()
    names = [f"acme.tar.{number:03d}" for number in range(1, COUNT + 1)]
    assert sorted(path.name for path in place.iterdir()) == [*names, "acme.tar.sha256", "acme.tar.volumes.json"]
    assert {path.stat().st_size for path in place.glob("acme.tar.00[1-6]")} == {300_000}
    assert check_sums(place) == [*(f"{name}: OK" for name in names), "acme.tar.volumes.json: OK"]


def test_volumes_are_imported_and_stay_as_they_are(trip: Trip) -> None:
    place = volumes(trip)
    before = digests(place)
    for path in place.iterdir():
        path.chmod(0o444)
    trip.pushed(place / "acme.tar.003")
    assert inside(trip) == {"app": ["1.0"], "tool": ["2"]}
    assert digests(place) == before


def test_the_ids_of_volumes_and_of_one_file_are_the_same(trip: Trip) -> None:
    place = volumes(trip)
    whole = trip.build("whole.tar")
    said = [run("airgap-import", "inspect", bundle, "--format", "json").json for bundle in (place, whole)]
    assert said[0]["bundleId"] == said[1]["bundleId"]
    assert said[0]["bundleBytes"] == said[1]["bundleBytes"] == whole.stat().st_size


def test_a_second_build_finds_the_volumes_and_signs_beside_them(trip: Trip) -> None:
    place = volumes(trip, sign="")
    before = digests(place)
    trip.build("media/acme.tar", "--volume-size", SIZE)
    after = digests(place)
    assert {name for name in after if after[name] != before.get(name)} == {
        f"acme.tar.signatures/openpgp-{keys().release}.sig",
        "acme.tar.sha256",
    }
    assert len(check_sums(place)) == COUNT + 2
    trip.pushed(place)


def test_another_size_or_another_bundle_in_the_way_is_refused(trip: Trip) -> None:
    place = volumes(trip, sign="")
    before = digests(place)
    for size in ("400kB", "200kB"):
        said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", place / "acme.tar", "--volume-size", size)
        assert (said.status, "AB-USAGE-OUTPUT-EXISTS" in said.err) == (2, True)
    assert digests(place) == before


def test_volumes_of_an_older_bundle_are_never_mixed_in(trip: Trip) -> None:
    place = trip.path / "media"
    place.mkdir()
    (place / "acme.tar.042").write_bytes(b"older")
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", place / "acme.tar", "--volume-size", SIZE)
    assert (said.status, "acme.tar.042 exists" in said.text) == (2, True)
    assert [path.name for path in place.iterdir()] == ["acme.tar.042"]


def test_a_stream_has_no_volumes(trip: Trip) -> None:
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", "-", "--volume-size", SIZE)
    assert (said.status, "AB-USAGE-VOLUME-SIZE" in said.err) == (2, True)


def test_signing_volumes_changes_none_of_them_and_import_takes_the_signature(trip: Trip) -> None:
    place = volumes(trip, sign="")
    before = {name: digest for name, digest in digests(place).items() if name != "acme.tar.sha256"}
    assert trip.push(place).status == 3
    said = run("airgap-export", "sign", place / "acme.tar.001", "--sign", f"gpg:{keys().release}", "--format", "json")
    assert said.json["signatures"][0]["place"].startswith(str(place / "acme.tar.signatures"))
    assert {name: digest for name, digest in digests(place).items() if name in before} == before
    assert any("signatures" in line for line in check_sums(place))
    trip.pushed(place)


def test_the_first_volume_is_enough_to_sign(trip: Trip) -> None:
    place = volumes(trip, sign="")
    for number in range(5, COUNT + 1):
        (place / f"acme.tar.{number:03d}").unlink()
    said = run("airgap-export", "sign", place, "--sign", f"gpg:{keys().release}")
    assert said.status == 0, said.err


def spread(trip: Trip, count: int = 3) -> list[Path]:
    """The volumes, dealt out to several sticks in no order; every stick has the table."""
    place = volumes(trip)
    sticks = [trip.path / f"stick{number}" for number in range(count)]
    for stick in sticks:
        stick.mkdir()
        shutil.copy(place / "acme.tar.volumes.json", stick)
    for number, path in enumerate(sorted(place.glob("acme.tar.[0-9]*"))):
        path.rename(sticks[(number * 2) % count] / path.name)
    shutil.rmtree(place)
    return sticks


def test_volumes_come_from_several_directories_in_any_order(trip: Trip) -> None:
    sticks = spread(trip)
    trip.pushed(sticks[2], "", "--media", sticks[1], "--media", sticks[0])
    assert inside(trip) == {"app": ["1.0"], "tool": ["2"]}


def test_media_below_one_directory_are_found(trip: Trip) -> None:
    spread(trip)
    trip.pushed(trip.path / "acme.tar", "", "--media", trip.path)


def test_a_missing_medium_is_named_before_anything_is_sent(trip: Trip) -> None:
    sticks = spread(trip)
    said = trip.push(sticks[0], "", "--media", sticks[2])
    lacking = sorted(path.name for path in sticks[1].glob("acme.tar.[0-9]*"))
    assert (said.status, "AB-VOLUME-MISSING" in said.err) == (4, True)
    assert all(name in said.text for name in lacking)
    assert catalogue(trip.inner) == []


def test_without_table_and_sums_volumes_are_imported_too(trip: Trip) -> None:
    place = volumes(trip)
    (place / "acme.tar.volumes.json").unlink()
    (place / "acme.tar.sha256").unlink()
    trip.pushed(place / "acme.tar.007")


def test_volumes_that_another_program_cut_are_imported(trip: Trip) -> None:
    whole = trip.build("whole.tar")
    place = trip.path / "split"
    place.mkdir()
    words = ["split", "--bytes", "700K", "--numeric-suffixes=1", "--suffix-length=3", whole, place / "acme.tar."]
    subprocess.run(words, check=True)
    trip.pushed(place)


def test_damage_moves_no_tag_and_the_volume_is_named(trip: Trip) -> None:
    place = volumes(trip)
    volume = place / "acme.tar.006"
    data = bytearray(volume.read_bytes())
    data[200_000] ^= 1
    volume.write_bytes(data)
    said = trip.push(place)
    assert (said.status, "AB-VOLUME-DAMAGED" in said.err, str(volume) in said.text) == (4, True, True)
    assert trip.inner_tags() == {}


def test_check_names_the_damaged_volume(trip: Trip) -> None:
    place = volumes(trip)
    volume = place / "acme.tar.006"
    data = bytearray(volume.read_bytes())
    data[200_000] ^= 1
    volume.write_bytes(data)
    said = run("airgap-export", "inspect", place, "--check")
    assert (said.status, str(volume) in said.text) == (4, True)
    assert run("airgap-export", "inspect", place).status == 0


def test_two_bundles_in_one_directory_are_not_guessed_between(trip: Trip) -> None:
    place = volumes(trip)
    (place / "other.tar.001").write_bytes(b"x")
    said = trip.push(place)
    assert (said.status, "acme.tar, other.tar" in said.text) == (4, True)
    trip.pushed(place / "acme.tar")


def test_an_empty_directory_is_no_bundle(trip: Trip) -> None:
    said = trip.push(trip.path / "state-of-nothing")
    assert said.status == 2
    (trip.path / "empty").mkdir()
    said = trip.push(trip.path / "empty")
    assert (said.status, "holds no volumes" in said.text) == (4, True)


def test_a_bundle_that_is_called_like_a_volume_is_a_bundle_all_the_same(trip: Trip) -> None:
    whole = trip.build("whole.tar")
    renamed = whole.rename(trip.path / "release-1.0.123")
    trip.pushed(renamed)


def test_a_bundle_is_cut_for_several_media_and_each_can_be_checked_alone(trip: Trip) -> None:
    whole = trip.build("acme.tar")
    sticks = [trip.path / "one", trip.path / "two"]
    for numbers, stick in zip(("1-5", "6-7"), sticks, strict=True):
        words = ["cut", whole, "--volume-size", SIZE, "-o", stick, "--only", numbers, "--format", "json"]
        said = run("airgap-export", *words).json
        assert (said["volumes"], said["bundleBytes"]) == (COUNT, whole.stat().st_size)
        assert len(check_sums(stick)) == len(said["placed"]) + 1
    assert joined(sticks[0]) + joined(sticks[1]) == whole.read_bytes()
    assert digests(sticks[0])["acme.tar.volumes.json"] == digests(sticks[1])["acme.tar.volumes.json"]
    trip.pushed(sticks[1], "", "--media", sticks[0])


def test_cutting_again_writes_nothing_and_goes_on_where_it_stopped(trip: Trip) -> None:
    whole = trip.build("acme.tar")
    stick = trip.path / "stick"
    words = ["cut", whole, "--volume-size", SIZE, "-o", stick, "--format", "json"]
    run("airgap-export", *words)
    before = digests(stick)
    (stick / "acme.tar.004").unlink()
    placed = run("airgap-export", *words).json["placed"]
    assert [one["name"] for one in placed if not one["existed"]] == ["acme.tar.004"]
    assert digests(stick) == before


def test_volumes_are_cut_anew(trip: Trip) -> None:
    place = volumes(trip)
    stick = trip.path / "stick"
    said = run("airgap-export", "cut", place, "--volume-size", "1MB", "-o", stick)
    assert said.status == 0, said.err
    assert (joined(stick), len(list(stick.glob("acme.tar.0*")))) == (joined(place), 3)


def test_the_signatures_beside_a_bundle_travel_with_its_volumes(trip: Trip) -> None:
    place = volumes(trip, sign="")
    run("airgap-export", "sign", place, "--sign", f"gpg:{keys().release}")
    stick = trip.path / "stick"
    assert run("airgap-export", "cut", place, "--volume-size", "1MB", "-o", stick).status == 0
    assert [line for line in check_sums(stick) if "signatures" in line]
    trip.pushed(stick)


@pytest.mark.parametrize("number", ["002", "006"])
def test_something_else_in_the_way_of_a_cut_is_left_alone(trip: Trip, number: str) -> None:
    whole = trip.build("acme.tar")
    stick = trip.path / "stick"
    stick.mkdir()
    other = stick / f"acme.tar.{number}"
    other.write_bytes(b"\1" * 300_000)
    said = run("airgap-export", "cut", whole, "--volume-size", SIZE, "-o", stick)
    assert (said.status, str(other) in said.text) == (2, True)
    assert other.read_bytes() == b"\1" * 300_000


def test_volumes_on_several_media_are_looked_at_and_cut_anew(trip: Trip) -> None:
    sticks = spread(trip)
    media = [word for stick in sticks[1:] for word in ("--media", stick)]
    assert run("airgap-export", "inspect", sticks[0], "--check", *media).status == 0
    said = run("airgap-export", "cut", sticks[0], "--volume-size", "1MB", "-o", trip.path / "new", *media)
    assert said.status == 0, said.err
    trip.pushed(trip.path / "new")


def test_a_damaged_bundle_is_not_cut(trip: Trip) -> None:
    whole = trip.build("acme.tar")
    data = bytearray(whole.read_bytes())
    data[-300_000] ^= 1
    whole.write_bytes(data)
    said = run("airgap-export", "cut", whole, "--volume-size", SIZE, "-o", trip.path / "stick")
    assert (said.status, "AB-BUNDLE-BLOB" in said.err) == (4, True)
    assert not list((trip.path / "stick").glob("*.volumes.json"))


@pytest.mark.parametrize("only", ["0", "8", "3-2", "x", "1-9"])
def test_only_names_volumes_that_there_are(trip: Trip, only: str) -> None:
    whole = trip.build("acme.tar", sign="")
    said = run("airgap-export", "cut", whole, "--volume-size", SIZE, "-o", trip.path / "stick", "--only", only)
    assert said.status == 2


class OneSlot:
    """A place for one stick at a time. Who takes the next one in is `change`."""

    def __init__(self, trip: Trip, *, table: bool) -> None:
        self.drawer = volumes(trip)
        self.place = trip.path / "slot"
        self.place.mkdir()
        self.taken: list[int] = []
        if not table:
            (self.drawer / "acme.tar.volumes.json").unlink()
        self.put(1)

    def put(self, number: int) -> None:
        for path in self.place.iterdir():
            path.unlink()
        for name in (f"acme.tar.{number:03d}", "acme.tar.volumes.json"):
            if (self.drawer / name).exists():
                shutil.copyfile(self.drawer / name, self.place / name)
        self.taken.append(number)

    @property
    def open_files(self) -> list[str]:
        """What of the slot this process has open: as long as there is something, no stick can be taken out."""
        names = []
        for link in Path("/proc/self/fd").iterdir():
            # The threads of the registry in this process close theirs at any time, this moment too.
            with contextlib.suppress(FileNotFoundError):
                names.append(str(link.readlink()))
        return [name for name in names if str(self.place) in name]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Instead of sleeping between two looks, something is done."""

    def use(action: Callable[[], Any]) -> None:
        monkeypatch.setattr(sources.MediaSupply.__init__, "__kwdefaults__", _defaults(action))

    return use


def _defaults(action: Callable[[], Any]) -> dict[str, Any]:
    return {**(sources.MediaSupply.__init__.__kwdefaults__ or {}), "sleep": lambda _: action()}


@pytest.mark.parametrize("table", [True, False], ids=["table", "no table"])
def test_with_one_slot_each_medium_is_waited_for_and_closed_before_the_next(
    trip: Trip, quick: Callable[[Callable[[], Any]], None], *, table: bool
) -> None:
    slot = OneSlot(trip, table=table)
    open_then: list[str] = []

    def change() -> None:
        open_then.extend(slot.open_files)
        assert trip.inner_tags() == {}
        slot.put(slot.taken[-1] + 1)

    quick(change)
    trip.pushed(slot.place, "", "--wait-media", "60")
    assert (slot.taken, open_then) == (list(range(1, COUNT + 1)), [])
    assert inside(trip) == {"app": ["1.0"], "tool": ["2"]}


def test_a_medium_that_never_comes_ends_the_wait_and_the_next_run_goes_on(
    trip: Trip, quick: Callable[[Callable[[], Any]], None]
) -> None:
    slot = OneSlot(trip, table=True)
    quick(lambda: slot.put(slot.taken[-1] + 1) if slot.taken[-1] < 6 else None)
    said = trip.push(slot.place, "", "--wait-media", "3")
    assert (said.status, "AB-VOLUME-MISSING" in said.err, "acme.tar.007" in said.text) == (4, True, True)
    assert trip.inner_tags() == {}
    quick(lambda: slot.put(slot.taken[-1] + 1))
    slot.put(1)
    done = trip.pushed(slot.place, "", "--wait-media", "3")
    assert done["blobs"]["present"] > 0


def test_a_wrong_medium_in_the_slot_is_said_and_waited_away(
    trip: Trip, quick: Callable[[Callable[[], Any]], None]
) -> None:
    slot = OneSlot(trip, table=True)

    def change() -> None:
        number = slot.taken[-1] + 1
        slot.put(number)
        if number == 3 and slot.taken.count(3) == 1:
            (slot.place / "acme.tar.003").write_bytes(b"another bundle" * 100)
            slot.taken.append(2)

    quick(change)
    said = trip.push(slot.place, "", "--wait-media", "60")
    assert said.status == 0, said.err
    assert "acme.tar.003 is needed" in said.text


def test_real_seconds_pass_while_a_directory_is_polled(trip: Trip) -> None:
    place = volumes(trip)
    late = place / "acme.tar.005"
    aside = late.rename(trip.path / "aside")
    timer = threading.Timer(0.3, lambda: aside.rename(late))
    timer.start()
    try:
        trip.pushed(place, "", "--wait-media", "30")
    finally:
        timer.join()


def test_who_waits_for_nothing_is_told_at_once(trip: Trip) -> None:
    said = trip.push(trip.path / "nowhere" / "acme.tar", "", "--wait-media", "1")
    assert (said.status, "acme.tar.001" in said.text) == (4, True)
    said = trip.push(trip.path / "acme.tar", "", "--media", trip.path / "nowhere")
    assert said.status == 2
