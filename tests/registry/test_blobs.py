"""Reading and writing blobs over bad lines and with registries that do as they like."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import Logins, Recorder, login, options
from support.scripted_server import Received, ScriptedServer, answer, refusal

from airgap_bundle.core.content import BytesSource, ContentMismatchError, Digest, copy_verified, new_buffer
from airgap_bundle.core.errors import BundleError, RegistryError
from airgap_bundle.registry.client import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airgap_bundle.core.content import Source

BLOB = bytes(range(256)) * 2000
DIGEST = Digest.of(BLOB)
SIZE = len(BLOB)
PATH = f"/v2/a/b/blobs/{DIGEST}"
UPLOADS = "/v2/a/b/blobs/uploads/"
SESSION = "/v2/a/b/blobs/uploads/1?state=x"
PUT = f"{SESSION}&digest={DIGEST}"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def client(server: ScriptedServer, recorder: Recorder | None = None, **changes: Any) -> RegistryClient:
    return RegistryClient(server.address, options(recorder, **changes))


class Kept:
    """A sink that keeps."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: memoryview) -> None:
        self.data += data


def fetch(server: ScriptedServer, *, buffer_size: int = 100_000, **changes: Any) -> bytes:
    sink = Kept()
    with client(server, **changes) as registry, registry.open_blob("a/b", DIGEST, SIZE) as stream:
        copy_verified(stream, sink, digest=DIGEST, size=SIZE, buffer=new_buffer(buffer_size))
    return bytes(sink.data)


def part(start: int, end: int = SIZE, *, total: str = str(SIZE)) -> bytes:
    """The answer to a request for the bytes from `start` on."""
    return answer(206, BLOB[start:end], content_range=f"bytes {start}-{end - 1}/{total}")


def cut(reply: bytes, missing: int) -> bytes:
    return reply[:-missing]


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_a_blob_is_read(server: ScriptedServer) -> None:
    server.step("GET", PATH, answer(200, BLOB))
    assert fetch(server) == BLOB


def test_a_dropped_blob_goes_on_where_it_was(server: ScriptedServer) -> None:
    half = SIZE // 2
    server.step("GET", PATH, cut(answer(200, BLOB), SIZE - half), cut=True)
    server.step("GET", PATH, part(half))
    assert fetch(server) == BLOB
    assert server.received[1].headers["range"] == f"bytes={half}-"


def test_many_drops_are_survived_as_long_as_it_gets_on(server: ScriptedServer) -> None:
    step = 70_000
    server.step("GET", PATH, cut(answer(200, BLOB), SIZE - step), cut=True)
    for start in range(step, SIZE - step, step):
        server.step("GET", PATH, cut(part(start), SIZE - start - step), cut=True)
    server.step("GET", PATH, part(start + step))
    assert fetch(server) == BLOB


def test_drops_without_progress_end(server: ScriptedServer) -> None:
    server.step("GET", PATH, cut(answer(200, BLOB), SIZE - 10), cut=True)
    for start in range(10, 14):
        server.step("GET", PATH, cut(part(start), SIZE - start - 1), cut=True)
    with pytest.raises(RegistryError) as caught:
        fetch(server)
    assert caught.value.code == "AB-NETWORK-DROPPED"
    assert DIGEST in caught.value.message


def test_a_registry_that_ignores_ranges_is_read_again_from_the_front(server: ScriptedServer) -> None:
    server.step("GET", PATH, cut(answer(200, BLOB), 1000), cut=True).step("GET", PATH, answer(200, BLOB))
    assert fetch(server) == BLOB


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(part(0), id="from the front"),
        pytest.param(part(SIZE - 500), id="too far"),
        pytest.param(part(SIZE - 1000, SIZE - 1), id="too short"),
        pytest.param(answer(206, BLOB[-1000:]), id="without saying which"),
    ],
)
def test_another_range_than_asked_for_is_refused(server: ScriptedServer, reply: bytes) -> None:
    server.step("GET", PATH, cut(answer(200, BLOB), 1000), cut=True).step("GET", PATH, reply)
    with pytest.raises(RegistryError):
        fetch(server)


