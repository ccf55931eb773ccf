"""What bundles are read from: regular files and streams, and nothing that could block for ever or never end."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.bundle.media import FileMedium, StreamMedium
from airgap_bundle.bundle.reader import read_head
from airgap_bundle.core.content import new_buffer
from airgap_bundle.core.errors import BundleError, HostError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_a_file_is_read_at_any_offset(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    medium = FileMedium(path)
    buffer = new_buffer(4)
    assert (medium.size, medium.read_at(3, buffer), bytes(buffer)) == (10, 4, b"3456")
    assert (medium.read_at(8, buffer), medium.read_at(10, buffer)) == (2, 0)
    medium.close()


def test_a_file_that_gets_another_name_or_content_is_still_the_one_that_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"first")
    medium = FileMedium(path)
    (tmp_path / "y").write_bytes(b"other")
    (tmp_path / "y").replace(path)
    buffer = new_buffer(5)
    medium.read_at(0, buffer)
    assert bytes(buffer) == b"first"
    medium.close()


@pytest.mark.parametrize("kind", ["directory", "fifo", "/dev/zero", "/dev/null"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(kind)
    with pytest.raises(BundleError, match="not a regular file") as caught:
        FileMedium(path)
    assert (caught.value.code, caught.value.exit_status) == ("AB-BUNDLE-NOT-A-FILE", 4)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no bundle .*missing\.tar") as caught:
        FileMedium(tmp_path / "missing.tar")
    assert caught.value.exit_status == 2


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(HostError, match="cannot be opened") as caught:
        FileMedium(loop)
    assert caught.value.exit_status == 6


def test_a_stream_hands_out_what_is_there_and_counts(pipe: tuple[int, int]) -> None:
    medium = StreamMedium(pipe[0])
    os.write(pipe[1], b"0123456789")
    buffer = new_buffer(4)
    assert [medium.read_at(0, buffer), medium.read_at(4, buffer), medium.read_at(8, buffer)] == [4, 4, 2]


def test_a_stream_cannot_be_read_in_another_order(pipe: tuple[int, int]) -> None:
    with pytest.raises(BundleError, match="another order") as caught:
        StreamMedium(pipe[0]).read_at(512, new_buffer(1))
    assert caught.value.code == "AB-BUNDLE-ORDER"


def test_a_stream_that_fails_says_where() -> None:
    descriptor = os.open("/", os.O_RDONLY)
    try:
        with pytest.raises(HostError, match="standard input cannot be read at byte 0: Is a directory") as caught:
            StreamMedium(descriptor).read_at(0, new_buffer(1))
        assert caught.value.code == "AB-HOST-READ"
    finally:
        os.close(descriptor)


def test_a_stream_stays_open_for_whoever_opened_it(pipe: tuple[int, int]) -> None:
    StreamMedium(pipe[0]).close()
    assert os.fstat(pipe[0])


def test_a_stream_that_never_ends_is_refused_after_one_block() -> None:
    descriptor = os.open("/dev/zero", os.O_RDONLY)
    try:
        with pytest.raises(BundleError, match="not a bundle"):
            read_head(StreamMedium(descriptor, "/dev/zero"))
    finally:
        os.close(descriptor)


def test_whoever_waits_for_a_pipe_in_another_thread_can_be_woken_up(pipe: tuple[int, int]) -> None:
    medium = StreamMedium(pipe[0])
    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(medium.read_at, 0, new_buffer(1))
        medium.interrupt()
        assert waiting.result(10) == 0
