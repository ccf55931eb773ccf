"""Looks for volumes in directories. Somebody put there what lies there: names and kinds are checked, not contents.

Nothing is opened for writing, and no link is followed.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from airgap_bundle.bundle.volumes.complaints import called_alike
from airgap_bundle.bundle.volumes.naming import misnumbered, parse_volume_name, table_name, volume_name
from airgap_bundle.bundle.volumes.table import MAX_TABLE_BYTES, VolumeTable, parse_table
from airgap_bundle.core.errors import BundleError, InvalidValueError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

# A medium for bundles has some dozen files; a place with more than this is something else, such as a home directory.
_MAX_ENTRIES = 10_000
# Mounted media below one directory (/media/NAME).
_MAX_MEDIA = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundVolumes:
    """The volumes of one bundle that are in reach, by number, and the tables that lie with them, by directory."""

    name: str
    files: Mapping[int, Path] = field(repr=False)
    unverified_tables: Mapping[Path, VolumeTable] = field(repr=False)
    unreadable_tables: tuple[Path, ...] = ()

    def unverified_table(self) -> VolumeTable | None:
        """The first table: it says how many volumes there are, if it says so rightly."""
        return next(iter(self.unverified_tables.values()), None)

    def gaps(self) -> tuple[int, ...]:
        """The numbers that are missing for certain: there are volumes behind them."""
        return tuple(number for number in range(1, max([*self.files, 1])) if number not in self.files)

    def missing(self) -> tuple[int, ...]:
        """The numbers that are missing as far as can be told: gaps, and what the table names."""
        table = self.unverified_table()
        last = max([len(table.entries) if table else 0, *self.files, 1])
        return tuple(number for number in range(1, last + 1) if number not in self.files)


def sets_in(directory: Path) -> tuple[str, ...]:
    """The names of the bundles that have volumes in a directory."""
    parsed = (parse_volume_name(entry) for entry in _names(directory))
    return tuple(sorted({one[0] for one in parsed if one}))


def find_volumes(name: str, directories: Iterable[Path], *, only: int | None = None) -> FoundVolumes:
    """The volumes of `name` in these directories, in any order; a directory that is not there has none.

    With `only` no other volume is looked at: where they come one after another, those that were read may lie anywhere.

    FAT does not keep upper and lower case: names may differ in it. `BundleError` where a volume is there twice, has a
    number that none can have, or is no regular file.
    """
    files: dict[int, Path] = {}
    tables: dict[Path, VolumeTable] = {}
    unreadable: list[Path] = []
    for directory in dict.fromkeys(directories):
        for entry in _names(directory):
            path = directory / entry
            parsed = parse_volume_name(entry)
            if parsed and parsed[0].casefold() == name.casefold():
                if only in {None, parsed[1]}:
                    _add(files, parsed[1], path)
            elif misnumbered(entry, name):
                raise BundleError(
                    "AB-VOLUME-NUMBER",
                    f"{path} has a number that no volume has: they are called {volume_name(name, 1)} to .999",
                    hint="give it the name that it was written under, or take it away",
                )
            elif entry.casefold() == table_name(name).casefold():
                table = _read_table(path)
                if table is None:
                    unreadable.append(path)
                else:
                    tables[directory] = table
    return FoundVolumes(name=name, files=files, unverified_tables=tables, unreadable_tables=tuple(unreadable))


def media_in(directories: Sequence[Path], *, must_exist: bool) -> tuple[Path, ...]:
    """The places that `--media` names: each directory and those directly in it, where systems mount media.

    `UsageError` where one is not there and nobody waits for it.
    """
    places: list[Path] = []
    for directory in directories:
        if must_exist and not directory.is_dir():
            raise UsageError("AB-USAGE-FILE", f"there is no directory {directory}", hint="check --media")
        places.append(directory)
        inner = (directory / entry for entry in _names(directory) if not entry.startswith("."))
        places += islice((path for path in inner if path.is_dir() and not path.is_symlink()), _MAX_MEDIA)
    return tuple(places)


def _add(files: dict[int, Path], number: int, path: Path) -> None:
    try:
        status = path.lstat()
    except OSError:
        # Its medium was pulled out since its name was read.
        return
    if not stat.S_ISREG(status.st_mode):
        raise BundleError(
            "AB-BUNDLE-NOT-A-FILE",
            f"{path} is not a regular file, and no volume is anything else",
            hint="put the volume itself there: links, pipes and devices are not followed",
        )
    other = files.setdefault(number, path)
    # One directory may be named in two ways, or be mounted in two places.
    if other != path and not os.path.samestat(other.lstat(), status):
        raise called_alike(str(other), str(path), number)


def _names(directory: Path) -> list[str]:
    """What lies in a directory, sorted; nothing where there is no directory, or the medium in it was pulled out."""
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in islice(entries, _MAX_ENTRIES + 1)]
    except OSError:
        return []
    if len(names) > _MAX_ENTRIES:
        raise UsageError(
            "AB-USAGE-MEDIA",
            f"{directory} holds more than {_MAX_ENTRIES} files",
            hint="name the directory that the volumes are in",
        )
    return sorted(names)


def _read_table(path: Path) -> VolumeTable | None:
    """None for what cannot be used: the table is a help, and nothing depends on it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read(MAX_TABLE_BYTES + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        return parse_table(raw)
    except (OSError, InvalidValueError):
        return None
