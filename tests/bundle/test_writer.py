"""The writer: complete under its name or not at all, and never in the way of another."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.bundles import parts_of

from airgap_bundle.bundle.layout import Extent, lay_out
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.ordered import StreamFile
from airgap_bundle.bundle.writer import PartialFile, cannot_write, partial_path, sync_directory
from airgap_bundle.core.content import BytesSource, Digest, copy_verified, new_buffer
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "acme-1.0.0.tar"


@contextmanager
def growing(out: Path) -> Iterator[PartialFile]:
    file = PartialFile(out)
    try:
        yield file
    finally:
        file.close()


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_blobs_written_at_their_offsets_in_any_order_make_the_same_bundle(out: Path) -> None:
    parts = parts_of()
    head = parts.head()
    places = lay_out(len(head), parts.inventory.blobs)
    with growing(out) as file:
        file.reset(places.total_bytes)
        for digest, data in reversed(parts.blobs.items()):
            sink = file.blob_sink(places.extents[digest])
            copy_verified(BytesSource(data), sink, digest=digest, size=len(data), buffer=new_buffer(100))
            sink.finish()
        file.write_at(0, head)
        file.publish()
    assert out.read_bytes() == parts.assemble()
    assert names_in(out.parent) == [out.name]


def test_threads_write_side_by_side(out: Path) -> None:
    with growing(out) as file:
        file.reset(8 * 1000)
        threads = [threading.Thread(target=file.write_at, args=(n * 1000, bytes([n]) * 1000)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert file.read_at(0, 9000) == b"".join(bytes([n]) * 1000 for n in range(8))


def test_a_long_piece_is_given_to_the_kernel_in_short_ones_and_arrives_whole(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, given, real = os.urandom(2_500_001), [], os.pwritev

    def watched(descriptor: int, parts: list[memoryview], offset: int) -> int:
        given.append(sum(map(len, parts)))
        return real(descriptor, parts, offset)

    monkeypatch.setattr(os, "pwritev", watched)
    with growing(out) as file:
        file.write_at(100, b"h" * 512, data)
        assert file.read_at(0, 3_000_000) == bytes(100) + b"h" * 512 + data
    assert given == [1024 * 1024, 1024 * 1024, 2_500_513 - 2 * 1024 * 1024]


def test_a_blob_of_no_bytes_gets_its_header(out: Path) -> None:
    extent = Extent(Digest.of(b""), 512, 0)
    with growing(out) as file:
        file.reset(2048)
        file.blob_sink(extent).finish()
        assert file.read_at(0, 2048) == bytes(512) + extent.header + bytes(1024)


def test_while_it_grows_it_has_another_name(out: Path) -> None:
    with growing(out) as file:
        file.write_at(0, b"x")
        assert names_in(out.parent) == [partial_path(out).name] == ["acme-1.0.0.tar.partial"]


def test_what_an_earlier_run_left_is_kept_until_it_is_reset(out: Path) -> None:
    with growing(out) as file:
        file.write_at(0, b"whole blob")
    with growing(out) as file:
        file.resize(20)
        assert file.read_at(0, 20) == b"whole blob" + bytes(10)
        file.reset(20)
        assert file.read_at(0, 20) == bytes(20)


def test_a_second_writer_is_told_so(out: Path) -> None:
    with growing(out), pytest.raises(HostError, match="another process is writing") as caught:
        PartialFile(out)
    assert (caught.value.code, caught.value.exit_status) == ("AB-HOST-BUSY", 6)


def test_a_second_process_is_told_so(out: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from airgap_bundle.bundle.writer import PartialFile\n"
        "from airgap_bundle.core.errors import HostError\n"
        "try:\n    PartialFile(pathlib.Path(sys.argv[1]))\n"
        "except HostError as error:\n    sys.exit(error.exit_status)\n"
    )
    with growing(out):
        assert subprocess.run([sys.executable, "-c", script, out], check=False).returncode == 6
    assert subprocess.run([sys.executable, "-c", script, out], check=False).returncode == 0


def test_publishing_never_replaces_a_file(out: Path) -> None:
    with growing(out) as file:
        file.write_at(0, b"new")
        out.write_bytes(b"old")
        with pytest.raises(HostError, match="appeared in the meantime") as caught:
            file.publish()
    assert caught.value.code == "AB-HOST-EXISTS"
    assert (out.read_bytes(), partial_path(out).read_bytes()) == (b"old", b"new")


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT has no hard links. Its driver is missing on many test machines, so its answer is made here."""

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)


