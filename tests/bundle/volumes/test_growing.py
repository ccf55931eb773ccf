"""Volumes that grow together: one file to whoever writes, whatever the cut."""

from __future__ import annotations

import itertools
import os
import random
import resource
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.bundle.volumes.growing import PartialVolumes, check_no_strangers
from airgap_bundle.bundle.volumes.table import VolumeHash
from airgap_bundle.core.content import new_buffer
from airgap_bundle.core.errors import HostError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

TOTAL = 10_000


def content() -> bytes:
    return random.Random("growing").randbytes(TOTAL)


@pytest.mark.parametrize("size", [1000, 1001, 3333, 9999, 10_000, 20_000])
@pytest.mark.parametrize("seed", range(3))
def test_pieces_in_any_order_end_up_where_they_belong_and_are_hashed(tmp_path: Path, size: int, seed: int) -> None:
    data, chance = content(), random.Random(seed)
    edges = sorted({0, TOTAL, *(chance.randrange(TOTAL) for _ in range(20))})
    pieces = list(itertools.pairwise(edges))
    chance.shuffle(pieces)
    with closing(PartialVolumes(tmp_path / "x", TOTAL, size)) as file:
        file.reset(TOTAL)
        for start, end in pieces:
            middle = (start + end) // 2
            file.write_at(start, data[start:middle], data[middle:end])
        # As signatures are: over what was written, and hashed, before.
        file.write_at(10, data[10:1500])
        entries = [file.finish(index, new_buffer(512)) for index in range(len(file.sizes))]
        buffer = memoryview(bytearray(TOTAL))
        done = 0
        while done < TOTAL:
            done += file.read_into(done, buffer[done:])
        assert file.read_into(TOTAL, buffer) == 0
        file.publish()
    for number, entry in enumerate(entries):
        due = VolumeHash()
        due.update(data[number * size : (number + 1) * size])
        assert entry == due.entry(f"x.{number + 1:03d}")
    assert bytes(buffer) == data
    assert b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir())) == data


@pytest.mark.parametrize("length", [0, 500, 1000, 1001, 2500])
def test_its_length_is_that_of_the_full_volumes_and_the_one_that_grows(tmp_path: Path, length: int) -> None:
    with closing(PartialVolumes(tmp_path / "x", TOTAL, 1000)) as file:
        file.resize(length)
        assert file.size == length


def test_a_volume_of_another_bundle_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "x[1].004").touch()
    check_no_strangers(tmp_path / "x[1]", 4)
    with pytest.raises(UsageError, match=r"x\[1\]\.004 exists"):
        check_no_strangers(tmp_path / "x[1]", 3)


def test_no_room_is_said_with_the_numbers(tmp_path: Path) -> None:
    with closing(PartialVolumes(tmp_path / "x", 2**50, 2**42)) as file:
        with pytest.raises(HostError, match=r"needs 1\.1 PB more") as caught:
            file.check_space(2**50)
        assert caught.value.code == "AB-HOST-SPACE"
        file.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_limit_of_open_files_that_cannot_be_raised_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    with pytest.raises(HostError) as caught:
        PartialVolumes(tmp_path / "x", 900, 1)
    assert (caught.value.code, list(tmp_path.iterdir())) == ("AB-HOST-OPEN-FILES", [])


def test_what_the_clusters_of_many_volumes_take_is_asked_for_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 900 volumes of 33 KB take two clusters each.
    enough, cluster = 1900, 32 * 1024
    with closing(PartialVolumes(tmp_path / "x", 900 * 33_000, 33_000)) as file:
        for free, fits in ((enough, True), (1000, False)):
            status = os.statvfs_result((cluster, cluster, 9999, free, free, 0, 0, 0, 0, 255))
            monkeypatch.setattr(os, "fstatvfs", lambda _, status=status: status)
            if fits:
                file.check_space(900 * 33_000)
            else:
                with pytest.raises(HostError, match=r"needs 6\d\.\d MB more, and 32\.8 MB are free"):
                    file.check_space(900 * 33_000)
