"""How the embedded server reads from a socket: bounded in bytes, in time, and strict about where a request ends.

Two readings of one request are how requests are smuggled, so what could be read in two ways is refused: a length given
twice, a length beside chunks, folded lines, bare line feeds (RFC 9112 sections 2.2, 5.1, 5.2, 6.1 and 6.3).
"""

from __future__ import annotations

import errno
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.registry.serving.sending import Pace, send_all

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

# Names a page of tags at most; nothing that a registry client sends is near this.
MAX_HEADER_BYTES = 32 * 1024
# Clients send a dozen, with a few more from each proxy on the way.
_MAX_HEADERS = 100
_BUFFER_BYTES = 64 * 1024
# A body may stall for the idle time-out, but not go on at less than this on average after the time of grace.
_MIN_BODY_BYTES_PER_SECOND = 1024
_BODY_GRACE_SECONDS = 60.0
# Nobody waits longer for the rest of what was refused.
_DRAIN_SECONDS = 5.0
_MAX_CHUNK_LINE_BYTES = 256
_MAX_TRAILER_BYTES = 8 * 1024
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*?)[ \t]*\r\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
# What may stand on several lines without meaning two things.
_REPEATABLE = frozenset({b"Accept", b"Accept-Encoding", b"Accept-Language", b"Cache-Control", b"Connection", b"Via"})


class BodyError(Exception):
    """The body of a request is not whole, or not a body."""


class SlowBodyError(Exception):
    """The body of a request came too slowly."""


class SocketReader:
    """The receiving side of a socket, with a small buffer for lines and none for bodies."""

    def __init__(self, sock: socket.socket, *, idle_seconds: float) -> None:
        self._socket = sock
        self._idle_seconds = idle_seconds
        self._pending: Callable[[], int] | None = getattr(sock, "pending", None)
        self._deadline: float | None = None
        self._buffer = bytearray()
        self._begin = 0
        self._end = 0
        self.bytes_read = 0

    @property
    def closed(self) -> bool:
        """Whether the socket is; cheroot asks before it wakes up a worker that does not stop by itself."""
        return self._socket.fileno() < 0

    def has_data(self) -> bool:
        """Whether something has been received that nobody has read: here, or what TLS has decrypted already."""
        return self._begin < self._end or bool(self._pending is not None and self._pending())

    def set_deadline(self, seconds: float | None) -> None:
        """Let every read until the next call end within `seconds` altogether; `None` for no limit but the idle one."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        if seconds is None:
            self._socket.settimeout(self._idle_seconds)

    def readline(self, size: int) -> bytes:
        """A line with its end, or its first `size` bytes; shorter without an end only where the client has ended."""
        line = b""
        while len(line) < size and not line.endswith(b"\n"):
            if self._begin == self._end and not self._refill():
                break
            stop = min(self._end, self._begin + size - len(line))
            found = self._buffer.find(b"\n", self._begin, stop)
            stop = found + 1 if found >= 0 else stop
            line += self._buffer[self._begin : stop]
            self._begin = stop
        self.bytes_read += len(line)
        return line

    def readinto(self, buffer: memoryview, /) -> int:
        """Whatever is there, at most as much as `buffer` holds; 0 where the client has ended."""
        if self._begin == self._end:
            if len(buffer) >= _BUFFER_BYTES:
                count = self._receive(buffer)
                self.bytes_read += count
                return count
            self._refill()
        count = min(len(buffer), self._end - self._begin)
        buffer[:count] = memoryview(self._buffer)[self._begin : self._begin + count]
        self._begin += count
        self.bytes_read += count
        return count

    def close(self) -> None:
        """Forget what was received; the socket is its owner's."""
        self._begin = self._end = 0

    def _refill(self) -> int:
        # Connections that wait for their first request, of which there may be hundreds, need no buffer.
        self._buffer = self._buffer or bytearray(_BUFFER_BYTES)
        self._begin, self._end = 0, self._receive(memoryview(self._buffer))
        return self._end

    def _receive(self, view: memoryview) -> int:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(min(left, self._idle_seconds))
        with _gone():
            return self._socket.recv_into(view)


