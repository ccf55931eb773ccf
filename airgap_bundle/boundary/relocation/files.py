"""Writes what was made: each file whole or not at all, and nothing that is not ours is ever replaced."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from airgap_bundle.boundary.relocation.consumers import Consumer
from airgap_bundle.boundary.relocation.output import MARK
from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from airgap_bundle.boundary.relocation.output import Made

_MARK = MARK.encode()
# The formats whose files are named for what they stand for; the others write the same name again.
_NAMED_FOR_CONTENT: Mapping[Consumer, str] = {
    Consumer.CONTAINERD: "certs.d/*/hosts.toml",
    Consumer.HELM: "*.values.yaml",
}
_HINT = "move it away, or name another directory with -o; only files of earlier runs are replaced"


def write_files(directory: Path, files: Sequence[Made]) -> None:
    """Write them below `directory`, which is made if it is missing.

    `UsageError` AB-USAGE-FILES-EXIST, before anything is written, where something else has the name of one of them;
    `HostError` where the system refuses.
    """
    try:
        for made in files:
            _check(directory, made.path)
        for made in files:
            _write(directory / made.path, made.data)
    except OSError as error:
        raise cannot_write(directory, error) from error


def leftovers(directory: Path, consumers: Collection[Consumer], files: Sequence[Made]) -> list[str]:
    """Files of earlier runs for these consumers that were not made this time: what they say may hold no more.

    What another run made for others into the same directory is no leftover.
    """
    known = {directory / made.path for made in files}
    patterns = [pattern for consumer, pattern in _NAMED_FOR_CONTENT.items() if consumer in consumers]
    found = [path for pattern in patterns for path in directory.glob(pattern)]
    return sorted(str(path.relative_to(directory)) for path in found if path not in known and _is_ours(path))


def _check(directory: Path, path: str) -> None:
    """Every directory on the way is one and no link, and the file is missing or ours."""
    here = directory
    for part in path.split("/")[:-1]:
        here /= part
        if os.path.lexists(here) and not stat.S_ISDIR(here.lstat().st_mode):
            raise _in_the_way(here, "and is no directory")
    target = directory / path
    if os.path.lexists(target) and not _is_ours(target):
        raise _in_the_way(target, "and was not made by relocate")


def _is_ours(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and os.read(descriptor, len(_MARK)) == _MARK
    finally:
        os.close(descriptor)


def _in_the_way(path: Path, why: str) -> UsageError:
    return UsageError("AB-USAGE-FILES-EXIST", f"{path} is there already {why}", hint=_HINT)


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, data)
