"""A file on another host as a medium: any read at any place, in few requests, from many threads."""

from __future__ import annotations

import contextlib
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.range_server import Fault, RangeServer
from support.scripted_server import answer

from airgap_bundle.core.errors import RegistryError
from airgap_bundle.transfer.access import Access
from airgap_bundle.transfer.remote.medium import FRONT_BYTES, RemoteMedium
from airgap_bundle.transfer.remote.opening import open_remote
from airgap_bundle.transfer.remote.stretches import STRETCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
DATA = random.Random(1).randbytes(12 * MIB)


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer(data=DATA) as running:
        yield running


@pytest.fixture
def medium(server: RangeServer) -> Iterator[RemoteMedium]:
    with open_remote(server.url, Access()) as opened:
        yield opened


def read(medium: RemoteMedium, start: int, end: int, *, piece: int = 65536) -> bytes:
    found = bytearray()
    buffer = memoryview(bytearray(piece))
    while start + len(found) < end:
        count = medium.read_at(start + len(found), buffer[: end - start - len(found)])
        assert count
        found += buffer[:count]
    return bytes(found)


def test_opening_brings_the_front_and_the_length(server: RangeServer, medium: RemoteMedium) -> None:
    assert (medium.size, medium.name) == (len(DATA), server.url)
    assert read(medium, 0, FRONT_BYTES, piece=512) == DATA[:FRONT_BYTES]
    assert medium.read_at(len(DATA), memoryview(bytearray(1))) == 0
    assert len(server.received) == 1


def test_reading_on_takes_ever_larger_steps(server: RangeServer, medium: RemoteMedium) -> None:
    assert read(medium, 0, 5 * MIB, piece=512) == DATA[: 5 * MIB]
    assert len(server.received) == 6


def test_a_large_read_takes_one_request(server: RangeServer, medium: RemoteMedium) -> None:
    size = STRETCH_BYTES + 1
    assert read(medium, 2 * MIB, 2 * MIB + size, piece=size) == DATA[2 * MIB : 2 * MIB + size]
    assert server.ranges[1:] == [f"bytes={2 * MIB}-{2 * MIB + size - 1}"]


def test_what_is_expected_is_asked_for_in_stretches(server: RangeServer, medium: RemoteMedium) -> None:
    small = [(2 * MIB + number * 5000, 2 * MIB + number * 5000 + 4000) for number in range(100)]
    medium.expect([*small, (4 * MIB, 8 * MIB), (12 * MIB - 1024, 12 * MIB)])
    with ThreadPoolExecutor(8) as executor:
        found = list(executor.map(lambda place: read(medium, *place, piece=512), [*small, (4 * MIB, 8 * MIB)]))
    assert found == [DATA[start:end] for start, end in [*small, (4 * MIB, 8 * MIB)]]
    assert read(medium, 12 * MIB - 1024, 12 * MIB) == DATA[-1024:]
    assert sorted(server.ranges[1:]) == sorted(
        [
            f"bytes={2 * MIB}-{small[-1][1] - 1}",
            f"bytes={4 * MIB}-{8 * MIB - 1}",
            f"bytes={12 * MIB - 1024}-{12 * MIB - 1}",
        ]
    )


def test_many_threads_that_read_everywhere_read_what_is_there(medium: RemoteMedium) -> None:
    chance = random.Random(2)
    places = [(start := chance.randrange(len(DATA) - 300_000), start + chance.randrange(1, 300_000)) for _ in range(60)]
    with ThreadPoolExecutor(6) as executor:
        for (start, end), found in zip(places, executor.map(lambda place: read(medium, *place), places), strict=True):
            assert found == DATA[start:end]


def test_what_broke_off_is_gone_on_with_inside_a_large_blob(server: RangeServer, medium: RemoteMedium) -> None:
    medium.expect([(2 * MIB, 8 * MIB)])
    for number in range(1, 4):
        server.faults[number] = Fault(cut_after=MIB)
    assert read(medium, 2 * MIB, 8 * MIB) == DATA[2 * MIB : 8 * MIB]
    # Each byte crossed once.
    assert sum(8 * MIB - int(each[6:].partition("-")[0]) for each in server.ranges[1:]) < 19 * MIB


def test_a_blob_that_was_left_in_the_middle_is_begun_anew(server: RangeServer, medium: RemoteMedium) -> None:
    medium.expect([(2 * MIB, 8 * MIB)])
    assert read(medium, 2 * MIB, 3 * MIB) == DATA[2 * MIB : 3 * MIB]
    assert read(medium, 2 * MIB, 4 * MIB) == DATA[2 * MIB : 4 * MIB]
    assert len(server.received) == 3


def test_a_thread_that_fails_leaves_the_others_alone(server: RangeServer, medium: RemoteMedium) -> None:
    server.faults[1] = Fault(reply=answer(403))
    with pytest.raises(RegistryError):
        read(medium, 2 * MIB, 3 * MIB)
    assert read(medium, 2 * MIB, 3 * MIB) == DATA[2 * MIB : 3 * MIB]


def test_nothing_is_asked_after_an_interruption(server: RangeServer, medium: RemoteMedium) -> None:
    medium.interrupt()
    with contextlib.suppress(RegistryError):
        read(medium, 2 * MIB, 3 * MIB)
    assert len(server.received) == 1
