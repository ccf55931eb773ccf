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
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
    """Make sure that a file of no content exists."""
    make_directory(path.parent)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    except FileExistsError:
        return
    sync_directory(path.parent)


def remove(path: Path) -> bool:
    """Remove a name; `False` if it was not there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_directory(path.parent)
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that `path` stands for, against other threads and other processes."""
    make_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
