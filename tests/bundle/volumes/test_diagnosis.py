"""What is wrong with volumes is said before anything is sent, with the name of the file, with a table or without."""

from __future__ import annotations

import functools
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from support.bundles import Parts, parts_of
from support.content import Corpus
from support.images import single_image
from support.volumes import cut

from airgap_bundle.bundle.volumes.sources import MediaSupply
from airgap_bundle.core.errors import BundleError
from airgap_bundle.core.report import Remark, silent
from airgap_bundle.transfer.access import Access
from airgap_bundle.transfer.inspection import inspect_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airgap_bundle.core.report import Event

# 21 volumes: some lie within one layer, some begin several blobs, the head takes seven, the last is shorter.
SIZE = 150_000
LAST = 21
TABLE = "acme.tar.volumes.json"


@functools.cache
def parts(seed: str) -> Parts:
    return parts_of(
        Corpus(
            tags={
                ("acme/app", "1.0"): single_image(seed, base=seed, size=900_000),
                ("acme/other", "1"): single_image(f"{seed} other", base=f"{seed} other", size=100_000),
            }
        )
    )


class Volumes:
    """Good volumes in a directory, and what may happen to them."""

    def __init__(self, path: Path, *, table: bool) -> None:
        self.path = path / "media"
        self.all = cut(parts("ours"), self.path, size=SIZE, table=table)
        assert len(self.all) == LAST
        self.spare = path / "spare"

    def __getitem__(self, number: int) -> Path:
        return self.path / f"acme.tar.{number:03d}"

    def remove(self, *numbers: int) -> None:
        for number in numbers:
            self[number].unlink()

    def cut_off(self, number: int, size: int) -> None:
        os.truncate(self[number], size)

    def append(self, number: int) -> None:
        with self[number].open("ab") as file:
            file.write(b"x")

    def swap(self, one: int, other: int) -> None:
        self[one].rename(self.spare)
        self[other].rename(self[one])
        self.spare.rename(self[other])

    def copy(self, one: int, other: int) -> None:
        shutil.copyfile(self[one], self[other])

    def replace(self, number: int) -> None:
        foreign = cut(parts("theirs"), self.spare, size=SIZE)
        shutil.copyfile(foreign[number - 1], self[number])

    def scramble(self, number: int) -> None:
        self[number].write_bytes(os.urandom(self[number].stat().st_size))

    def flip(self, number: int, at: int) -> None:
        data = bytearray(self[number].read_bytes())
        data[at] ^= 1
        self[number].write_bytes(data)

    def lie(self, change: Callable[[dict[str, Any]], object]) -> None:
        document = json.loads((self.path / TABLE).read_bytes())
        change(document)
        (self.path / TABLE).write_text(json.dumps(document))


def look(place: Path) -> list[str]:
    """Read everything; what was remarked."""
    remarks: list[str] = []

    def report(event: Event) -> None:
        assert isinstance(event, Remark)
        remarks.append(event.message)

    access = Access(media=MediaSupply(report=report))
    assert inspect_bundle(place, check=True, report=silent, access=access).checked
    return remarks


