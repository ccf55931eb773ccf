"""Small files that are there after a power cut, complete or not at all.

A file is written under a name that nobody looks for, flushed, renamed over its final name, and the directory that holds
the name is flushed too. What the operating system refuses comes as its own `OSError`: only the caller knows what the
file is for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What a file system says that has no way to flush a directory, or a directory that may not be read.
_CANNOT_FLUSH = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES, errno.EPERM})
_CANNOT_LINK = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
# A name may have 255 bytes.
_LONGEST_STEM = 160


def write_whole(path: Path, raw: bytes, *, mode: int = 0o644) -> None:
    """Write or replace a file; durable when this returns. Whatever stops it, Ctrl-C too, nothing is left beside it.

    A link that has the name is replaced, not followed. `mode` is for a new file, before the umask.
    """
    with _written_beside(path, raw, mode) as beside:
        beside.replace(path)
    flush_names(path.parent)


def write_new(path: Path, raw: bytes, *, mode: int = 0o644) -> None:
    """The same for a name that must be free: `FileExistsError` where anything has it, a broken link too."""
    with _written_beside(path, raw, mode) as beside:
        try:
            os.link(beside, path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            # FAT and some network file systems have no links; there a rename must do, which would replace.
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
            beside.replace(path)
    flush_names(path.parent)


@contextlib.contextmanager
def _written_beside(path: Path, raw: bytes, mode: int) -> Iterator[Path]:
    # Named before it is made, so that Ctrl-C at that very moment leaves nothing either.
    beside = path.with_name(f".{path.name[:_LONGEST_STEM]}-{secrets.token_hex(8)}.partial")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(descriptor)
        yield beside
    finally:
        # On a file system for reading only this fails too, and would hide why.
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def flush_names(directory: Path) -> None:
    """The names in a directory survive a power cut when this returns, where the file system can promise it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise
