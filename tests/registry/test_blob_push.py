"""Long blobs in chunks: gone on with after a kill, and for registries that take only so much at once, or no chunks."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import IMPATIENT, Recorder, options
from support.registries import debian_registry, embedded_registry
from support.scripted_server import ScriptedServer, answer, refusal

from airgap_bundle.boundary.unfinished import UnfinishedUploads
from airgap_bundle.core.content import BytesSource, ContentMismatchError, Digest, new_buffer
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry import blob_push
from airgap_bundle.registry.client import RegistryClient
from airgap_bundle.registry.watch import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK = 40_000
BLOB = bytes(range(256)) * 390 + b"end"
DIGEST = Digest.of(BLOB)
SIZE = len(BLOB)
PATH = f"/v2/a/b/blobs/{DIGEST}"
UPLOADS = "/v2/a/b/blobs/uploads/"


@pytest.fixture(autouse=True)
def chunks_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_push, "CHUNK_BYTES", CHUNK)
    monkeypatch.setattr(blob_push, "_SMALLER_CHUNKS", (CHUNK, 20_000, 1000))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def memory(tmp_path: Path) -> UnfinishedUploads:
    return UnfinishedUploads(tmp_path / "uploads")


def push(address: str, data: bytes = BLOB, **changes: Any) -> list[int]:
    """Push and say what was told of the progress."""
    moved: list[int] = []
    with RegistryClient(address, options(**changes)) as registry:
        registry.push_blob(
            "a/b", DIGEST, SIZE, lambda: nullcontext(BytesSource(data)), buffer=new_buffer(30_000), moved=moved.append
        )
    return moved


def opened(number: int, **headers: str) -> bytes:
    return answer(202, location=f"{UPLOADS}{number}?state=x", **headers)


def put(number: int) -> str:
    return f"{UPLOADS}{number}?state=x&digest={DIGEST}"


def patch(number: int) -> str:
    return f"{UPLOADS}{number}?state=x"


def test_a_long_blob_goes_in_chunks_each_to_where_the_one_before_said(
    server: ScriptedServer, memory: UnfinishedUploads
) -> None:
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), opened(2))
    server.step("PATCH", patch(2), opened(3)).step("PUT", put(3), answer(201, docker_content_digest=DIGEST))
    assert sum(push(server.address, uploads=memory)) == SIZE
    bodies = [request.body for request in server.received[1:]]
    assert (b"".join(bodies), list(map(len, bodies))) == (BLOB, [CHUNK, CHUNK, SIZE - 2 * CHUNK])
    assert [request.headers.get("content-range") for request in server.received[1:]] == [
        "0-39999",
        "40000-79999",
        f"80000-{SIZE - 1}",
    ]


def test_a_chunk_without_a_new_place_goes_on_at_the_old_one(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), answer(202)).step("PATCH", patch(1), answer(202))
    server.step("PUT", put(1), answer(201))
    push(server.address)


def test_a_chunk_that_points_to_another_host_is_refused(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), answer(202, location="http://evil.example/x"))
    with pytest.raises(RegistryError) as caught:
        push(server.address)
    assert caught.value.code == "AB-REGISTRY-LOCATION"


def cut_off(server: ScriptedServer, memory: UnfinishedUploads) -> None:
    """A first run that ends in the second chunk."""
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), opened(2)).step("PATCH", patch(2), b"", cut=True)

    class Killed(BaseException):
        pass

    class Source(BytesSource):
        def readinto(self, buffer: memoryview, /) -> int:
            if self.position > CHUNK:
                raise Killed
            return super().readinto(buffer)

    with RegistryClient(server.address, options(uploads=memory)) as registry, pytest.raises(Killed):
        registry.push_blob("a/b", DIGEST, SIZE, lambda: nullcontext(Source(BLOB)), buffer=new_buffer(30_000))
    deadline = time.monotonic() + 5
    while len(server.received) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)  # the server has to notice before the next run begins


def test_after_a_kill_only_what_the_registry_lacks_is_sent(server: ScriptedServer, memory: UnfinishedUploads) -> None:
    cut_off(server, memory)
    server.step("GET", patch(2), answer(204, range="0-59999", location=f"{UPLOADS}5?state=x"))
    server.step("PUT", f"{UPLOADS}5?state=x&digest={DIGEST}", answer(201))
    assert sum(push(server.address, uploads=memory)) == SIZE
    assert server.received[-1].body == BLOB[60_000:]
    assert server.received[-1].headers["content-range"] == "60000-99842"


def test_a_registry_that_has_not_noticed_the_kill_yet_is_given_a_moment(
    server: ScriptedServer, memory: UnfinishedUploads
) -> None:
    cut_off(server, memory)
    server.step("GET", patch(2), answer(409)).step("GET", patch(2), answer(204, range="0-79999"))
    server.step("PUT", put(2), answer(201))
    recorder = Recorder()
    push(server.address, uploads=memory, sleep=recorder.pauses.append)
    assert recorder.pauses == [0.25]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(refusal(404, "BLOB_UPLOAD_UNKNOWN", "expired"), id="expired"),
        pytest.param(refusal(400, "BLOB_UPLOAD_INVALID", "wrong state"), id="invalid"),
        pytest.param(answer(204), id="without saying how far"),
        pytest.param(answer(204, range="0-0"), id="nothing yet"),
        pytest.param(answer(204, range=f"0-{SIZE}"), id="more than there is"),
        pytest.param(answer(204, range="5-10"), id="not from the front"),
    ],
)
def test_a_session_that_has_ended_starts_anew(server: ScriptedServer, memory: UnfinishedUploads, reply: bytes) -> None:
    cut_off(server, memory)
    server.step("GET", patch(2), reply)
    server.step("POST", UPLOADS, opened(7)).step("PATCH", patch(7), opened(8)).step("PATCH", patch(8), opened(9))
    server.step("PUT", put(9), answer(201))
    push(server.address, uploads=memory)


def test_what_the_registry_had_may_have_been_wrong(server: ScriptedServer, memory: UnfinishedUploads) -> None:
    cut_off(server, memory)
    server.step("GET", patch(2), answer(204, range="0-79999"))
    server.step("PUT", put(2), refusal(400, "DIGEST_INVALID", "no")).step("HEAD", PATH, answer(404))
    server.step("POST", UPLOADS, opened(7)).step("PATCH", patch(7), opened(8)).step("PATCH", patch(8), opened(9))
    server.step("PUT", put(9), answer(201))
    assert sum(push(server.address, uploads=memory)) == SIZE


def test_a_dropped_chunk_goes_on_where_the_registry_is(server: ScriptedServer, memory: UnfinishedUploads) -> None:
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), opened(2))
    server.step("PATCH", patch(2), b"", cut=True).step("HEAD", PATH, answer(404))
    server.step("GET", patch(2), answer(204, range="0-79999")).step("PUT", put(2), answer(201))
    assert sum(push(server.address, uploads=memory)) == SIZE
    assert server.received[-1].body == BLOB[80_000:]


def test_an_upload_that_expires_in_the_middle_starts_anew(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), opened(2))
    server.step("PATCH", patch(2), refusal(404, "BLOB_UPLOAD_UNKNOWN", "expired"))
    server.step("POST", UPLOADS, opened(7)).step("PUT", put(7), answer(201))
    assert sum(push(server.address)) == SIZE


@pytest.mark.parametrize("status", [400, 404, 405, 416, 501])
def test_a_registry_without_chunks_gets_it_in_one_request_from_then_on(server: ScriptedServer, status: int) -> None:
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), answer(status))
    server.step("POST", UPLOADS, opened(2)).step("PUT", put(2), answer(201))
    server.step("POST", UPLOADS, opened(3)).step("PUT", put(3), answer(201))
    with RegistryClient(server.address, options()) as registry:
        for _ in range(2):
            registry.push_blob("a/b", DIGEST, SIZE, lambda: nullcontext(BytesSource(BLOB)), buffer=new_buffer(30_000))
    assert server.received[-1].body == BLOB


def test_what_is_too_large_goes_in_smaller_chunks_from_then_on(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), answer(413)).step("POST", UPLOADS, opened(2))
    for number in range(2, 6):
        server.step("PATCH", patch(number), opened(number + 1))
    server.step("PUT", put(6), answer(201))
    push(server.address)
    assert [len(request.body) for request in server.received[3:]] == [20_000] * 4 + [SIZE - 80_000]


def test_what_is_too_large_in_the_smallest_pieces_is_an_error(server: ScriptedServer) -> None:
    for number in range(3):
        server.step("POST", UPLOADS, opened(number)).step("PATCH", patch(number), answer(413))
    with pytest.raises(RegistryError) as caught:
        push(server.address)
    assert caught.value.code == "AB-REGISTRY-TOO-LARGE"


def test_the_least_that_a_registry_takes_at_once_is_kept_to(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, opened(1, oci_chunk_min_length="60000"))
    server.step("PATCH", patch(1), opened(2)).step("PUT", put(2), answer(201))
    push(server.address)
    assert len(server.received[1].body) == 60_000


def test_a_registry_that_takes_neither_less_nor_more_is_an_error(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, opened(1, oci_chunk_min_length="60000")).step("PATCH", patch(1), answer(413))
    with pytest.raises(RegistryError) as caught:
        push(server.address)
    assert caught.value.code == "AB-REGISTRY-TOO-LARGE"


def test_wrong_bytes_are_never_committed_and_not_gone_on_with(
    server: ScriptedServer, memory: UnfinishedUploads, tmp_path: Path
) -> None:
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), opened(2)).step("PATCH", patch(2), opened(3))
    server.step("PUT", put(3), b"", cut=True)
    with pytest.raises(ContentMismatchError):
        push(server.address, BLOB[:-1] + b"?", uploads=memory)
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_session_that_was_opened_beforehand_is_used(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), opened(2)).step("PATCH", patch(2), opened(3))
    server.step("PUT", put(3), answer(201))
    with RegistryClient(server.address, options()) as registry:
        registry.prepare_push("a/b", DIGEST, total_bytes=SIZE)
        registry.push_blob("a/b", DIGEST, SIZE, lambda: nullcontext(BytesSource(BLOB)), buffer=new_buffer(30_000))


def test_a_registry_that_does_not_let_us_push_says_so_beforehand(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, refusal(403, "DENIED", "requested access is denied"))
    with RegistryClient(server.address, options()) as registry, pytest.raises(RegistryError, match="begin the upload"):
        registry.prepare_push("a/b", DIGEST, total_bytes=SIZE)


@pytest.mark.parametrize("text", ["", "x", "other/name\n/v2/x", "\xff", "a" * 10_000])
def test_what_does_not_look_like_ours_is_forgotten(memory: UnfinishedUploads, tmp_path: Path, text: str) -> None:
    memory.keep("host/a@b", "/v2/a")
    assert memory.recall("host/a@b") == "/v2/a"
    (kept,) = (tmp_path / "uploads").iterdir()
    kept.write_text(text)
    assert memory.recall("host/a@b") is None


def test_a_remembered_place_that_is_no_path_is_not_asked(server: ScriptedServer, memory: UnfinishedUploads) -> None:
    memory.keep(f"{server.address}/a/b@{DIGEST}", "http://evil.example/ x")
    server.step("POST", UPLOADS, opened(1)).step("PATCH", patch(1), opened(2)).step("PATCH", patch(2), opened(3))
    server.step("PUT", put(3), answer(201))
    push(server.address, uploads=memory)


def test_our_registry_takes_chunks_and_goes_on_inside_one(tmp_path: Path, memory: UnfinishedUploads) -> None:
    with embedded_registry(tmp_path / "r") as running:
        _kill_and_go_on(running.address, memory)


def test_docker_registry_takes_chunks_and_survives_a_kill_inside_one(tmp_path: Path, memory: UnfinishedUploads) -> None:
    with debian_registry(tmp_path / "r") as address:
        _kill_and_go_on(address, memory)


def _kill_and_go_on(address: str, memory: UnfinishedUploads) -> None:
    class Killed(BaseException):
        pass

    class Source(BytesSource):
        def readinto(self, buffer: memoryview, /) -> int:
            if self.position > 2 * CHUNK:
                raise Killed
            return super().readinto(buffer)

    with RegistryClient(address, options(uploads=memory)) as registry, pytest.raises(Killed):
        registry.push_blob("a/b", DIGEST, SIZE, lambda: nullcontext(Source(BLOB)), buffer=new_buffer(30_000))
    push(address, uploads=memory)
    with RegistryClient(address, options()) as registry:
        assert registry.has_blob("a/b", DIGEST, SIZE)


def test_a_receiver_that_only_pretends_to_take_is_left() -> None:
    """It takes 200 bytes every 50 ms, so that no single write times out for ever."""
    big = bytes(16_000_000)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    head = connection.recv(1000)
                    if head.startswith(b"POST"):
                        connection.sendall(opened(1))
                        head = connection.recv(1000)
                    while not done.is_set() and connection.recv(200):
                        time.sleep(0.05)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        digest = Digest.of(big)
        with (
            RegistryClient(
                f"127.0.0.1:{listener.getsockname()[1]}", options(patience=replace(IMPATIENT, attempts=1))
            ) as registry,
            pytest.raises(RegistryError) as caught,
        ):
            registry.push_blob("a/b", digest, len(big), lambda: nullcontext(BytesSource(big)), buffer=new_buffer())
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    assert caught.value.code == "AB-NETWORK-TIMEOUT"


def test_a_pace_is_judged_by_the_time_that_the_other_side_takes() -> None:
    pace = Pace(IMPATIENT)
    assert [pace.judge(0.06, 500, "took"), pace.judge(0.03, 500, "took")] == [None, None]
    fault = pace.judge(0.02, 0, "took")
    assert fault is not None
    assert str(fault) == "took 1000 bytes in 0 s, which is no transfer any more"
    assert pace.judge(0.2, 2001, "took") is None
