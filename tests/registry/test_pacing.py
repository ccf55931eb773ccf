"""Limits that all transfers keep together."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace

import pytest
from support.clients import IMPATIENT, Recorder, options
from support.scripted_server import ScriptedServer, answer

from airgap_bundle.core.content import BytesSource, Digest, copy_verified, new_buffer
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.registry.client import RegistryClient
from airgap_bundle.registry.origin import Origin
from airgap_bundle.registry.pacing import Pacing

HOST = Origin(scheme="https", host="registry.example.com", port=443)
OTHER = Origin(scheme="https", host="storage.example.com", port=443)
BLOB = bytes(100_000)
DIGEST = Digest.of(BLOB)


_ONE_TRY = replace(IMPATIENT, attempts=1)


class Nowhere:
    def write(self, data: memoryview) -> None:
        pass


def test_without_a_limit_nobody_waits() -> None:
    pacing = Pacing()
    assert (pacing.spend(10**12, 0.0), pacing.piece(4_000_000)) == (0.0, 4_000_000)


def test_what_all_workers_move_together_keeps_the_rate() -> None:
    pacing = Pacing(1000)
    assert [pacing.spend(500, 10.0), pacing.spend(500, 10.0), pacing.spend(1000, 12.0)] == [0.5, 1.0, 1.0]


def test_idle_time_is_not_saved_up() -> None:
    pacing = Pacing(1000)
    pacing.spend(500, 0.0)
    assert pacing.spend(500, 1000.0) == 0.5


def test_under_a_limit_pieces_are_small() -> None:
    assert [Pacing(10_000_000).piece(4_000_000), Pacing(100).piece(4_000_000), Pacing(100).piece(10)] == [
        500_000,
        4096,
        10,
    ]


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="not a rate"):
        Pacing(0)


def test_a_pause_counts_for_its_host_alone_and_ends() -> None:
    pacing = Pacing()
    pacing.pause(HOST, 10.0)
    pacing.pause(HOST, 5.0)
    assert [pacing.pause_left(HOST, 4.0), pacing.pause_left(OTHER, 4.0), pacing.pause_left(HOST, 10.0)] == [6.0, 0, 0]


def test_reading_keeps_to_the_rate() -> None:
    recorder = Recorder()
    with ScriptedServer() as server:
        server.step("GET", f"/v2/a/b/blobs/{DIGEST}", answer(200, BLOB))
        with (
            RegistryClient(server.address, options(recorder, pacing=Pacing(50_000))) as registry,
            registry.open_blob("a/b", DIGEST, len(BLOB)) as stream,
        ):
            copy_verified(stream, Nowhere(), digest=DIGEST, size=len(BLOB), buffer=new_buffer())
    assert sum(recorder.pauses) == pytest.approx(2.0, abs=0.5)


def test_sending_keeps_to_the_rate() -> None:
    recorder = Recorder()
    with ScriptedServer() as server:
        server.step("POST", "/v2/a/b/blobs/uploads/", answer(202, location="/v2/a/b/blobs/uploads/1"))
        server.step("PUT", f"/v2/a/b/blobs/uploads/1?digest={DIGEST}", answer(201))
        with RegistryClient(server.address, options(recorder, pacing=Pacing(50_000))) as registry:
            registry.push_blob("a/b", DIGEST, len(BLOB), lambda: nullcontext(BytesSource(BLOB)), buffer=new_buffer())
    assert sum(recorder.pauses) == pytest.approx(2.0, abs=0.5)


def test_a_pause_that_one_client_was_told_is_kept_by_another_of_the_same_host() -> None:
    """Two names of images that come through one mirror are one host to the mirror."""
    recorder = Recorder()
    with ScriptedServer() as server:
        server.step("HEAD", f"/v2/a/blobs/{DIGEST}", answer(429, retry_after="7"))
        shared = options(recorder, patience=_ONE_TRY)
        with RegistryClient(server.address, shared) as first, RegistryClient(server.address, shared) as second:
            with pytest.raises(RegistryError, match="429"):
                first.has_blob("a", DIGEST, 1)
            assert recorder.pauses == []
            server.step("HEAD", f"/v2/b/blobs/{DIGEST}", answer(404))
            asking = threading.Thread(target=second.has_blob, args=("b", DIGEST, 1))
            asking.start()
            asking.join()
    assert recorder.pauses == pytest.approx([7.0], abs=0.5)