class SocketWriter:
    """The sending side of a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.bytes_written = 0

    def write(self, data: bytes) -> int:
        """Send all of `data`."""
        with _gone():
            send_all(self._socket, data, Pace())
        self.bytes_written += len(data)
        return len(data)


@contextmanager
def _gone() -> Iterator[None]:
    """Whatever the socket or TLS says of a client that is gone, or that breaks the protocol: the connection is over."""
    try:
        yield
    except (TimeoutError, ConnectionError):
        raise
    except OSError as error:
        raise ConnectionResetError(errno.ECONNRESET, str(error)) from error


class LineReader(Protocol):
    """What headers are read from."""

    def readline(self) -> bytes:
        """The next line with its end."""
        ...


def read_headers(lines: LineReader, headers: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
    """The headers of a request, by name in title case. Raises `ValueError` for what could be read in two ways."""
    result = {} if headers is None else headers
    count = 0
    while (line := lines.readline()) != b"\r\n":
        count += 1
        if count > _MAX_HEADERS:
            raise ValueError("Too many headers")
        match = _HEADER_LINE.fullmatch(line)
        if match is None:
            raise ValueError("Malformed header line")
        name, value = match[1].title(), match[2]
        if b"_" in name:
            continue  # the gateway could not tell it from the name with a hyphen
        if name in result:
            if name not in _REPEATABLE:
                raise ValueError("A header is given twice")
            value = result[name] + b", " + value
        result[name] = value
    _check_framing(result)
    return result


def _check_framing(headers: dict[bytes, bytes]) -> None:
    length, encoding = headers.get(b"Content-Length"), headers.get(b"Transfer-Encoding")
    if length is not None and _LENGTH.fullmatch(length) is None:
        raise ValueError("Malformed Content-Length")
    if encoding is not None and encoding.lower() != b"chunked":
        raise ValueError("Unknown Transfer-Encoding")
    if length is not None and encoding is not None:
        raise ValueError("Both Content-Length and Transfer-Encoding")


class Body:
    """What follows the headers of a request: as long as was said, or in chunks.

    `readinto` returns 0 only at the true end. Raises `BodyError` where the client ends before, and `SlowBodyError`.
    """

    # The server library empties this much by itself before it answers; `drain` does so with a limit instead.
    remaining = 0

    def __init__(self, reader: SocketReader, length: int | None) -> None:
        self._reader = reader
        self._chunked = length is None
        self._left = length or 0
        self._began = time.monotonic()
        self._count = 0
        self._broken = False
        self.finished = length == 0

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of the front of `buffer`; the number of bytes, 0 at the end."""
        if not self.finished and not self._left:
            self._begin_chunk()
        if self.finished:
            return 0
        count = self._receive(buffer[: self._left])
        self._left -= count
        if not self._left:
            self._end_piece()
        return count

    def drain(self, limit: int) -> bool:
        """Throw away what is left if that is at most `limit` bytes and comes soon; whether the end was reached."""
        scratch = memoryview(bytearray(_BUFFER_BYTES))
        self._reader.set_deadline(_DRAIN_SECONDS)
        try:
            while limit > 0 and not self._broken and (count := self.readinto(scratch)):
                limit -= count
        except (BodyError, SlowBodyError):
            return False
        finally:
            self._reader.set_deadline(None)
        return self.finished

    def _receive(self, view: memoryview) -> int:
        with self._told_apart():
            count = self._reader.readinto(view)
            if not count:
                raise BodyError("the request ended before it was complete")
            self._count += count
            elapsed = time.monotonic() - self._began
            if elapsed > _BODY_GRACE_SECONDS and self._count < elapsed * _MIN_BODY_BYTES_PER_SECOND:
                raise SlowBodyError("the request came too slowly")
        return count

    def _line(self) -> bytes:
        with self._told_apart():
            return self._reader.readline(_MAX_CHUNK_LINE_BYTES)

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Keep trouble with the client apart from trouble with files, and remember that nothing more will come."""
        try:
            yield
        except TimeoutError as error:
            self._broken = True
            raise SlowBodyError("the request stalled") from error
        except ConnectionError as error:
            self._broken = True
            raise BodyError("the connection was cut before the request was complete") from error
        except (BodyError, SlowBodyError):
            self._broken = True
            raise

    def _begin_chunk(self) -> None:
        match = _CHUNK_SIZE.fullmatch(self._line())
        if match is None:
            raise BodyError("a chunk has no valid size")
        self._left = int(match[1], 16)
        if not self._left:
            self._skip_trailers()

    def _end_piece(self) -> None:
        if not self._chunked:
            self.finished = True
        elif self._line() != b"\r\n":
            raise BodyError("a chunk is longer than its size")

    def _skip_trailers(self) -> None:
        room = _MAX_TRAILER_BYTES
        while (line := self._line()) != b"\r\n":
            room -= len(line)
            if room < 0 or not line.endswith(b"\r\n"):
                raise BodyError("what follows the chunks is not a trailer")
        self.finished = True
