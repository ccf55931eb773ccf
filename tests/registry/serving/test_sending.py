"""Clients that hardly read do not hold a thread for ever."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.registry.serving import sending
from airgap_bundle.registry.serving.sending import Pace, send_all, send_file
from airgap_bundle.registry.wsgi import FileSlice

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("is_tls", [False, True])
def test_a_part_of_a_file_arrives_whole(tmp_path: Path, *, is_tls: bool) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(data)
    here, there = socket.socketpair()
    received = bytearray()

    def read() -> None:
        while piece := there.recv(100_000):
            received.extend(piece)

    with here, there, (tmp_path / "file").open("rb", buffering=0) as file:
        reader = threading.Thread(target=read)
        reader.start()
        assert send_file(here, FileSlice(file, 1000, 700_000), idle_seconds=5, is_tls=is_tls) == 700_000
        here.shutdown(socket.SHUT_WR)
        reader.join()
    assert bytes(received) == data[1000:701_000]


@pytest.mark.parametrize("is_tls", [False, True])
def test_a_file_that_has_become_shorter_ends_the_connection(tmp_path: Path, *, is_tls: bool) -> None:
    (tmp_path / "file").write_bytes(b"short")
    here, there = socket.socketpair()
    with here, there, (tmp_path / "file").open("rb", buffering=0) as file, pytest.raises(ConnectionAbortedError):
        send_file(here, FileSlice(file, 0, 10), idle_seconds=5, is_tls=is_tls)


@pytest.mark.parametrize("is_tls", [False, True])
def test_who_reads_nothing_is_given_up(tmp_path: Path, *, is_tls: bool) -> None:
    (tmp_path / "file").write_bytes(bytes(10_000_000))
    here, there = socket.socketpair()
    with here, there, (tmp_path / "file").open("rb", buffering=0) as file, pytest.raises(TimeoutError):
        send_file(here, FileSlice(file, 0, 10_000_000), idle_seconds=0.1, is_tls=is_tls)


def test_who_reads_a_little_now_and_then_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(sending, "_MIN_BYTES_PER_SECOND", 10_000_000_000)
    here, there = socket.socketpair()
    stop = threading.Event()

    def read() -> None:
        while not stop.wait(0.01):
            there.recv(10_000)

    with here, there:
        here.settimeout(5)
        reader = threading.Thread(target=read)
        reader.start()
        with pytest.raises(TimeoutError):
            send_all(here, bytes(10_000_000), Pace())
        stop.set()
        reader.join()