def refused(place: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        look(place)
    return caught.value


WITH_AND_WITHOUT = pytest.mark.parametrize("table", [True, False], ids=["table", "no table"])


@WITH_AND_WITHOUT
def test_good_volumes_are_read_whatever_of_them_is_named(tmp_path: Path, *, table: bool) -> None:
    volumes = Volumes(tmp_path, table=table)
    names = [volumes.path, volumes[1], volumes[7], volumes.path / "acme.tar"]
    for name in [*names, *([volumes.path / TABLE] if table else [])]:
        assert look(name) == []


@WITH_AND_WITHOUT
@pytest.mark.parametrize(
    ("damage", "code", "names"),
    [
        (lambda v: v.remove(1), "AB-VOLUME-MISSING", ["acme.tar.001"]),
        (lambda v: v.remove(3), "AB-VOLUME-MISSING", ["acme.tar.003"]),
        (lambda v: v.remove(LAST), "AB-VOLUME-MISSING", ["acme.tar.021"]),
        (lambda v: v.remove(LAST, LAST - 1), "AB-VOLUME-MISSING", ["acme.tar.020", "acme.tar.021"]),
        (lambda v: v.cut_off(1, 5000), "AB-BUNDLE-TRUNCATED", ["acme.tar.001"]),
        (lambda v: v.cut_off(2, 0), "AB-BUNDLE-TRUNCATED", ["acme.tar.002"]),
        (lambda v: v.cut_off(10, 100_000), "AB-BUNDLE-TRUNCATED", ["acme.tar.010"]),
        (lambda v: v.cut_off(LAST, 1000), "AB-BUNDLE-TRUNCATED", ["acme.tar.021"]),
        (lambda v: v.append(4), "AB-BUNDLE-TRAILING", ["acme.tar.004"]),
        (lambda v: v.append(10), "AB-BUNDLE-TRAILING", ["acme.tar.010"]),
        (lambda v: v.append(LAST), "AB-BUNDLE-TRAILING", ["acme.tar.021"]),
        (lambda v: v.swap(1, 2), "AB-VOLUME-SWAPPED", ["acme.tar.001", "acme.tar.002"]),
        (lambda v: v.swap(14, 20), "AB-VOLUME-SWAPPED", ["acme.tar.014", "acme.tar.020"]),
        (lambda v: v.swap(12, LAST), "AB-VOLUME-SWAPPED", ["acme.tar.012", "acme.tar.021"]),
        (lambda v: v.copy(1, 8), "AB-VOLUME-TWICE", ["acme.tar.008", "acme.tar.001"]),
        (lambda v: v.copy(14, 20), "AB-VOLUME-TWICE", ["acme.tar.014", "acme.tar.020"]),
        (lambda v: v.replace(20), "AB-VOLUME-FOREIGN", ["acme.tar.020"]),
        (lambda v: v.replace(14), "AB-VOLUME-FOREIGN", ["acme.tar.014"]),
        (lambda v: v.copy(3, LAST + 1), "AB-VOLUME-FOREIGN", ["acme.tar.022"]),
        (lambda v: v.copy(3, 0), "AB-VOLUME-NUMBER", ["acme.tar.000"]),
        (lambda v: v[1].rename(v.path / "acme.tar.01"), "AB-VOLUME-NUMBER", ["acme.tar.01"]),
        (lambda v: v[1].rename(v.path / "acme.tar.1000"), "AB-VOLUME-NUMBER", ["acme.tar.1000"]),
        (lambda v: shutil.copyfile(v[4], v.path / "ACME.TAR.004"), "AB-VOLUME-TWICE", ["ACME.TAR.004", "acme.tar.004"]),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_the_volume(
    tmp_path: Path, damage: Callable[[Volumes], object], code: str, names: list[str], *, table: bool
) -> None:
    volumes = Volumes(tmp_path, table=table)
    damage(volumes)
    error = refused(volumes.path)
    assert (error.code, error.exit_status) == (code, 4), error.message
    for name in names:
        assert name in error.message


@pytest.mark.parametrize(
    ("damage", "code", "name"),
    [
        (lambda v: v.swap(10, 11), "AB-VOLUME-SWAPPED", "acme.tar.010"),
        (lambda v: v.copy(9, 10), "AB-VOLUME-TWICE", "acme.tar.010"),
        (lambda v: v.scramble(10), "AB-VOLUME-FOREIGN", "acme.tar.010"),
        (lambda v: v.replace(1), "AB-VOLUME-FOREIGN", "acme.tar.001"),
    ],
)
def test_within_one_long_layer_the_table_says_which_and_the_layer_proves_it(
    tmp_path: Path, damage: Callable[[Volumes], object], code: str, name: str
) -> None:
    volumes = Volumes(tmp_path, table=True)
    damage(volumes)
    error = refused(volumes.path)
    assert (error.code, name in error.message) == (code, True), error.message
    (volumes.path / TABLE).unlink()
    without = refused(volumes.path)
    assert "acme.tar.008" in without.message


def test_a_flipped_bit_is_put_down_to_its_volume(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path, table=True)
    volumes.flip(10, 100_000)
    error = refused(volumes.path)
    assert (error.code, str(volumes[10]) in error.message) == ("AB-VOLUME-DAMAGED", True)
    assert "acme.tar.009" not in error.message


def test_without_a_table_a_flipped_bit_is_put_down_to_the_volumes_of_its_layer(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path, table=False)
    volumes.flip(10, 100_000)
    error = refused(volumes.path)
    assert (error.code, "acme.tar.008 to 014" in error.message) == ("AB-BUNDLE-BLOB", True)


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory", "device"])
def test_a_volume_is_a_regular_file_and_nothing_else_is_opened(tmp_path: Path, kind: str) -> None:
    volumes = Volumes(tmp_path, table=True)
    volumes[4].rename(volumes.spare)
    match kind:
        case "symlink":
            volumes[4].symlink_to(volumes.spare)
        case "fifo":
            os.mkfifo(volumes[4])
        case "directory":
            volumes[4].mkdir()
        case _:
            volumes[4].symlink_to("/dev/zero")
    error = refused(volumes.path)
    assert (error.code, "acme.tar.004" in error.message) == ("AB-BUNDLE-NOT-A-FILE", True)


@pytest.mark.parametrize(
    "lie",
    [
        lambda t: [one.update(start="sha256:" + "0" * 64) for one in t["volumes"]],
        lambda t: t["volumes"][1].update(size=5),
        lambda t: t["volumes"].pop(),
        lambda t: t["volumes"].append(dict(t["volumes"][0], name="acme.tar.022")),
        lambda t: t["volumes"][9].update(start=t["volumes"][10]["start"]),
    ],
    ids=["starts", "a size", "one less", "one more", "another order"],
)
def test_a_table_that_lies_about_good_volumes_is_a_warning_and_nothing_else(
    tmp_path: Path, lie: Callable[[dict[str, Any]], object]
) -> None:
    volumes = Volumes(tmp_path, table=True)
    volumes.lie(lie)
    (remark,) = look(volumes.path)
    assert "is wrong, and not believed" in remark


@pytest.mark.parametrize(
    "lie",
    [
        lambda t: [one.update(digest="sha256:" + "0" * 64) for one in t["volumes"]],
        lambda t: t.update(bundleId="sha256:" + "1" * 64),
    ],
    ids=["digests", "the bundle"],
)
def test_what_is_not_asked_of_a_table_is_not_noticed(tmp_path: Path, lie: Callable[[dict[str, Any]], object]) -> None:
    volumes = Volumes(tmp_path, table=True)
    volumes.lie(lie)
    assert look(volumes.path) == []


def test_a_table_that_calls_damaged_volumes_good_helps_nobody(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path, table=True)
    volumes.flip(10, 100_000)
    good = cut(parts("theirs"), volumes.spare, size=SIZE)
    assert good
    shutil.copyfile(volumes.spare / TABLE, volumes.path / TABLE)
    assert refused(volumes.path).code in {"AB-BUNDLE-BLOB", "AB-VOLUME-FOREIGN", "AB-VOLUME-DAMAGED"}


@pytest.mark.parametrize("kind", ["garbage", "huge", "fifo", "symlink", "empty"])
def test_a_table_that_is_none_is_passed_over(tmp_path: Path, kind: str) -> None:
    volumes = Volumes(tmp_path, table=True)
    table = volumes.path / TABLE
    table.rename(volumes.spare)
    match kind:
        case "garbage":
            table.write_bytes(b"{")
        case "huge":
            table.write_bytes(b" " * 2_000_000)
        case "fifo":
            os.mkfifo(table)
        case "symlink":
            table.symlink_to(volumes.spare)
        case _:
            table.touch()
    (remark,) = look(volumes.path)
    assert f"{TABLE} is no table of volumes" in remark


def test_volumes_beside_the_table_of_another_bundle_are_foreign(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path, table=True)
    stick = tmp_path / "stick"
    cut(parts("theirs"), stick, size=SIZE)
    for path in stick.glob("acme.tar.0*"):
        if path.name != "acme.tar.010":
            path.unlink()
    volumes[10].unlink()
    access = Access(media=MediaSupply(directories=(stick,)))
    with pytest.raises(BundleError) as caught:
        inspect_bundle(volumes.path, check=True, report=silent, access=access)
    assert (caught.value.code, str(stick / "acme.tar.010") in caught.value.message) == ("AB-VOLUME-FOREIGN", True)


def test_a_volume_that_becomes_shorter_while_it_is_read_is_named(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path, table=True)

    def report(event: Event) -> None:
        if volumes[12].stat().st_size:
            os.truncate(volumes[12], 0)

    with pytest.raises(BundleError, match="became shorter while it was read") as caught:
        inspect_bundle(volumes.path, check=True, report=report)
    assert (caught.value.code, "acme.tar.012" in caught.value.message) == ("AB-BUNDLE-TRUNCATED", True)
