"""Reading requests from a socket: where a body ends, and what happens when it does not come."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.registry import incoming
from airgap_bundle.registry.incoming import Body, BodyError, SlowBodyError, SocketReader, read_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Wire = Callable[..., SocketReader]


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A reader of these bytes; the client then goes, or stays and says nothing."""
    with ExitStack() as stack:

        def connect(data: bytes, *, stays: bool = False) -> SocketReader:
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            stack.enter_context(theirs)
            ours.settimeout(0.05)
            theirs.sendall(data)
            if not stays:
                theirs.shutdown(socket.SHUT_WR)
            return SocketReader(ours, idle_seconds=0.05)

        yield connect


def read(body: Body, size: int) -> bytes:
    buffer = memoryview(bytearray(size))
    data = b""
    while count := body.readinto(buffer):
        data += buffer[:count]
    return data


@pytest.mark.parametrize("size", [1, 3, 100, 100_000])
class TestWholeBodies:
    def test_of_a_known_length(self, wire: Wire, size: int) -> None:
        reader = wire(b"hello" * 100 + b"next")
        body = Body(reader, 500)
        assert read(body, size) == b"hello" * 100
        assert body.finished
        assert reader.readline(100) == b"next"

    def test_in_chunks(self, wire: Wire, size: int) -> None:
        reader = wire(b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\nnext")
        body = Body(reader, None)
        assert read(body, size) == b"hello world"
        assert body.finished
        assert reader.readline(100) == b"next"


def test_a_body_of_no_bytes_is_finished(wire: Wire) -> None:
    body = Body(wire(b"next"), 0)
    assert body.finished
    assert read(body, 10) == b""


def test_a_stalled_body_is_given_up_and_not_waited_for_again(wire: Wire) -> None:
    body = Body(wire(b"hel", stays=True), 5)
    with pytest.raises(SlowBodyError, match="stalled"):
        read(body, 10)
    assert not body.drain(100)


def test_a_dripping_body_is_given_up(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_BODY_GRACE_SECONDS", -1.0)
    monkeypatch.setattr(incoming, "_MIN_BODY_BYTES_PER_SECOND", 10**9)
    with pytest.raises(SlowBodyError, match="too slowly"):
        read(Body(wire(b"hel", stays=True), 5), 10)


def test_a_body_that_ends_early_is_no_body(wire: Wire) -> None:
    with pytest.raises(BodyError, match="ended"):
        read(Body(wire(b"hel"), 5), 10)


@pytest.mark.parametrize("trailer", [b"x" * 200, b"Trailer: x\n", b"Trailer: x\r\n" * 1000])
def test_endless_trailers_are_refused(wire: Wire, trailer: bytes) -> None:
    with pytest.raises(BodyError):
        read(Body(wire(b"0\r\n" + trailer), None), 10)


def test_draining_stops_at_its_limit(wire: Wire) -> None:
    assert Body(wire(b"x" * 1000), 1000).drain(1000)
    assert not Body(wire(b"x" * 100_000), 100_000).drain(10)


def test_a_deadline_ends_many_small_reads(wire: Wire) -> None:
    reader = wire(b"a", stays=True)
    reader.set_deadline(0.01)
    with pytest.raises(TimeoutError):
        reader.readline(100)
    with pytest.raises(TimeoutError):
        reader.readline(100)


def test_headers_are_read_by_name(wire: Wire) -> None:
    class Lines:
        def __init__(self, reader: SocketReader) -> None:
            self.reader = reader

        def readline(self) -> bytes:
            return self.reader.readline(1000)

    raw = b"host: x\r\nAccept: a\r\naccept: b\r\nX_Hidden: 1\r\nEmpty:\r\n\r\n"
    assert read_headers(Lines(wire(raw))) == {b"Host": b"x", b"Accept": b"a, b", b"Empty": b""}
