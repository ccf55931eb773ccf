"""Where the volumes of a cut go: what a medium holds, in whole clusters, and what an earlier run left on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.bundle.volumes.cutter import CutPlan, plan_cut
from airgap_bundle.bundle.writer import PartialFile
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable

_CLUSTER_BYTES = 4096
# What table, sums, signatures, their directory and the names take with the volumes here.
_BESIDE_CLUSTERS = 3


@pytest.fixture
def free_clusters(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Say how many clusters are free on every medium."""

    def put(count: int) -> None:
        status = os.statvfs_result((_CLUSTER_BYTES, _CLUSTER_BYTES, 9999, count, count, 0, 0, 0, 0, 255))
        monkeypatch.setattr(os, "statvfs", lambda _: status)

    return put


def planned(directory: Path, count: int, size: int) -> CutPlan:
    return plan_cut("x.tar", (size,) * count, [directory], range(1, count + 1), extra_bytes=0)


def test_a_volume_takes_whole_clusters(tmp_path: Path, free_clusters: Callable[[int], None]) -> None:
    # One byte more than a cluster: two, and some of a third for its name.
    free_clusters(_BESIDE_CLUSTERS + 9)
    assert len(planned(tmp_path, 3, _CLUSTER_BYTES + 1).placed) == 3
    free_clusters(_BESIDE_CLUSTERS + 8)
    with pytest.raises(HostError, match=r"1 of 3 volumes .* do not fit") as caught:
        planned(tmp_path, 3, _CLUSTER_BYTES + 1)
    assert caught.value.code == "AB-HOST-SPACE"


def test_what_a_killed_run_left_of_a_volume_is_room_for_it(
    tmp_path: Path, free_clusters: Callable[[int], None]
) -> None:
    size = 100 * _CLUSTER_BYTES
    free_clusters(_BESIDE_CLUSTERS + 50)
    with pytest.raises(HostError, match="do not fit"):
        planned(tmp_path, 1, size)
    left = tmp_path / "x.tar.001.partial"
    left.write_bytes(os.urandom(60 * _CLUSTER_BYTES))
    with left.open("rb") as file:
        os.fsync(file.fileno())
    assert len(planned(tmp_path, 1, size).placed) == 1


def test_every_medium_is_asked_whether_it_holds_files_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(PartialFile, "check_size", lambda file, count: asked.append((file.path.parent.name, count)))
    # Two media, each on a device of its own, with room for one volume.
    places = {"ext4": 1, "fat": 2}
    real = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = real(path, follow_symlinks=follow_symlinks)
        device = places.get(path.name)
        return os.stat_result((*found[:2], device, *found[3:])) if device else found

    monkeypatch.setattr(Path, "stat", stat)
    status = os.statvfs_result((4096, 4096, 9999, _BESIDE_CLUSTERS + 101, _BESIDE_CLUSTERS + 101, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: status)
    size = 100 * _CLUSTER_BYTES
    plan_cut("x.tar", (size, size), [tmp_path / name for name in places], range(1, 3), extra_bytes=0)
    assert asked == [("ext4", size), ("fat", size)]
    assert [list((tmp_path / name).iterdir()) for name in places] == [[], []]
