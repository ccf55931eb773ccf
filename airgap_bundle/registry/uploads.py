"""Uploads under way: bytes that arrive in pieces and have no digest yet.

Each is one file, so that another process, or this one after a restart, can go on with it. Its name binds it to its
repository, and says who began it. A file is locked while somebody writes to it; the running hash is kept in memory, and
made again from the file where that memory is gone. Their number is bounded, for all and for each caller, and those that
nobody touched for an hour are swept away, as are files that a killed process left among the scratch files.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import threading
import time
import uuid
from typing import TYPE_CHECKING

from airgap_bundle.core.content import ContentMismatchError
from airgap_bundle.registry import durable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.core.content import Digest, Source
    from airgap_bundle.registry.contents import Contents

# A push keeps a few dozen open at a time; this many pushes at once is an attack or a fault.
MAX_UPLOADS = 512
# Of these one login has at most so many, or one address where nobody logs in: whoever begins uploads and leaves them
# takes no other's. Two pushes at once by one login stay below.
MAX_UPLOADS_EACH = 128
# Long enough for a client to wait out a short outage, short enough that abandoned bytes do not fill the disk.
IDLE_SECONDS = 3600.0
_SWEEP_EVERY_SECONDS = 60.0
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REPOSITORY_MARK_DIGITS = 16


class TooManyUploadsError(Exception):
    """As many uploads are under way as are allowed at a time: for all, or with `is_share` for whoever asks."""

    def __init__(self, *, is_share: bool) -> None:
        super().__init__("too many uploads are under way")
        self.is_share = is_share


class UploadBusyError(Exception):
    """Somebody else is writing to the upload at this moment."""


class Uploads:
    """All uploads of one registry directory. Safe for many threads and many processes."""

    def __init__(self, contents: Contents, *, limit: int = MAX_UPLOADS, idle_seconds: float = IDLE_SECONDS) -> None:
        self._contents = contents
        self._directory = contents.root / "uploads"
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()
        self._last_sweep = 0.0

    def start(self, repository: str, *, mark: str, algorithm: str = "sha256") -> str:
        """Begin an upload for the caller of this mark (`callers`); its identifier. Raises `TooManyUploadsError`."""
        with durable.host_errors(self._contents.root, "begin an upload"):
            durable.make_directory(self._directory)
            names = self._sweep(mark)
            if _count_of(names, mark) >= MAX_UPLOADS_EACH:
                raise TooManyUploadsError(is_share=True)
            if len(names) >= self._limit:
                raise TooManyUploadsError(is_share=False)
            identifier = _new_identifier(mark)
            path = self._path(repository, identifier)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        with self._lock:
            self._running[identifier] = _Running(algorithm)
        return identifier

    def sweep(self) -> None:
        """Remove what was abandoned, now."""
        with durable.host_errors(self._contents.root, "sweep its uploads"):
            durable.make_directory(self._directory)
            self._last_sweep = 0.0
            self._sweep()

    def count(self) -> int:
        """How many are under way."""
        with durable.host_errors(self._contents.root, "count its uploads"):
            return len(_names(self._directory)) if self._directory.is_dir() else 0

    @contextlib.contextmanager
    def open(self, repository: str, identifier: str) -> Iterator[Upload | None]:
        """Take hold of an upload; `None` if there is none of this name. Raises `UploadBusyError`."""
        if _IDENTIFIER.fullmatch(identifier) is None:
            yield None
            return
        path = self._path(repository, identifier)
        with contextlib.ExitStack() as stack:
            with durable.host_errors(self._contents.root, "go on with an upload"):
                descriptor = _open_if_there(path)
            if descriptor is None:
                yield None
                return
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UploadBusyError from error
            if os.fstat(descriptor).st_nlink == 0:  # finished or swept between the two calls above
                yield None
                return
            with self._lock:
                running = self._running.pop(identifier, None) or _Running("sha256")
            upload = Upload(self._contents, descriptor, path, running)
            try:
                yield upload
            finally:
                if not upload.closed:
                    with self._lock:
                        self._running[identifier] = running

    def _path(self, repository: str, identifier: str) -> Path:
        mark = hashlib.sha256(repository.encode()).hexdigest()[:_REPOSITORY_MARK_DIGITS]
        return self._directory / f"{identifier}.{mark}"

    def _sweep(self, mark: str = "") -> list[str]:
        """Remove what was abandoned, now and then and where it is in the way; the files of uploads under way."""
        names = _names(self._directory)
        now = time.monotonic()
        is_full = len(names) >= self._limit or _count_of(names, mark) >= MAX_UPLOADS_EACH
        with self._lock:
            due = is_full or now - self._last_sweep >= _SWEEP_EVERY_SECONDS or not self._last_sweep
            if due:
                self._last_sweep = now
        if not due:
            return names
        for directory in (self._directory, self._contents.scratch):
            for name in _names(directory):
                if _is_abandoned(directory / name, self._idle_seconds):
                    (directory / name).unlink(missing_ok=True)
        names = _names(self._directory)
        alive = {name.partition(".")[0] for name in names}
        with self._lock:
            self._running = {name: running for name, running in self._running.items() if name in alive}
        return names


class _Running:
    """A hash, and the number of bytes that it has seen."""

    __slots__ = ("algorithm", "count", "hasher")

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.count = 0
        self.hasher = hashlib.new(algorithm)


class Upload:
    """One upload that the caller holds."""

    def __init__(self, contents: Contents, descriptor: int, path: Path, running: _Running) -> None:
        self._contents = contents
        self._descriptor = descriptor
        self._path = path
        self._running = running
        self.offset = os.lseek(descriptor, 0, os.SEEK_END)
        self.closed = False

    def append(self, source: Source, *, buffer: memoryview) -> int:
        """Take all that `source` has; the number of bytes. What came before it failed is kept.

        This copies content without `copy_verified` because nobody has said yet what it should be; `finish` asks.
        """
        begin, filled = self.offset, len(buffer)
        while filled == len(buffer):
            filled = 0
            try:
                while filled < len(buffer) and (count := source.readinto(buffer[filled:])):
                    filled += count
            finally:
                self._keep(buffer[:filled])
        return self.offset - begin

    def _keep(self, data: memoryview) -> None:
        with durable.host_errors(self._contents.root, "write an upload"):
            durable.write_all(self._descriptor, data)
        if self._running.count == self.offset:
            self._running.hasher.update(data)
            self._running.count += len(data)
        self.offset += len(data)

    def finish(self, digest: Digest, *, buffer: memoryview) -> None:
        """Make the bytes content of the registry if they have this digest.

        Else raises `ContentMismatchError`. The upload is over either way.
        """
        actual = self._digest(digest.algorithm, buffer)
        if actual != digest.encoded:
            self.cancel()
            raise ContentMismatchError(f"{digest}: the bytes have the digest {digest.algorithm}:{actual}")
        self.closed = True
        self._contents.adopt(self._descriptor, self._path, digest)

    def cancel(self) -> None:
        """Throw the bytes away."""
        self.closed = True
        with durable.host_errors(self._contents.root, "remove an upload"):
            self._path.unlink(missing_ok=True)

    def _digest(self, algorithm: str, buffer: memoryview) -> str:
        """The digest of the whole file, read again unless it was hashed on its way in."""
        running = self._running
        if running.algorithm == algorithm and running.count == self.offset:
            return running.hasher.hexdigest()
        hasher = hashlib.new(algorithm)
        with durable.host_errors(self._contents.root, "read an upload"):
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            while count := os.readv(self._descriptor, [buffer]):
                hasher.update(buffer[:count])
        return hasher.hexdigest()


def _new_identifier(mark: str) -> str:
    """74 bits that nobody guesses, and who began it: known again without a file beside it, in any process."""
    return str(uuid.UUID(bytes=os.urandom(10) + bytes.fromhex(mark), version=4))


def _count_of(names: list[str], mark: str) -> int:
    """How many of these files a caller has begun; 0 for nobody."""
    return sum(1 for name in names if name.partition(".")[0].endswith(f"-{mark}")) if mark else 0


def _names(directory: Path) -> list[str]:
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries]


def _open_if_there(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _is_abandoned(path: Path, idle_seconds: float) -> bool:
    """Whether nobody writes to a file and nobody has for a while."""
    try:
        if time.time() - path.stat().st_mtime < idle_seconds:
            return False
    except FileNotFoundError:
        return False
    descriptor = _open_if_there(path)
    if descriptor is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