def test_a_part_that_nobody_asked_for_is_refused(server: ScriptedServer) -> None:
    server.step("GET", PATH, part(0))
    with pytest.raises(RegistryError):
        fetch(server)


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1, 0, 10**18])
def test_another_length_than_promised_is_refused(server: ScriptedServer, size: int) -> None:
    server.step("GET", PATH, answer(200, BLOB, content_length=str(size)), cut=True)
    with pytest.raises(RegistryError, match="instead of"):
        fetch(server)


def test_a_blob_in_chunks_that_is_too_long_is_noticed(server: ScriptedServer) -> None:
    raw = BLOB + b"x"
    chunks = b"%x\r\n" % len(raw) + raw + b"\r\n0\r\n\r\n"
    server.step("GET", PATH, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    with pytest.raises(ContentMismatchError, match="more than"):
        fetch(server)


def test_wrong_bytes_are_noticed_by_whoever_copies(server: ScriptedServer) -> None:
    server.step("GET", PATH, answer(200, BLOB[:-1] + b"\x00"))
    with pytest.raises(ContentMismatchError):
        fetch(server)


def test_a_blob_that_drips_is_left_and_resumed(server: ScriptedServer) -> None:
    head = len(answer(200, BLOB)) - SIZE
    server.step("GET", PATH, answer(200, BLOB), drip=0.02, drip_from=head + 1000)
    server.always("GET", "/never", answer(200))
    seen: list[int] = []

    def rest(request: Received) -> bytes:
        start = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        seen.append(start)
        return part(start)

    server.step("GET", PATH, rest)
    assert fetch(server) == BLOB
    assert 1000 <= seen[0] < 1100


def test_a_missing_blob_is_noticed_when_it_is_opened(server: ScriptedServer) -> None:
    server.step("GET", PATH, refusal(404, "BLOB_UNKNOWN", "no such blob"))
    with client(server) as registry, pytest.raises(RegistryError, match="BLOB_UNKNOWN"):
        registry.open_blob("a/b", DIGEST, SIZE)


def test_a_resumed_blob_asks_the_registry_again_and_not_the_storage(server: ScriptedServer) -> None:
    with ScriptedServer() as storage:
        server.step("GET", PATH, answer(307, location=f"http://{storage.address}/signed?1"))
        storage.step("GET", "/signed?1", cut(answer(200, BLOB), 1000), cut=True)
        server.step("GET", PATH, answer(307, location=f"http://{storage.address}/signed?2"))
        storage.step("GET", "/signed?2", part(SIZE - 1000))
        assert fetch(server, follow_redirects_elsewhere=True) == BLOB
        assert "range" in storage.received[1].headers


def test_threads_share_a_client(server: ScriptedServer) -> None:
    server.always("GET", PATH, answer(200, BLOB))
    wrong: list[bytes] = []
    with client(server) as registry:

        def read() -> None:
            for _ in range(5):
                sink = Kept()
                with registry.open_blob("a/b", DIGEST, SIZE) as stream:
                    copy_verified(stream, sink, digest=DIGEST, size=SIZE, buffer=new_buffer(70_000))
                if bytes(sink.data) != BLOB:
                    wrong.append(bytes(sink.data))

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert server.connections <= 4


@pytest.mark.parametrize(
    ("reply", "there"),
    [
        (answer(200, content_length=str(SIZE), docker_content_digest=DIGEST), True),
        (answer(404), False),
        (answer(307, location="http://storage.example/x"), True),
    ],
)
def test_presence(server: ScriptedServer, reply: bytes, *, there: bool) -> None:
    server.step("HEAD", PATH, reply)
    with client(server) as registry:
        assert registry.has_blob("a/b", DIGEST, SIZE) is there


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, content_length="1"),
        answer(200, content_length=str(SIZE), docker_content_digest="sha256:" + "0" * 64),
        answer(403),
        answer(302, location="http://login.example/"),
    ],
)
def test_doubtful_presence_is_an_error(server: ScriptedServer, reply: bytes) -> None:
    server.step("HEAD", PATH, reply)
    with client(server) as registry, pytest.raises(RegistryError):
        registry.has_blob("a/b", DIGEST, SIZE)


# --- Writing ----------------------------------------------------------------------------------------------------------


class Opened:
    """Opens a source each time that it is asked, and counts."""

    def __init__(self, data: bytes = BLOB) -> None:
        self.data = data
        self.count = 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Source]:
        self.count += 1
        yield BytesSource(self.data)


