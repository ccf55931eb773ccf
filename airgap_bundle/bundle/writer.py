"""Writes a bundle into a file, at offsets known beforehand.

A file is called `NAME.partial` while it grows and gets its name when everything is on the medium; an existing file is
never replaced. What goes in is the caller's business: every blob comes through `copy_verified`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from airgap_bundle.bundle.room import bundle_files, check_free, taken_bytes
from airgap_bundle.core.errors import HostError
from airgap_bundle.core.text import size_text
from airgap_bundle.core.whole_files import flush_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from airgap_bundle.bundle.layout import Extent

P = ParamSpec("P")
T = TypeVar("T")
# In no name on FAT or exFAT.
_FOREIGN = frozenset('"*:<>?\\|')
_CANNOT_LINK = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
# Given to the kernel at once. A newer one keeps what is written in pieces as large as it is given, and looks long for
# free memory of 2 MiB in a row: 724 MB on ext4 cost 0.6 s of its time in pieces of 4 MiB, and 0.2 s in these.
_WRITE_BYTES = 1024 * 1024
# Each further one needs another process to publish or remove the file at that very moment.
_OPEN_ATTEMPTS = 5
# Enough that no file system keeps it in its records instead of in blocks, little enough to be written at once.
_PROBE_BYTES = 4 * 1024 * 1024


def partial_path(out: Path) -> Path:
    """The name of a bundle while it grows."""
    return out.with_name(out.name + ".partial")


class GrowingFile(ABC):
    """A bundle while it grows, in one file or in several. Any thread may write; offsets never overlap."""

    out: Path

    @property
    @abstractmethod
    def size(self) -> int:
        """How long it is now."""

    @abstractmethod
    def resize(self, total_bytes: int) -> None:
        """Be `total_bytes` long; what is there stays."""

    @abstractmethod
    def check_space(self, total_bytes: int, beside_bytes: int = 0) -> None:
        """`HostError` with the numbers where the file system cannot hold the whole bundle.

        A file of `beside_bytes` lies beside it while it grows.
        """

    @abstractmethod
    def check_size(self, total_bytes: int) -> None:
        """`HostError` where neither the file system nor the limits of this process allow a file that long."""

    @abstractmethod
    def keeps_holes(self) -> bool:
        """Whether this file system stores nothing for what was never written; asked of an empty file."""

    @abstractmethod
    def write_at(self, offset: int, *parts: bytes | memoryview) -> None:
        """Write all of the parts, one behind the other, from `offset` on."""

    @abstractmethod
    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill the front of `buffer` with what stands there now."""

    @abstractmethod
    def flush(self) -> None:
        """Everything written so far is on the medium when this returns."""

    @abstractmethod
    def publish(self) -> None:
        """Give what is finished its name. Nothing that exists is replaced (`HostError`)."""

    @abstractmethod
    def discard(self) -> None:
        """Remove it."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""

    def reset(self, total_bytes: int) -> None:
        """Forget what an earlier run left, and be `total_bytes` long, all of them zero."""
        self.resize(0)
        self.resize(total_bytes)

    def blob_sink(self, extent: Extent, *, held: int = 0) -> RegionSink:
        """Where the data of one blob go, with its header; the first `held` bytes of them are there and not written."""
        return RegionSink(self, extent, held)

    def held_source(self, extent: Extent, count: int) -> HeldSource:
        """The first `count` bytes of a blob's data as they are in the file now: unverified."""
        return HeldSource(self, extent.data_at, count)


