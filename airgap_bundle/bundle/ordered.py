"""Writes a bundle in order: down a stream, or at the end of a file on a medium that knows no holes.

What goes in is the caller's business: every blob comes through `copy_verified`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.bundle.layout import END_BYTES, padding_of
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from airgap_bundle.bundle.writer import GrowingFile


class OrderedWriter(Protocol):
    """Where a bundle goes in order."""

    def write(self, data: bytes | memoryview, /) -> None:
        """Write all of `data`."""
        ...

    def pad(self, size: int) -> None:
        """The zeros behind `size` bytes of data."""
        ...

    def end(self) -> None:
        """The two blocks that end the archive."""
        ...


class OrderedFile:
    """A growing file that is only ever written at its end, for file systems without holes; starts at `position`."""

    def __init__(self, file: GrowingFile, position: int) -> None:
        self._file = file
        self._position = position

    def write(self, data: bytes | memoryview, /) -> None:
        """Write all of `data`."""
        self._file.write_at(self._position, data)
        self._position += len(data)

    def pad(self, size: int) -> None:
        """The zeros behind `size` bytes of data."""
        self.write(bytes(padding_of(size)))

    def end(self) -> None:
        """The two blocks that end the archive."""
        self.write(bytes(END_BYTES))


class StreamFile:
    """A bundle that goes down a pipe in order. Without `end` a reader knows that it is not whole."""

    def __init__(self, descriptor: int) -> None:
        self._fd = descriptor

    def write(self, data: bytes | memoryview, /) -> None:
        """Write all of `data`."""
        pending = memoryview(data)
        while pending:
            try:
                pending = pending[os.write(self._fd, pending) :]
            except BrokenPipeError as error:
                raise HostError(
                    "AB-HOST-PIPE", "the reader of the stream has gone", hint="look at what the receiving command said"
                ) from error
            except OSError as error:
                raise HostError("AB-HOST-WRITE", f"standard output cannot be written: {error.strerror}") from error

    def pad(self, size: int) -> None:
        """The zeros behind `size` bytes of data."""
        self.write(bytes(padding_of(size)))

    def end(self) -> None:
        """The two blocks that end the archive."""
        self.write(bytes(END_BYTES))
