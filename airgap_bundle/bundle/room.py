"""How much room files take on a medium, and how much there is. Writes nothing.

A file takes whole blocks (clusters, on FAT and exFAT: 32 KiB and more on large media), and its name takes some room in
its directory. For one bundle that is little; for hundreds of volumes it is what is missing at the end.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import HostError
from airgap_bundle.core.text import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

# A name of 255 characters takes 704 bytes in a directory on FAT, and 608 on exFAT.
_NAME_BYTES = 704
# One volume in `NAME.volumes.json` and in `NAME.sha256`, with a name of 255 characters.
_TABLE_BYTES = 512
_SUM_BYTES = 328


def free_bytes(place: int | Path) -> int:
    """What an ordinary user may still write to a file system, named by a descriptor or a path on it."""
    status = _status(place)
    return status.f_bavail * status.f_frsize


def taken_bytes(place: int | Path, sizes: Iterable[int]) -> int:
    """What files of these lengths take on a file system, with their names."""
    block = max(1, _status(place).f_frsize)
    blocks, names = 0, 0
    for size in sizes:
        blocks += -(-size // block)
        names += _NAME_BYTES
    return (blocks + -(-names // block)) * block


def allocated_bytes(path: Path) -> int:
    """What a regular file has of the medium already; 0 where there is none."""
    return path.lstat().st_blocks * 512 if path.is_file() else 0


def bundle_files(total_bytes: int, volumes: Sequence[int]) -> list[int]:
    """The lengths of the files that a bundle is on a medium: itself, or its volumes with what names them."""
    if not volumes:
        return [total_bytes]
    return [*volumes, *beside_bytes(len(volumes))]


def beside_bytes(volumes: int) -> tuple[int, int]:
    """The lengths, at most, of the table and the sums of so many volumes."""
    return volumes * _TABLE_BYTES, volumes * _SUM_BYTES


def check_free(place: int | Path, out: Path, needed: int) -> None:
    """`HostError` with the numbers where the file system of `place` has no room for `needed` more bytes of `out`."""
    free = free_bytes(place)
    if needed <= free:
        return
    texts = [size_text(needed), size_text(free)]
    if texts[0] == texts[1]:
        texts = [f"{needed} bytes", f"{free} bytes"]
    raise HostError(
        "AB-HOST-SPACE",
        f"{out} needs {texts[0]} more, and {texts[1]} are free on {out.parent}",
        hint="free some space, or write to another disk",
    )


def _status(place: int | Path) -> os.statvfs_result:
    return os.fstatvfs(place) if isinstance(place, int) else os.statvfs(place)
