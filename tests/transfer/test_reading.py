"""Reading a whole bundle: every byte, on several cores or in order, past the cache of this machine where asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.bundles import parts_of, small_corpus

from airgap_bundle.bundle.inventory import BlobEntry
from airgap_bundle.bundle.media import FileMedium, StreamMedium
from airgap_bundle.bundle.reader import BundleReader, read_head, read_inventory
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import BundleError
from airgap_bundle.core.report import BytesMoved
from airgap_bundle.transfer.inspection import inspect_bundle
from airgap_bundle.transfer.reading import _best_order, read_all

if TYPE_CHECKING:
    from airgap_bundle.bundle.media import Medium
    from airgap_bundle.core.report import Event


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "x.tar"
    path.write_bytes(parts_of(small_corpus(size=100_000)).assemble())
    return path


def read(medium: Medium, workers: int = 2) -> list[Event]:
    events: list[Event] = []
    head = read_head(medium)
    reader = BundleReader(medium, head, read_inventory(head, medium.name))
    with ThreadPoolExecutor(workers) as executor:
        read_all(reader, executor, workers, events.append)
    assert sum(event.count for event in events if isinstance(event, BytesMoved)) == reader.inventory.total_bytes
    return events


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_every_byte_of_a_file_is_read(bundle: Path, workers: int) -> None:
    with closing(FileMedium(bundle)) as medium:
        read(medium, workers)


def test_every_byte_of_a_stream_is_read(bundle: Path) -> None:
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(bundle.read_bytes())

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        read(StreamMedium(reading))
    finally:
        os.close(reading)
        feeder.join()


def test_a_flipped_byte_is_found(bundle: Path) -> None:
    raw = bytearray(bundle.read_bytes())
    raw[-5000] ^= 1
    bundle.write_bytes(raw)
    with closing(FileMedium(bundle)) as medium, pytest.raises(BundleError):
        read(medium)


def blobs(*sizes: int) -> list[BlobEntry]:
    return [BlobEntry(digest=Digest.of(str(number).encode()), size=size) for number, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "order"),
    [
        ((1, 1, 1, 1, 1, 1, 1, 1, 1), [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ((1, 1, 1, 900), [3, 0, 1, 2]),
        ((1, 400, 1, 900), [3, 1, 0, 2]),
        ((), []),
    ],
)
def test_what_would_be_waited_for_is_read_first(sizes: tuple[int, ...], order: list[int]) -> None:
    entries = blobs(*sizes)
    assert _best_order(entries, 2) == [entries[number] for number in order]


def cached_pages(path: Path) -> int:
    command = ["fincore", "--noheadings", "--output", "PAGES", str(path)]
    return int(subprocess.run(command, check=True, capture_output=True).stdout)


@pytest.mark.skipif(shutil.which("fincore") is None, reason="fincore (util-linux) says what is in the cache")
def test_reading_back_goes_past_the_cache(bundle: Path) -> None:
    bundle.read_bytes()
    assert cached_pages(bundle) > 0
    with closing(FileMedium(bundle)) as medium:
        medium.forget_cache()
        if cached_pages(bundle):
            pytest.skip("the tests lie on a file system that lives in memory")
        assert inspect_bundle(bundle, check=True, report=lambda _: None).checked


def read_from_devices() -> int:
    """Bytes that this process has had read from devices, not from the cache."""
    return int(dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())["read_bytes"])


@pytest.mark.skipif(not os.access("/proc/self/io", os.R_OK), reason="Linux says what was read from devices")
def test_every_byte_is_read_back_from_the_medium_the_head_too(bundle: Path) -> None:
    for _ in range(2):
        bundle.read_bytes()
        with closing(FileMedium(bundle)) as medium:
            medium.forget_cache()
        before = read_from_devices()
        bundle.read_bytes()
        if read_from_devices() == before:
            pytest.skip("the tests lie on a file system that lives in memory")
        # All of it is in memory now.
        before = read_from_devices()
        assert inspect_bundle(bundle, check=True, report=lambda _: None).checked
        assert read_from_devices() - before >= bundle.stat().st_size


def test_what_cannot_be_flushed_is_read_all_the_same(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "fsync", refuse)
    assert inspect_bundle(bundle, check=True, report=lambda _: None).checked