class PartialFile(GrowingFile):
    """`OUT.partial`, locked against a second writer."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = partial_path(out)
        self._fd = _open_locked(self.path)

    @property
    def size(self) -> int:
        """How long it is now."""
        return os.fstat(self._fd).st_size

    @property
    def allocated_bytes(self) -> int:
        """How much of it the file system has found room for."""
        return os.fstat(self._fd).st_blocks * 512

    def resize(self, total_bytes: int) -> None:
        """Be `total_bytes` long; what is there stays."""
        self._attempt(os.ftruncate, self._fd, total_bytes)

    def check_space(self, total_bytes: int, beside_bytes: int = 0) -> None:
        """`HostError` with the numbers where the file system cannot hold the whole bundle, and what lies beside it."""
        self.check_files(self.out, [*bundle_files(total_bytes, ()), beside_bytes], self.allocated_bytes)

    def check_files(self, out: Path, sizes: Sequence[int], held_bytes: int) -> None:
        """`HostError` where the file system of this file has no room for files of `sizes`, of which some is there."""
        check_free(self._fd, out, taken_bytes(self._fd, sizes) - held_bytes)

    def check_size(self, total_bytes: int) -> None:
        """`HostError` where neither the file system nor the limits of this process allow a file that long."""
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit not in {resource.RLIM_INFINITY, -1} and total_bytes > limit:
            raise HostError(
                "AB-HOST-FILE-SIZE",
                f"{self.out} will have {total_bytes} bytes, and this process may write files of {limit} bytes at most",
                hint="raise the limit: ulimit -f unlimited; or cut it into volumes: --volume-size 1GB",
            )
        try:
            # Linux refuses a position that no file of this file system can have; elsewhere writing will.
            os.lseek(self._fd, total_bytes, os.SEEK_SET)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.EFBIG, errno.EOVERFLOW}:
                raise cannot_write(self.path, error) from error
            raise HostError(
                "AB-HOST-FILE-SIZE",
                f"{self.out} will have {total_bytes} bytes ({size_text(total_bytes)}), more than a file on "
                f"{self.out.parent} can have (FAT32: 4 GiB less one byte)",
                hint="cut it into volumes with --volume-size fat32, or use a medium with exFAT, ext4 or the like",
            ) from error

    def keeps_holes(self) -> bool:
        """Whether this file system stores nothing for what was never written; asked of an empty file.

        Where it does not (FAT, exFAT), writing far behind the end first fills everything before it with zeros.
        """
        self._attempt(os.ftruncate, self._fd, _PROBE_BYTES)
        try:
            return os.fstat(self._fd).st_blocks * 512 < _PROBE_BYTES
        finally:
            self._attempt(os.ftruncate, self._fd, 0)

    def write_at(self, offset: int, *parts: bytes | memoryview) -> None:
        """Write all of the parts, one behind the other, from `offset` on."""
        pending = [memoryview(part) for part in parts if len(part)]
        while pending:
            count = self._attempt(os.pwritev, self._fd, _front(pending, _WRITE_BYTES), offset)
            offset += count
            while pending and count >= len(pending[0]):
                count -= len(pending.pop(0))
            if count:
                pending[0] = pending[0][count:]

    def read_at(self, offset: int, size: int) -> bytes:
        """What stands there now; less at the end of the file."""
        return os.pread(self._fd, size, offset)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill the front of `buffer` with what stands there now."""
        return self._attempt(os.preadv, self._fd, [buffer], offset)

    def flush(self) -> None:
        """Everything written so far is on the medium when this returns."""
        self._attempt(os.fdatasync, self._fd)

    def publish(self) -> None:
        """Give the finished file its name. An existing one is not replaced (`HostError`)."""
        self.flush()
        try:
            os.link(self.path, self.out)
        except FileExistsError as error:
            raise _exists(self.out) from error
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise cannot_write(self.out, error) from error
            # FAT and some network file systems have no links; there a rename must do, which would replace. Whoever
            # else writes this bundle is kept out by the lock, so it is enough to look.
            if os.path.lexists(self.out):
                raise _exists(self.out) from error
            self._attempt(os.rename, self.path, self.out)
        else:
            self._attempt(os.unlink, self.path)
        sync_directory(self.out.parent)

    def discard(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._fd)

    def _attempt(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except OSError as error:
            raise cannot_write(self.path, error) from error


def _front(parts: list[memoryview], count: int) -> list[memoryview]:
    """The first `count` bytes of the parts, or all of them."""
    front = []
    for part in parts:
        front.append(part[:count])
        count -= len(front[-1])
        if not count:
            break
    return front


def _open_locked(path: Path) -> int:
    """A descriptor of the file called `path`, made if missing, that nobody else writes to.

    Another process may have published the file between our opening and our locking it, or may have been killed after
    it gave the file its name and before it removed this one. Then `path` is a second name of a finished bundle, or
    none at all, and writing would destroy what was published: so it is left alone and a new file is made.
    """
    for _ in range(_OPEN_ATTEMPTS):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_only_name(path, descriptor):
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise _busy(path) from error
        except OSError as error:
            os.close(descriptor)
            raise cannot_write(path, error) from error
        os.close(descriptor)
    raise _busy(path)


def _is_only_name(path: Path, descriptor: int) -> bool:
    """Whether the file is called `path` and nothing else; a second name of a finished bundle is removed."""
    opened = os.fstat(descriptor)
    try:
        named = os.lstat(path)
    except FileNotFoundError:
        return False
    if not os.path.samestat(opened, named):
        return False
    if opened.st_nlink > 1:
        path.unlink()
        return False
    return True


def _exists(path: Path) -> HostError:
    return HostError(
        "AB-HOST-EXISTS", f"{path} appeared in the meantime", hint="move it away and run the command again"
    )


def _busy(path: Path) -> HostError:
    return HostError(
        "AB-HOST-BUSY",
        f"another process is writing {path}",
        hint="wait until it is done, or choose another output",
    )


class RegionSink:
    """The data of one extent, written in order with its header in front; the first `held` bytes are passed over."""

    def __init__(self, file: GrowingFile, extent: Extent, held: int = 0) -> None:
        self._file = file
        self._extent = extent
        self._position = extent.data_at
        self._held_end = extent.data_at + held

    @property
    def count(self) -> int:
        """How many bytes of the data are in the file."""
        return max(self._position, self._held_end) - self._extent.data_at

    def write(self, data: memoryview, /) -> None:
        """Write the next piece."""
        if self._position < self._held_end:
            passed = min(len(data), self._held_end - self._position)
            if self._position == self._extent.data_at:
                self._file.write_at(self._extent.header_at, self._extent.header)
            self._position += passed
            data = data[passed:]
            if not data:
                return
        if self._position == self._extent.data_at:
            self._file.write_at(self._extent.header_at, self._extent.header, data)
        else:
            self._file.write_at(self._position, data)
        self._position += len(data)

    def finish(self) -> None:
        """For a blob of no bytes nothing was written yet: its header still has to be."""
        if self._extent.size == 0:
            self._file.write_at(self._extent.header_at, self._extent.header)


class HeldSource:
    """What a growing file holds of one blob, read from front to back."""

    def __init__(self, file: GrowingFile, offset: int, count: int) -> None:
        self.count = count
        self._file = file
        self._position = offset
        self._end = offset + count

    def readinto(self, buffer: memoryview, /) -> int:
        """The next bytes; 0 at the end of what is held."""
        count = self._file.read_into(self._position, buffer[: self._end - self._position])
        self._position += count
        return count


def cannot_write(path: Path, error: OSError) -> HostError:
    """What an `OSError` while writing means to the person at the terminal."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return HostError(
            "AB-HOST-SPACE",
            f"{path} cannot grow: {error.strerror}",
            hint="free some space and run the same command again; it goes on where it stopped",
        )
    if error.errno == errno.EFBIG:
        return HostError(
            "AB-HOST-SPACE",
            f"{path} cannot grow: {error.strerror}",
            hint="the file system (FAT32: 4 GiB) or `ulimit -f` allows no larger file: write to another disk",
        )
    hint = "check the path and its permissions"
    if error.errno == errno.EINVAL and _FOREIGN & set(path.name):
        hint = 'choose another name: FAT and exFAT keep none with " * : < > ? \\ or |'
    return HostError("AB-HOST-WRITE", f"{path} cannot be written: {error.strerror}", hint=hint)


def sync_directory(path: Path) -> None:
    """A new name in `path` survives a power cut when this returns, where the file system can promise it."""
    try:
        flush_names(path)
    except OSError as error:
        raise cannot_write(path, error) from error