def push(
    server: ScriptedServer,
    opened: Opened | None = None,
    *,
    moved: Callable[[int], None] | None = None,
    recorder: Recorder | None = None,
    size: int = SIZE,
    digest: Digest = DIGEST,
    **changes: Any,
) -> None:
    with client(server, recorder, **changes) as registry:
        registry.push_blob("a/b", digest, size, opened or Opened(), buffer=new_buffer(100_000), moved=moved)


ACCEPTED = answer(202, location=SESSION)


def test_a_blob_is_uploaded_in_one_request(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, ACCEPTED).step("PUT", PUT, answer(201, docker_content_digest=DIGEST))
    moved: list[int] = []
    push(server, moved=moved.append)
    assert server.received[1].body == BLOB
    assert server.connections == 1
    assert (sum(moved), max(moved)) == (SIZE, 100_000)


def test_content_of_no_bytes_is_uploaded_too(server: ScriptedServer) -> None:
    empty = Digest.of(b"")
    server.step("POST", UPLOADS, ACCEPTED).step("PUT", f"{SESSION}&digest={empty}", answer(201))
    push(server, Opened(b""), size=0, digest=empty)


def test_the_last_piece_of_wrong_bytes_never_leaves(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, ACCEPTED).always("PUT", SESSION.partition("?")[0], answer(201))
    with pytest.raises(ContentMismatchError):
        push(server, Opened(BLOB[:-1] + b"\x00"))
    assert [request for request in server.received if request.method == "PUT" and len(request.body) == SIZE] == []


def test_wrong_bytes_that_fit_in_one_piece_send_nothing(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, ACCEPTED)
    with client(server) as registry, pytest.raises(ContentMismatchError):
        registry.push_blob("a/b", Digest.of(b"right"), 5, Opened(b"wrong"), buffer=new_buffer(100))


def test_what_the_source_raises_passes_through(server: ScriptedServer) -> None:
    class Broken:
        def readinto(self, buffer: memoryview, /) -> int:
            raise BundleError("AB-BUNDLE-TEST", "the medium is unreadable")

    server.step("POST", UPLOADS, ACCEPTED)
    with client(server) as registry, pytest.raises(BundleError):
        registry.push_blob("a/b", DIGEST, SIZE, lambda: contextlib.nullcontext(Broken()), buffer=new_buffer(100))


def test_a_dropped_upload_starts_again_from_the_front(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, ACCEPTED).step("PUT", PUT, b"", read_body=50_000, cut=True)
    server.step("HEAD", PATH, answer(404)).step("POST", UPLOADS, ACCEPTED).step("PUT", PUT, answer(201))
    opened, moved = Opened(), list[int]()
    push(server, opened, moved=moved.append)
    assert opened.count == 2
    assert sum(moved) == SIZE
    assert server.received[-1].body == BLOB


def test_an_upload_whose_answer_was_lost_is_not_done_twice(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, ACCEPTED).step("PUT", PUT, b"", cut=True)
    server.step("HEAD", PATH, answer(200, content_length=str(SIZE)))
    opened, moved = Opened(), list[int]()
    push(server, opened, moved=moved.append)
    assert (opened.count, sum(moved)) == (1, SIZE)


@pytest.mark.parametrize("status", [404, 416, 500, 503])
def test_a_lost_session_starts_again(server: ScriptedServer, status: int) -> None:
    server.step("POST", UPLOADS, ACCEPTED).step("PUT", PUT, refusal(status, "BLOB_UPLOAD_UNKNOWN", "gone"))
    server.step("HEAD", PATH, answer(404)).step("POST", UPLOADS, ACCEPTED).step("PUT", PUT, answer(201))
    push(server)


