"""Digests, descriptors, and the one copy routine."""

from __future__ import annotations

import hashlib

import pytest

from airgap_bundle.core.content import (
    MAX_SIZE_BYTES,
    BytesSource,
    ContentMismatchError,
    Descriptor,
    Digest,
    copy_verified,
    new_buffer,
)
from airgap_bundle.core.errors import InvalidValueError

BUFFER = 8
HEX = "0123456789abcdef" * 4


class Collector:
    """A sink that keeps a copy of each piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: memoryview, /) -> None:
        self.pieces.append(bytes(data))

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


def copy(data: bytes, digest: Digest, size: int, sink: Collector, *, buffer: int = BUFFER) -> list[int]:
    moved: list[int] = []
    copy_verified(BytesSource(data), sink, digest=digest, size=size, buffer=new_buffer(buffer), moved=moved.append)
    return moved


@pytest.mark.parametrize("size", [1, 7, 8, 9, 15, 16, 17, 24])
def test_the_right_bytes_arrive_whole(size: int) -> None:
    data, sink = bytes(range(size)), Collector()
    moved = copy(data, Digest.of(data), size, sink)
    assert sink.data == data
    assert sum(moved) == size


def test_content_of_no_bytes_passes_nothing_on() -> None:
    sink = Collector()
    copy(b"", Digest.of(b""), 0, sink)
    assert sink.pieces == []


def test_content_of_no_bytes_is_checked_all_the_same() -> None:
    with pytest.raises(ContentMismatchError, match="the bytes have the digest"):
        copy(b"", Digest.of(b"x"), 0, Collector())


def test_sha512_is_checked_with_sha512() -> None:
    data, sink = b"some bytes of content", Collector()
    copy(data, Digest.of(data, "sha512"), len(data), sink)
    assert sink.data == data


@pytest.mark.parametrize("size", [1, 8, 9, 16])
def test_the_last_piece_of_a_flipped_source_never_reaches_the_sink(size: int) -> None:
    data = bytes(size)
    flipped = bytearray(data)
    flipped[0] ^= 1
    sink = Collector()
    with pytest.raises(ContentMismatchError, match="the bytes have the digest"):
        copy(bytes(flipped), Digest.of(data), size, sink)
    assert len(sink.data) == (size - 1) // BUFFER * BUFFER


@pytest.mark.parametrize(("size", "given"), [(1, 0), (8, 7), (9, 8), (16, 8), (17, 16)])
def test_a_short_source_is_refused_with_both_lengths(size: int, given: int) -> None:
    data, sink = bytes(size), Collector()
    with pytest.raises(ContentMismatchError, match=f"{given} bytes instead of {size}"):
        copy(data[:given], Digest.of(data), size, sink)
    assert len(sink.data) < size


@pytest.mark.parametrize("size", [0, 1, 8, 9])
def test_a_byte_behind_the_end_is_refused_before_the_last_piece(size: int) -> None:
    data, sink = bytes(size), Collector()
    with pytest.raises(ContentMismatchError, match=f"more than {size} bytes"):
        copy(data + b"!", Digest.of(data), size, sink)
    assert len(sink.data) < max(size, 1)


def test_an_error_of_the_source_passes_through() -> None:
    class Broken:
        def readinto(self, buffer: memoryview, /) -> int:
            raise ConnectionResetError("cut")

    with pytest.raises(ConnectionResetError, match="cut"):
        copy_verified(Broken(), Collector(), digest=Digest.of(b"x"), size=1, buffer=new_buffer(BUFFER))


def test_an_error_of_the_sink_passes_through() -> None:
    class Full:
        def write(self, data: memoryview, /) -> None:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        copy_verified(BytesSource(b"x"), Full(), digest=Digest.of(b"x"), size=1, buffer=new_buffer(BUFFER))


def test_a_digest_is_its_text() -> None:
    digest = Digest(f"sha256:{HEX}")
    assert digest == f"sha256:{HEX}"
    assert (digest.algorithm, digest.encoded) == ("sha256", HEX)


def test_a_digest_of_bytes_is_what_hashlib_says() -> None:
    assert Digest.of(b"x").encoded == hashlib.sha256(b"x").hexdigest()
    assert Digest.of(memoryview(b"x"), "sha512").encoded == hashlib.sha512(b"x").hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        f"sha256:{HEX}\n",
        f"\nsha256:{HEX}",
        f" sha256:{HEX}",
        f"sha256:{HEX.upper()}",
        f"SHA256:{HEX}",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX}{HEX}",
        f"sha512:{HEX}",
        f"sha256-{HEX}",
        f"sha384:{HEX}{HEX[:32]}",
        f"md5:{HEX[:32]}",
        f"sha256:{HEX[:-1]}\u0660",  # a digit, says Unicode
        f"sha256:{HEX[:-1]}\uff11",
        f"sha256:{HEX[:-1]}g",
        f"sha256:../../../{HEX[9:]}",
        f"sha256:{HEX}@sha256:{HEX}",
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="not a digest"):
        Digest(text)


def test_a_refused_digest_is_quoted_in_part_only() -> None:
    with pytest.raises(InvalidValueError) as caught:
        Digest("x" * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("media_type", ["", "text", "text/", "/json", "text/plain; charset=x", "text/plain\n", "té/x"])
def test_what_is_no_media_type_is_refused(media_type: str) -> None:
    with pytest.raises(InvalidValueError, match="not a media type"):
        Descriptor(media_type=media_type, digest=Digest.of(b""), size=0)


@pytest.mark.parametrize("size", [-1, MAX_SIZE_BYTES + 1])
def test_what_is_no_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidValueError, match="not a size"):
        Descriptor(media_type="text/plain", digest=Digest.of(b""), size=size)


def test_descriptors_of_the_same_content_are_equal_whoever_points_to_it() -> None:
    first = Descriptor(media_type="text/plain", digest=Digest.of(b""), size=0, annotations={"a": "b"})
    second = Descriptor(media_type="text/plain", digest=Digest.of(b""), size=0)
    assert first == second
    assert len({first, second}) == 1