def test_without_hard_links_it_gets_its_name_by_a_rename(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_links(monkeypatch)
    with growing(out) as file:
        file.write_at(0, b"new")
        file.publish()
    assert out.read_bytes() == b"new"
    assert names_in(out.parent) == [out.name]


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_without_hard_links_publishing_does_not_replace_a_file_either(
    out: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    refuse_links(monkeypatch)
    with growing(out) as file:
        file.write_at(0, b"new")
        if kind == "file":
            out.write_bytes(b"old")
        else:
            out.symlink_to("nowhere")
        with pytest.raises(HostError, match="appeared in the meantime"):
            file.publish()
    assert names_in(out.parent) == [out.name, partial_path(out).name]


def test_another_failure_to_link_is_not_hidden(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", link)
    with growing(out) as file, pytest.raises(HostError) as caught:
        file.publish()
    assert caught.value.code == "AB-HOST-WRITE"
    assert not out.exists()


def test_a_bundle_whose_growing_name_was_left_by_a_killed_run_is_not_written_to(out: Path) -> None:
    with growing(out) as file:
        file.write_at(0, b"published")
        os.link(file.path, out)  # and killed before the other name was removed
    moved = out.with_name("on-its-way.tar")
    out.rename(moved)
    with growing(out) as file:
        file.reset(3)
        file.write_at(0, b"new")
        file.publish()
    assert (moved.read_bytes(), out.read_bytes()) == (b"published", b"new")


def test_a_file_that_was_published_between_opening_and_locking_is_not_written_to(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = PartialFile(out)
    first.write_at(0, b"published")
    really_open = os.open

    def open_and_lose_the_race(path: Path, flags: int, mode: int = 0o777) -> int:
        monkeypatch.setattr(os, "open", really_open)
        descriptor = really_open(path, flags, mode)
        first.publish()
        first.close()
        return descriptor

    monkeypatch.setattr(os, "open", open_and_lose_the_race)
    with growing(out) as second:
        second.reset(3)
        second.write_at(0, b"new")
    assert (out.read_bytes(), partial_path(out).read_bytes()) == (b"published", b"new")


def test_a_growing_name_that_is_a_link_is_not_followed(out: Path) -> None:
    victim = out.with_name("victim")
    victim.write_bytes(b"precious")
    partial_path(out).symlink_to(victim)
    with pytest.raises(HostError) as caught:
        PartialFile(out)
    assert caught.value.code == "AB-HOST-WRITE"
    assert victim.read_bytes() == b"precious"


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No such file or directory") as caught:
        PartialFile(tmp_path / "missing" / "x.tar")
    assert caught.value.code == "AB-HOST-WRITE"


def test_a_fifo_in_its_place_does_not_block(out: Path) -> None:
    os.mkfifo(partial_path(out))
    with growing(out) as file, pytest.raises(HostError) as caught:
        file.reset(512)
    assert caught.value.code == "AB-HOST-WRITE"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000])
def test_the_mode_follows_the_umask(out: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with growing(out) as file:
            file.publish()
    finally:
        os.umask(before)
    assert out.stat().st_mode & 0o777 == 0o644 & ~mask


def test_more_than_the_disk_holds_is_refused_with_the_numbers(out: Path) -> None:
    with growing(out) as file, pytest.raises(HostError, match=r"needs .* more, and .* are free") as caught:
        file.check_space(2**60)
    assert caught.value.code == "AB-HOST-SPACE"


def test_what_is_on_the_disk_already_counts_for_the_space(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with growing(out) as file:
        file.write_at(0, bytes(1_000_000))
        file.flush()
        status = os.statvfs_result((4096, 4096, 10, 10, 10, 10, 10, 10, 0, 255))
        monkeypatch.setattr(os, "fstatvfs", lambda _: status)
        file.check_space(1_000_000 + 4096)
        with pytest.raises(HostError):
            file.check_space(1_100_000)


@contextmanager
def small_disk(where: Path) -> Iterator[None]:
    """A disk of 1 MiB, where the machine lets us mount one."""
    where.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", where], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("mounting a small disk takes a privileged user")
    try:
        yield
    finally:
        subprocess.run(["umount", where], check=True)


@pytest.mark.tools("mount", "umount")
def test_a_full_disk_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk):
        out = disk / "x.tar"
        with growing(out) as file:
            with pytest.raises(HostError, match="No space left") as caught:
                file.write_at(0, bytes(2_000_000))
            with pytest.raises(HostError):
                file.check_space(8_000_000)
        assert (caught.value.code, names_in(disk)) == ("AB-HOST-SPACE", ["x.tar.partial"])
        with growing(out) as file:
            file.discard()
        assert names_in(disk) == []


def test_a_limit_on_the_size_of_files_is_an_error_of_this_machine(out: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with growing(out) as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(HostError, match="File too large") as resized:
                file.reset(200_000)
            with pytest.raises(HostError, match="File too large") as written:
                file.write_at(0, bytes(200_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [resized.value.code, written.value.code] == ["AB-HOST-SPACE"] * 2
    assert not out.exists()


def test_a_short_write_is_gone_on_with(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.pwritev

    def few_at_a_time(descriptor: int, parts: list[memoryview], offset: int) -> int:
        return really(descriptor, [parts[0][:7]], offset)

    monkeypatch.setattr(os, "pwritev", few_at_a_time)
    with growing(out) as file:
        file.write_at(3, b"header--", b"", b"the data that follow", b"!")
        assert file.read_at(0, 100) == b"\0\0\0header--the data that follow!"


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "AB-HOST-SPACE"), (errno.EDQUOT, "AB-HOST-SPACE"), (errno.EROFS, "AB-HOST-WRITE")],
)
def test_the_reason_of_the_system_becomes_ours(out: Path, number: int, code: str) -> None:
    error = cannot_write(out, OSError(number, os.strerror(number)))
    assert (error.code, os.strerror(number) in error.message) == (code, True)


def test_where_a_name_is_none_for_the_file_system_the_characters_are_named(out: Path) -> None:
    invalid = OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    assert "FAT and exFAT keep none with" in str(cannot_write(out.with_name("ac:me.tar"), invalid).hint)
    assert "FAT" not in str(cannot_write(out, invalid).hint)


def test_a_directory_that_cannot_be_flushed_does_not_spoil_a_finished_bundle(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    with growing(out) as file:
        file.write_at(0, b"x")
        monkeypatch.setattr(os, "fsync", fsync)
        file.publish()
    assert out.read_bytes() == b"x"


def test_a_directory_on_a_failing_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(HostError) as caught:
        sync_directory(tmp_path)
    assert caught.value.code == "AB-HOST-WRITE"


def test_a_stream_gets_data_padding_and_end(tmp_path: Path) -> None:
    path = tmp_path / "stream"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    stream = StreamFile(descriptor)
    stream.write(b"abc")
    stream.pad(3)
    stream.pad(512)
    stream.end()
    os.close(descriptor)
    assert path.read_bytes() == b"abc" + bytes(509) + bytes(1024)


def test_a_stream_whose_reader_has_gone_says_so() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(HostError, match="the reader of the stream has gone") as caught:
            StreamFile(writing).write(b"x")
    finally:
        os.close(writing)
    assert caught.value.code == "AB-HOST-PIPE"


def test_a_stream_that_cannot_be_written_says_why() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(HostError, match="standard output cannot be written: No space left") as caught:
            StreamFile(descriptor).write(b"x")
    finally:
        os.close(descriptor)
    assert caught.value.exit_status == 6


def test_what_was_published_can_be_read(out: Path) -> None:
    with growing(out) as file:
        file.write_at(0, b"bundle")
        file.publish()
    medium = FileMedium(out)
    assert medium.size == 6
    medium.close()
