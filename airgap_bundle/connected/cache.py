"""What was fetched while the lock was made, kept by digest, so that a build needs no second download.

A place for copies only: whatever is missing or damaged is fetched or packed again. Files appear whole or not at all,
and are hashed again before they are used. Nothing is ever removed here; the directory may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.connected.local_files import FileSource
from airgap_bundle.core.content import Digest, new_buffer
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airgap_bundle.core.content import Source

# How much is hashed at once; a page cache reads ahead anyway.
_HASHED_BYTES = 1024 * 1024


def cache_directory(environment: Mapping[str, str]) -> Path:
    """`AIRGAP_CACHE`, else where this platform keeps what can be fetched again."""
    if own := environment.get("AIRGAP_CACHE"):
        return Path(own)
    import platformdirs  # noqa: PLC0415 - needed where nobody names a directory

    return platformdirs.user_cache_path("airgap-bundle")


class Draft:
    """Content on its way into the cache. A `Sink`; `digest` and `size` say what it is by now."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._fd = descriptor
        self._path = path
        self._hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview, /) -> None:
        """Take all of `data`."""
        self._hasher.update(data)
        self.size += len(data)
        pending = memoryview(data)
        try:
            while pending:
                pending = pending[os.write(self._fd, pending) :]
        except OSError as error:
            raise cannot_write(self._path, error) from error

    @property
    def digest(self) -> Digest:
        """The digest of what was written so far."""
        return Digest(f"sha256:{self._hasher.hexdigest()}")


class BlobCache:
    """Blobs by digest below `DIRECTORY/blobs/sha256`. Safe between threads and processes."""

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / "blobs" / "sha256"

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """Write something new. It gets its name when the block ends well, and leaves no trace otherwise."""
        # Named before it is made, so that Ctrl-C at that very moment leaves nothing either.
        scratch = self._blobs / f".draft-{secrets.token_hex(16)}"
        try:
            with self._new_file(scratch) as descriptor:
                draft = Draft(descriptor, scratch)
                yield draft
                os.fsync(descriptor)
                scratch.replace(self._path(draft.digest))
        except OSError as error:
            raise cannot_write(scratch, error) from error
        finally:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)

    @contextmanager
    def _new_file(self, path: Path) -> Iterator[int]:
        try:
            self._blobs.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(self._blobs, error) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def has(self, digest: Digest, size: int) -> bool:
        """Whether these very bytes are here; what bears the name and is something else is thrown away."""
        try:
            with self.open(digest) as source:
                hasher, buffer, found = hashlib.sha256(), new_buffer(_HASHED_BYTES), 0
                while (count := source.readinto(buffer)) and found <= size:
                    hasher.update(buffer[:count])
                    found += count
        except FileNotFoundError:
            return False
        if found == size and hasher.hexdigest() == digest.encoded:
            return True
        self._path(digest).unlink(missing_ok=True)
        return False

    @contextmanager
    def open(self, digest: Digest, *, start: int = 0) -> Iterator[Source]:
        """What bears this name, from `start` on; the caller compares. `FileNotFoundError` where there is nothing."""
        path = self._path(digest)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            os.lseek(descriptor, start, os.SEEK_SET)
            yield FileSource(descriptor, str(path))
        finally:
            os.close(descriptor)

    def size(self, digest: Digest) -> int | None:
        """How long the content of that name is; None where there is none."""
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def _path(self, digest: Digest) -> Path:
        return self._blobs / digest.encoded


def _unusable(path: Path, error: OSError) -> HostError:
    return HostError(
        "AB-HOST-CACHE",
        f"the cache {path} cannot be used: {error.strerror}",
        hint="name another directory with AIRGAP_CACHE",
    )
