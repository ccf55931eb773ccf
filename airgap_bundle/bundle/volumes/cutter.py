"""Where the volumes of a cut go, and the sink that takes a bundle from front to end and makes volumes of it."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.room import allocated_bytes, beside_bytes, free_bytes, taken_bytes
from airgap_bundle.bundle.volumes.growing import check_no_strangers
from airgap_bundle.bundle.volumes.naming import volume_name
from airgap_bundle.bundle.volumes.table import VolumeEntry, VolumeHash
from airgap_bundle.bundle.writer import PartialFile, cannot_write, partial_path
from airgap_bundle.core.content import new_buffer
from airgap_bundle.core.errors import BundleError, HostError, UsageError
from airgap_bundle.core.text import size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from airgap_bundle.bundle.media import Medium


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """One volume and its directory. `existed`: a file of its name and length is there already.

    `turn` counts the media that are put into the same places one after another, from 1.
    """

    number: int
    directory: Path
    path: Path
    size: int
    existed: bool
    turn: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class CutPlan:
    """The lengths of all volumes, and those that are to be written."""

    name: str
    sizes: tuple[int, ...]
    placed: tuple[Placed, ...]


def plan_cut(
    name: str,
    sizes: tuple[int, ...],
    directories: Sequence[Path],
    wanted: range,
    *,
    extra_bytes: int,
    partly: bool = False,
    turn: int = 1,
) -> CutPlan:
    """Fill one directory after another. `extra_bytes` lie on each medium besides the volumes.

    `HostError` names what does not fit, with `partly` only if nothing does; `UsageError` what is in the way.
    Directories that are missing are made.
    """
    if wanted[-1] > len(sizes):
        raise UsageError(
            "AB-USAGE-VALUE", f"there are {len(sizes)} volumes, and --only names {wanted[-1]}", hint="name fewer"
        )
    left = _free_by_device(directories, extra_bytes, len(sizes))
    placed: list[Placed] = []
    for directory in dict.fromkeys(directories):
        check_no_strangers(directory / name, len(sizes))
        device = directory.stat().st_dev
        while len(placed) < len(wanted):
            number = wanted[len(placed)]
            one = _place(name, number, sizes[number - 1], directory, turn)
            needed = _needed(one)
            if needed > left[device]:
                break
            left[device] -= needed
            placed.append(one)
    if not placed or (len(placed) < len(wanted) and not partly):
        raise _too_little_space(name, sizes, directories, wanted, len(placed))
    for directory in dict.fromkeys(one.directory for one in placed):
        _check_length([one for one in placed if one.directory == directory and not one.existed])
    return CutPlan(name=name, sizes=sizes, placed=tuple(placed))


class VolumeCutter:
    """Takes all bytes of a bundle in order; hashes every volume, writes those that the plan places.

    A context manager: what is not finished when it is left keeps its growing name.
    """

    def __init__(self, plan: CutPlan) -> None:
        self._plan = plan
        self._placed = {one.number: one for one in plan.placed}
        self._entries: list[VolumeEntry] = []
        self._hash = VolumeHash()
        self._file: PartialFile | None = None
        self.number = 1
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the volume that is being written."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, data: memoryview, /) -> None:
        """Take the next bytes."""
        while data:
            room = self._plan.sizes[self.number - 1] - self._hash.count
            piece, data = data[:room], data[room:]
            if self._file is not None:
                self._file.write_at(self._hash.count, piece)
            self._hash.update(piece)
            if len(piece) == room:
                self._end_volume()

    def finish(self) -> tuple[VolumeEntry, ...]:
        """What every volume is. Those that were there before are compared with it (`UsageError`)."""
        for one in self._plan.placed:
            if one.existed:
                check_held(one, self._entries[one.number - 1])
        return tuple(self._entries)

    def _open(self) -> None:
        one = self._placed.get(self.number)
        if one is not None and not one.existed:
            self._file = PartialFile(one.path)
            self._file.reset(0)

    def _end_volume(self) -> None:
        self._entries.append(self._hash.entry(volume_name(self._plan.name, self.number)))
        if self._file is not None:
            self._file.publish()
            self._file.close()
            self._file = None
        self._hash = VolumeHash()
        self.number += 1
        if self.number <= len(self._plan.sizes):
            self._open()


def write_volume(medium: Medium, start: int, placed: Placed, entry: VolumeEntry, moved: Callable[[int], None]) -> None:
    """Write one volume, which begins at `start` of a bundle that was compared with its inventory before.

    `BundleError` where the bundle is not what it was then.
    """
    hashing, buffer = VolumeHash(), new_buffer()
    with closing(PartialFile(placed.path)) as file:
        file.reset(0)
        while left := placed.size - hashing.count:
            count = medium.read_at(start + hashing.count, buffer[: min(len(buffer), left)])
            if not count:
                break
            file.write_at(hashing.count, buffer[:count])
            hashing.update(buffer[:count])
            moved(count)
        if hashing.entry(entry.name) != entry:
            file.discard()
            raise BundleError(
                "AB-BUNDLE-BLOB",
                f"{medium.name} has changed where {entry.name} begins, at byte {start}, while it was cut",
                hint="nothing may write to the bundle meanwhile, nor may its disk fail: airgap-export inspect --check",
            )
        file.publish()


def check_held(placed: Placed, entry: VolumeEntry) -> None:
    """A volume that was there before is the right one; else `UsageError`."""
    if _entry_of(placed.path) != entry:
        raise _in_the_way(placed.path)


def read_back(placed: Placed, entry: VolumeEntry) -> None:
    """The medium itself gives back what was written to it; `HostError`, and no such file of ours, if it does not."""
    if _entry_of(placed.path, from_medium=True) == entry:
        return
    if not placed.existed:
        placed.path.unlink(missing_ok=True)
    raise HostError(
        "AB-HOST-READ-BACK",
        f"{placed.path} was written, and {placed.directory} gives back other bytes: the medium is not to be trusted",
        hint="use another medium",
    )


def _entry_of(path: Path, *, from_medium: bool = False) -> VolumeEntry:
    hashing, buffer = VolumeHash(), new_buffer()
    with closing(FileMedium(path, follow=False)) as medium:
        if from_medium:
            medium.forget_cache()
        while count := medium.read_at(hashing.count, buffer):
            hashing.update(buffer[:count])
    return hashing.entry(path.name)


def _place(name: str, number: int, size: int, directory: Path, turn: int) -> Placed:
    path = directory / volume_name(name, number)
    existed = os.path.lexists(path)
    if existed and (path.is_symlink() or not path.is_file() or path.stat().st_size != size):
        raise _in_the_way(path)
    return Placed(number=number, directory=directory, path=path, size=size, existed=existed, turn=turn)


def _check_length(written: Sequence[Placed]) -> None:
    """`HostError` where the file system of these volumes, one directory, holds no file so long."""
    if not written:
        return
    with closing(PartialFile(written[0].path)) as probe:
        try:
            probe.check_size(max(one.size for one in written))
        finally:
            if not probe.size:
                probe.discard()


def _needed(one: Placed) -> int:
    """How much more room a volume takes; what an earlier run left of it makes room for it."""
    if one.existed:
        return 0
    return taken_bytes(one.directory, [one.size]) - allocated_bytes(partial_path(one.path))


def _free_by_device(directories: Sequence[Path], extra_bytes: int, volumes: int) -> dict[int, int]:
    """What each file system has room for, besides what lies beside volumes; two directories on one share it."""
    free: dict[int, int] = {}
    for directory in directories:
        try:
            directory.mkdir(exist_ok=True)
            device = directory.stat().st_dev
            free.setdefault(device, free_bytes(directory))
        except OSError as error:
            raise cannot_write(directory, error) from error
        # The table, the sums, the signatures, and the directory that holds these.
        free[device] -= taken_bytes(directory, [*beside_bytes(volumes), extra_bytes, 0])
    return free


def _too_little_space(
    name: str, sizes: tuple[int, ...], directories: Sequence[Path], wanted: range, fitting: int
) -> HostError:
    rest = wanted[fitting:]
    places = ", ".join(f"{directory} ({size_text(free_bytes(directory))} free)" for directory in directories)
    needed = size_text(sum(sizes[number - 1] for number in rest))
    hint = "name more media with -o DIR, or wait for each with --wait-media SECONDS"
    if fitting:
        hint += f"; or write those that fit with --only {wanted[0]}-{wanted[fitting - 1]}, change the medium, and the "
        hint += f"others with --only {rest[0]}-{rest[-1]}"
    return HostError(
        "AB-HOST-SPACE",
        f"{len(rest)} of {len(wanted)} volumes ({needed}) do not fit on {places}: {volume_name(name, rest[0])} is the "
        "first of them",
        hint=hint,
    )


def _in_the_way(path: Path) -> UsageError:
    return UsageError(
        "AB-USAGE-OUTPUT-EXISTS",
        f"{path} exists and is not that volume",
        hint="move it away or choose another place: nothing is overwritten",
    )
