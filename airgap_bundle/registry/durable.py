"""Files and directories that are there after a power cut, complete or not at all.

A file is written under a name that nobody looks for, flushed, renamed over its final name, and the directory that holds
the name is flushed too. What the operating system refuses becomes a `HostError` that names the registry's directory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Far below the time for which whatever was used lately is not collected.
_FRESH_SECONDS = 900.0
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextlib.contextmanager
def host_errors(root: Path, doing: str) -> Iterator[None]:
    """Turn what the operating system refuses into a `HostError` about the registry in `root`."""
    try:
        yield
    except OSError as error:
        what = f"the registry in {root} could not {doing}: {error.strerror or error}"
        if error.errno in _NO_SPACE:
            raise HostError("AB-STORE-SPACE", what, hint="make room there, or choose another directory") from error
        if error.errno in _NOT_ALLOWED:
            hint = "check who owns the directory and whether its file system is mounted for writing"
            raise HostError("AB-STORE-PERMISSION", what, hint=hint) from error
        raise HostError("AB-STORE-IO", what, hint="check the disk and the kernel's log") from error


def sync_directory(path: Path) -> None:
    """Flush the names in a directory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Create a directory and the missing ones above it, each flushed into its parent."""
    if path.is_dir():
        return
    make_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
    sync_directory(path.parent)


def write_all(descriptor: int, data: memoryview | bytes) -> None:
    """Write every byte; one call may take fewer."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextlib.contextmanager
def scratch_file(directory: Path) -> Iterator[tuple[int, Path]]:
    """A new file open for writing, locked so that nobody sweeps it up; removed at the end if it is still there."""
    path = directory / f"scratch-{secrets.token_hex(16)}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor, path
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def publish(descriptor: int, path: Path, target: Path) -> None:
    """Give a finished file its final name. An older file of that name is replaced in one step."""
    os.fsync(descriptor)
    make_directory(target.parent)
    path.replace(target)
    sync_directory(target.parent)


def write_file(target: Path, data: bytes, *, scratch: Path) -> None:
    """Write a small file so that it holds the old content or the new. `scratch` is on the same file system."""
    with scratch_file(scratch) as (descriptor, path):
        write_all(descriptor, data)
        publish(descriptor, path, target)


def touch(path: Path) -> None:
    """Make sure that a file of no content exists, and is not old."""
    make_directory(path.parent)
    while not refresh(path):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
            sync_directory(path.parent)


def refresh(path: Path) -> bool:
    """Let a file count as used just now, so that `take` leaves it; `False` if it is not there.

    What was used a moment ago is left as it is, and so is what may not be written to, where nothing is collected.
    """
    try:
        if time.time() - path.stat().st_mtime > _FRESH_SECONDS:
            os.utime(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _NOT_ALLOWED:
            raise
    return True


def take(path: Path, *, older_than: float, scratch: Path) -> bool:
    """Remove a name unless the file was written or refreshed since `older_than` (time of day); whether it is gone.

    The name goes first and is given back to what turns out to be in use: whoever refreshes a file at the same moment
    either is in time, or does not find it.
    """
    aside = scratch / f"taken-{secrets.token_hex(16)}"
    try:
        path.rename(aside)
    except FileNotFoundError:
        return True
    gone = aside.stat().st_mtime < older_than
    if not gone:
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(aside)
    aside.unlink()
    sync_directory(path.parent)
    return gone


def remove(path: Path) -> bool:
    """Remove a name; `False` if it was not there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_directory(path.parent)
    return True


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock that `path` stands for, against other threads and processes; `shared` with others who share it."""
    make_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