def test_silence_after_the_whole_body_is_not_waited_for_without_end(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, ACCEPTED).step("PUT", PUT, answer(201), silence=0.8, cut=True)
    server.step("HEAD", PATH, answer(200, content_length=str(SIZE)))
    push(server)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refusal(403, "DENIED", "project quota exceeded"), "AB-REGISTRY-QUOTA"),
        (refusal(400, "DIGEST_INVALID", "no"), "AB-REGISTRY-REFUSED"),
    ],
)
def test_an_answer_before_the_end_of_the_body_is_heard(server: ScriptedServer, reply: bytes, code: str) -> None:
    big = bytes(20_000_000)
    digest = Digest.of(big)
    server.step("POST", UPLOADS, ACCEPTED)
    server.step("PUT", f"{SESSION}&digest={digest}", reply, read_body=1000)
    with client(server) as registry, pytest.raises(RegistryError) as caught:
        registry.push_blob("a/b", digest, len(big), Opened(big), buffer=new_buffer(1_000_000))
    server._complaints.clear()  # what it had not read looks like a request to the server
    assert caught.value.code == code


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://evil.example/v2/a/b/blobs/uploads/1",
        "//evil.example/upload",
        "file:///tmp/x",
        "http://127.0.0.1:1/upload",
    ],
)
def test_uploads_go_to_the_registry_itself(server: ScriptedServer, location: str) -> None:
    server.step("POST", UPLOADS, answer(202, location=location))
    opened = Opened()
    with pytest.raises(RegistryError):
        push(server, opened, follow_redirects_elsewhere=True)
    assert opened.count == 0


def test_an_upload_that_is_redirected_to_another_host_is_refused(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, ACCEPTED).step("PUT", PUT, answer(307, location="http://evil.example/"))
    with pytest.raises(RegistryError) as caught:
        push(server)
    assert caught.value.code == "AB-REGISTRY-LOCATION"


def test_a_relative_location_is_understood(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, answer(202, location="7")).step("PUT", f"{UPLOADS}7?digest={DIGEST}", answer(201))
    push(server)


def test_another_digest_than_sent_is_noticed(server: ScriptedServer) -> None:
    server.step("POST", UPLOADS, ACCEPTED)
    server.step("PUT", PUT, answer(201, docker_content_digest="sha256:" + "0" * 64))
    with pytest.raises(RegistryError, match="says that it stored"):
        push(server)


def test_a_token_that_runs_out_under_way_never_sends_an_empty_body(server: ScriptedServer) -> None:
    challenge = answer(401, www_authenticate=f'Bearer realm="http://{server.address}/token"')
    server.always("GET", "/token", answer(200, '{"token": "t1"}'))
    server.step("POST", UPLOADS, challenge).step("POST", UPLOADS, ACCEPTED).step("PUT", PUT, challenge)
    server.step("HEAD", PATH, answer(404)).step("POST", UPLOADS, ACCEPTED).step("PUT", PUT, answer(201))
    push(server, credentials=Logins({server.address: login()}))
    assert [len(request.body) for request in server.received if request.method == "PUT"] == [SIZE, SIZE]


def mount(server: ScriptedServer) -> bool:
    with client(server) as registry:
        return registry.mount_blob("a/b", DIGEST, "c")


MOUNT = f"{UPLOADS}?mount={DIGEST}&from=c"


@pytest.mark.parametrize(
    ("reply", "mounted"), [(answer(201), True), (ACCEPTED, False), (answer(405), False), (answer(404), False)]
)
def test_a_mount_says_whether_it_worked(server: ScriptedServer, reply: bytes, *, mounted: bool) -> None:
    server.step("POST", MOUNT, reply)
    assert mount(server) is mounted


def test_a_mount_asks_for_both_repositories(server: ScriptedServer) -> None:
    challenge = answer(401, www_authenticate=f'Bearer realm="http://{server.address}/token"')
    server.step("POST", MOUNT, challenge)
    server.step(
        "GET",
        "/token?scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository%3Ac%3Apull",
        answer(200, '{"token": "t"}'),
    )
    server.step("POST", MOUNT, answer(201))
    assert mount(server)


def test_the_session_of_a_refused_mount_is_used_for_the_upload(server: ScriptedServer) -> None:
    server.step("POST", MOUNT, ACCEPTED).step("PUT", PUT, answer(201))
    with client(server) as registry:
        registry.mount_blob("a/b", DIGEST, "c")
        registry.push_blob("a/b", DIGEST, SIZE, Opened(), buffer=new_buffer())


def test_a_registry_that_is_down_for_good_is_an_error(server: ScriptedServer) -> None:
    for _ in range(5):
        server.step("POST", UPLOADS, refusal(503, "UNAVAILABLE", "read-only for maintenance"))
    with pytest.raises(RegistryError, match="read-only for maintenance"):
        push(server)
