"""Uploads of long blobs that were cut off, as files of the state directory: `uploads/<digest of what and where>`.

Each holds the address of an upload session that the destination made up. A lost or damaged one costs nothing but
sending the blob from the front, so nothing is flushed and nothing here is ever an error.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Addresses are shorter; what is longer was not written here.
_MAX_BYTES = 8 * 1024


class UnfinishedUploads:
    """Fulfils `registry.abilities.UploadMemory`. The directory is made when there is something to keep."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def recall(self, name: str) -> str | None:
        """What was kept under this name."""
        try:
            with self._path(name).open("rb") as file:
                raw = file.read(_MAX_BYTES)
            found, _, target = raw.decode("ascii").partition("\n")
        except (OSError, UnicodeDecodeError):
            return None
        return target if found == name and target else None

    def keep(self, name: str, target: str) -> None:
        """Keep it until it is forgotten."""
        path = self._path(name)
        scratch = path.with_name(f"{path.name}.{os.getpid()}")
        with suppress(OSError, UnicodeEncodeError):
            self._directory.mkdir(mode=0o700, exist_ok=True)
            scratch.write_bytes(f"{name}\n{target}".encode("ascii"))
            scratch.replace(path)

    def forget(self, name: str) -> None:
        """The upload is over."""
        with suppress(OSError):
            self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self._directory / hashlib.sha256(name.encode()).hexdigest()[:32]
