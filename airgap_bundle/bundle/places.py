"""Bytes of a bundle at their place: one blob as a source, with its header and padding; and what is said where not.

FORMAT.md section 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.layout import BLOCK_BYTES, padding_of
from airgap_bundle.core.errors import BundleError

if TYPE_CHECKING:
    from airgap_bundle.bundle.layout import Extent
    from airgap_bundle.bundle.media import Medium

COPY_AGAIN = "the copy is damaged or was cut short: copy the bundle again and compare its checksum with the original"


# Up to here a blob is read at once, with header and padding: three calls for so little take longer than it does.
_AT_ONCE_BYTES = 16 * 1024


class BlobSource:
    """The data of one extent. At their end the padding is checked too, as nobody else looks at it."""

    def __init__(self, medium: Medium, extent: Extent) -> None:
        self._medium = medium
        self._extent = extent
        length = extent.end - extent.header_at
        self._ahead = read_exactly(medium, extent.header_at, length if length <= _AT_ONCE_BYTES else BLOCK_BYTES)
        if self._ahead[:BLOCK_BYTES] != extent.header:
            raise malformed(medium, extent.header_at, f"the header in front of {extent.digest} is not the one due")
        self._position = extent.data_at
        self._at_end = False
        self.copy: bytearray | None = None
        """What was read is added to it."""

    def readinto(self, buffer: memoryview, /) -> int:
        """The next bytes of the data."""
        left = self._extent.data_end - self._position
        if left:
            count = self._read_at(self._position, buffer[:left])
            if count == 0 and len(buffer):
                raise truncated(self._medium, self._position)
            self._position += count
            if self.copy is not None:
                self.copy += buffer[:count]
            return count
        if not self._at_end:
            self._at_end = True
            self._check_padding()
        return 0

    def _read_at(self, offset: int, buffer: memoryview) -> int:
        """What was read already, or the medium."""
        start = offset - self._extent.header_at
        piece = self._ahead[start : start + len(buffer)]
        if not piece:
            return self._medium.read_at(offset, buffer)
        buffer[: len(piece)] = piece
        return len(piece)

    def _check_padding(self) -> None:
        end = self._extent.data_end
        padding = self._ahead[end - self._extent.header_at :] or read_exactly(
            self._medium, end, padding_of(self._extent.size)
        )
        if padding.strip(b"\0"):
            raise malformed(self._medium, end, f"the padding behind {self._extent.digest} is not empty")


def read_exactly(medium: Medium, offset: int, size: int) -> bytes:
    """Exactly `size` bytes, or a bundle that was cut short."""
    return bytes(fill(medium, offset, size))


def fill(medium: Medium, offset: int, size: int) -> bytearray:
    """The same without another copy."""
    data = bytearray(size)
    window = memoryview(data)
    done = 0
    while done < size:
        count = medium.read_at(offset + done, window[done:])
        if count == 0:
            raise truncated(medium, offset + done)
        done += count
    window.release()
    return data


def malformed(medium: Medium, offset: int, what: str, *, size: int = BLOCK_BYTES) -> BundleError:
    """What stands at `offset` is not what has to stand there."""
    error = BundleError("AB-BUNDLE-MALFORMED", f"{medium.name} is damaged at byte {offset}: {what}", hint=COPY_AGAIN)
    return medium.explain(error, offset, offset + size)


def truncated(medium: Medium, offset: int) -> BundleError:
    """Nothing stands at `offset`, where something has to."""
    message = f"{medium.name} ends after {offset} bytes, too early"
    return medium.explain(BundleError("AB-BUNDLE-TRUNCATED", message, hint=COPY_AGAIN), offset, offset + 1)


def trailing(medium: Medium, offset: int) -> BundleError:
    """Something stands at `offset`, behind the end."""
    error = BundleError(
        "AB-BUNDLE-TRAILING",
        f"{medium.name} goes on behind the end of the bundle",
        hint="somebody has appended to it: use the file as it was built",
    )
    return medium.explain(error, offset, offset + 1)
