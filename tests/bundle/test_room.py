"""What files take on a medium: whole clusters, and room for their names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.bundle import room
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

_CLUSTER_BYTES = 32 * 1024


@pytest.fixture
def stick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large stick, as FAT divides it: clusters of 32 KiB, 100 of them free."""
    status = os.statvfs_result((_CLUSTER_BYTES, _CLUSTER_BYTES, 1000, 100, 100, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: status)


@pytest.mark.usefixtures("stick")
def test_every_file_takes_whole_clusters_and_a_name(tmp_path: Path) -> None:
    taken = [room.taken_bytes(tmp_path, sizes) for sizes in ([], [0], [1], [_CLUSTER_BYTES], [1] * 46, [1] * 47)]
    assert [count // _CLUSTER_BYTES for count in taken] == [0, 1, 2, 2, 47, 49]


@pytest.mark.usefixtures("stick")
def test_what_just_fits_is_let_through_and_a_byte_more_is_not(tmp_path: Path) -> None:
    room.check_free(tmp_path, tmp_path / "x.tar", 100 * _CLUSTER_BYTES)
    with pytest.raises(HostError, match=r"needs 3276801 bytes more, and 3276800 bytes are free") as caught:
        room.check_free(tmp_path, tmp_path / "x.tar", 100 * _CLUSTER_BYTES + 1)
    assert caught.value.code == "AB-HOST-SPACE"


@pytest.mark.usefixtures("stick")
def test_numbers_that_differ_when_rounded_are_rounded(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"needs 30\.0 MB more, and 3\.3 MB are free"):
        room.check_free(tmp_path, tmp_path / "x.tar", 30_000_000)


def test_volumes_come_with_a_table_and_sums() -> None:
    assert room.bundle_files(30, ()) == [30]
    assert room.bundle_files(30, (10, 10, 10)) == [10, 10, 10, 1536, 984]
