"""What a bundle is read from: a file, or a stream that passes once.

A medium only hands out bytes at an offset; nothing here knows what they mean. Source media are opened for reading and
never changed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import sys
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.core.errors import BundleError, HostError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

# macOS: <fcntl.h>; Python has no name for it.
_F_NOCACHE = 48
# How often whoever waits for a pipe looks up. A person who pressed Ctrl-C waits so long at most.
_WAKE_MILLISECONDS = 500
# What is read-only, or no disk, has nothing to flush.
_CANNOT_FLUSH = {errno.EINVAL, errno.EROFS, errno.EBADF, errno.EOPNOTSUPP}


class Medium(Protocol):
    """Bytes at offsets. `size` is None and `seekable` False for a stream, which must be read from front to end."""

    name: str
    size: int | None
    seekable: bool

    def read_at(self, offset: int, buffer: memoryview) -> int:
        """Fill the front of `buffer` with what stands at `offset`; 0 at the end. `HostError` where that fails."""
        ...

    def explain(self, error: BundleError, start: int, end: int) -> BundleError:
        """What to raise for a fault in the bytes from `start` to `end`: `error`, or one that says which part."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class FileMedium:
    """A bundle in one regular file, opened once: what was checked is what is sent, whatever happens to its name.

    Safe to use from several threads. Without `follow` a link is no bundle (`HostError`).
    """

    seekable = True

    def __init__(self, path: Path, *, follow: bool = True) -> None:
        self.name = str(path)
        try:
            # Without O_NONBLOCK opening a FIFO that nobody writes to would wait for ever.
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError("AB-USAGE-FILE", f"there is no bundle {path}", hint="check the path") from error
        except OSError as error:
            raise HostError(
                "AB-HOST-READ", f"{path} cannot be opened: {error.strerror}", hint="check the path and its permissions"
            ) from error
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._fd)
            raise BundleError(
                "AB-BUNDLE-NOT-A-FILE", f"{path} is not a regular file", hint="pass a bundle, or - for standard input"
            )
        self.size: int | None = status.st_size
        # Tells this file from any other, whatever it is called.
        self.identity = (status.st_dev, status.st_ino, status.st_size)

    def read_at(self, offset: int, buffer: memoryview) -> int:
        """One positioned read."""
        try:
            return os.preadv(self._fd, [buffer], offset)
        except OSError as error:
            raise _cannot_read(self.name, offset, error) from error

    def forget_cache(self) -> None:
        """Read from the medium itself from now on, not from what this machine still has of it in memory.

        As far as the system lets us: without it a copy that never reached a stick looks whole until it is pulled out.
        """
        try:
            os.fsync(self._fd)
            if sys.platform == "darwin":
                fcntl.fcntl(self._fd, _F_NOCACHE, 1)
            elif hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            if error.errno not in _CANNOT_FLUSH:
                raise _cannot_read(self.name, 0, error) from error

    def explain(self, error: BundleError, start: int, end: int) -> BundleError:  # noqa: ARG002 - a file has no parts
        """There is nothing to add."""
        return error

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


class StreamMedium:
    """A bundle that comes through a pipe. Offsets must follow one another."""

    seekable = False
    size: int | None = None

    def __init__(self, descriptor: int, name: str = "standard input") -> None:
        self.name = name
        self._fd = descriptor
        self._position = 0
        self._interrupted = False
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def read_at(self, offset: int, buffer: memoryview) -> int:
        """The next bytes; `offset` says where the caller believes to be."""
        if offset != self._position:
            raise BundleError(
                "AB-BUNDLE-ORDER",
                f"{self.name} holds its content in another order than a stream can be read in",
                hint="save it to a file first and pass that",
            )
        try:
            # Whoever waits in a read itself cannot be woken up from another thread.
            while not self._interrupted and not self._poll.poll(_WAKE_MILLISECONDS):
                pass
            count = 0 if self._interrupted else os.readv(self._fd, [buffer])
        except OSError as error:
            raise _cannot_read(self.name, offset, error) from error
        self._position += count
        return count

    def interrupt(self) -> None:
        """End every wait for more, from any thread; nothing comes any more."""
        self._interrupted = True

    def explain(self, error: BundleError, start: int, end: int) -> BundleError:  # noqa: ARG002 - nor has a stream
        """There is nothing to add."""
        return error

    def close(self) -> None:
        """The descriptor belongs to whoever opened it."""


def standard_input() -> StreamMedium:
    """A bundle behind `-`; `UsageError` where nothing can come from there."""
    # None where whoever started us closed it.
    if sys.stdin is None or sys.stdin.isatty():
        what = "is closed" if sys.stdin is None else "is a terminal, which holds no bundle"
        raise UsageError(
            "AB-USAGE-STDIN",
            f"standard input {what}",
            hint="name the file, or pipe the bundle in behind -",
        )
    return StreamMedium(sys.stdin.fileno())


def _cannot_read(name: str, offset: int, error: OSError) -> HostError:
    return HostError(
        "AB-HOST-READ",
        f"{name} cannot be read at byte {offset}: {error.strerror}",
        hint="the medium may be failing or gone: copy the bundle again, or try another reader",
    )
