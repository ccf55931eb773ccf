"""Small files for the owner alone: written whole or not at all, read only if nobody else could have read them.

Keys and identities lie in a directory of mode 0700 as files of mode 0600. What others may read is refused, since it may
be known; what others may write is refused, since it may be forged.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from airgap_bundle.boundary.state import unusable
from airgap_bundle.core.errors import HostError
from airgap_bundle.core.whole_files import write_whole
from airgap_bundle.registry.durable import sync_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Stamp = tuple[int, int, int, int]
"""What changes whenever a file is replaced or written: its inode, size, and times of content and status."""


def make_private(path: Path) -> Path:
    """A directory for the owner alone, made if it is missing. Raises `HostError` for one that others could enter."""
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=_PRIVATE_DIRECTORY)
            path.chmod(_PRIVATE_DIRECTORY)
            sync_directory(path.parent)
        status = path.stat(follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise unusable(path, "be used", error) from error
    _check(path, status)
    return path


def write_private(path: Path, data: bytes) -> None:
    """Write or replace a file; it is durable, complete and for its owner alone when this returns."""
    try:
        write_whole(path, data, mode=_PRIVATE_FILE)
    except OSError as error:
        raise unusable(path, "be written", error) from error


def read_private(path: Path, *, max_bytes: int) -> bytes | None:
    """The content of a file, at most one byte more than `max_bytes`; `None` if there is none.

    Raises `HostError` where it is not a file of ours, or others than the owner could get at it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(path, "be read", error) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise unusable(path, "be read", OSError(errno.EINVAL, "not a regular file"))
        _check(path, status)
        try:
            return file.read(max_bytes + 1)
        except OSError as error:
            raise unusable(path, "be read", error) from error


def stamp(path: Path) -> Stamp | None:
    """What a file looks like from outside; `None` if there is none. Asking costs two microseconds."""
    try:
        status = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - asked for every request
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(path, "be read", error) from error
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Be the only one who changes files in a directory, among all processes; others wait, which takes milliseconds."""
    try:
        descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE_FILE)
    except OSError as error:
        raise unusable(directory, "be locked", error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise HostError(
            "AB-TOKEN-PRIVATE",
            f"{path} belongs to user {status.st_uid}, and this process is user {os.geteuid()}",
            hint="run as its owner; keys and identities are for one user alone",
        )
    if status.st_mode & _OTHERS:
        raise HostError(
            "AB-TOKEN-PRIVATE",
            f"others than the owner may get at {path} (mode {stat.S_IMODE(status.st_mode):04o})",
            hint=f"take it from them (chmod go= '{path}'), and where a key could be read: token keys --compromised",
        )
