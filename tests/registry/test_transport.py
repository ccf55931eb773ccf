from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from support.clients import Recorder, options
from support.scripted_server import ScriptedServer, answer

from airgap_bundle.core.errors import HostError
from airgap_bundle.registry.connections import Connections
from airgap_bundle.registry.faults import LineFaultError
from airgap_bundle.registry.origin import registry_origin
from airgap_bundle.registry.transport import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def connections(server: ScriptedServer) -> Iterator[Connections]:
    made = Connections(registry_origin(server.address, ()), options())
    yield made
    made.close()


def ask(server: ScriptedServer, connections: Connections, *, method: str = "GET", is_blob: bool = False) -> Answer:
    origin = registry_origin(server.address, ())
    return connections.exchange(Request(method=method, origin=origin, target="/x", is_blob=is_blob))


def read(server: ScriptedServer, connections: Connections, *, is_blob: bool = False, limit: int = 1000) -> bytes | None:
    return ask(server, connections, is_blob=is_blob).read(limit)


def fault_of(server: ScriptedServer, connections: Connections, *, is_blob: bool = False) -> LineFaultError:
    with pytest.raises(LineFaultError) as caught:
        read(server, connections, is_blob=is_blob)
    return caught.value


def test_a_connection_is_used_again(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", answer(200, "one")).step("GET", "/x", answer(200, "two"))
    assert [read(server, connections), read(server, connections)] == [b"one", b"two"]
    assert server.connections == 1


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(
    server: ScriptedServer, connections: Connections
) -> None:
    server.step("GET", "/x", answer(200, "one"), cut=True).step("GET", "/x", answer(200, "two"))
    read(server, connections)
    assert read(server, connections) == b"two"


def test_a_kept_connection_that_dies_when_it_is_used_is_replaced_at_once(
    server: ScriptedServer, connections: Connections
) -> None:
    server.step("GET", "/x", answer(200, "one")).step("GET", "/x", b"", cut=True).step("GET", "/x", answer(200, "two"))
    read(server, connections)
    assert read(server, connections) == b"two"
    assert server.connections == 2


def test_an_answer_that_says_close_closes(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", answer(200, "one", connection="close"), cut=True).step("GET", "/x", answer(200))
    read(server, connections)
    read(server, connections)
    assert server.connections == 2


def test_a_head_request_has_a_length_and_no_body(server: ScriptedServer, connections: Connections) -> None:
    server.step("HEAD", "/x", answer(200, content_length="4711")).step("HEAD", "/x", answer(404, content_length="9"))
    with ask(server, connections, method="HEAD") as found:
        assert (found.length, found.read(10)) == (4711, b"")
    assert ask(server, connections, method="HEAD").read(10) == b""
    assert server.connections == 1


def test_nothing_but_identity_is_asked_for(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", answer(200))
    read(server, connections)
    assert server.received[0].headers["accept-encoding"] == "identity"
    assert "cookie" not in server.received[0].headers


def test_an_encoded_answer_is_refused(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", answer(200, "zzz", content_encoding="gzip"))
    assert fault_of(server, connections).code == "AB-NETWORK-ENCODING"


def test_two_lengths_are_refused(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")
    assert fault_of(server, connections).code == "AB-NETWORK-PROTOCOL"


def test_a_length_besides_chunks_is_refused(server: ScriptedServer, connections: Connections) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    server.step("GET", "/x", raw)
    assert fault_of(server, connections).code == "AB-NETWORK-PROTOCOL"


def test_a_body_in_chunks_is_read(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert read(server, connections) == b"abcde"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", id="in the body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", id="in a chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="in the head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: y\r\n", id="between head and body"),
        pytest.param(b"", id="before the answer"),
    ],
)
def test_a_line_that_is_cut_is_a_fault_to_try_again(
    raw: bytes, server: ScriptedServer, connections: Connections
) -> None:
    server.step("GET", "/x", raw, cut=True)
    fault = fault_of(server, connections)
    assert fault.retry
    assert fault.code == "AB-NETWORK-DROPPED"


def test_what_is_no_http_is_a_fault_for_good(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", b"SSH-2.0-OpenSSH_9.2\r\n", cut=True)
    fault = fault_of(server, connections)
    assert (fault.code, fault.retry) == ("AB-NETWORK-PROTOCOL", False)


def test_silence_is_a_time_out(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", answer(200), silence=0.5)
    assert fault_of(server, connections).code == "AB-NETWORK-TIMEOUT"


def test_a_drip_of_bytes_is_noticed_by_its_rate(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", answer(200, b"x" * 100), drip=0.02, drip_from=60)
    fault = fault_of(server, connections, is_blob=True)
    assert fault.code == "AB-NETWORK-TIMEOUT"
    assert "no transfer any more" in fault.reason


def test_a_drip_in_the_head_is_noticed_too(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", answer(200, b"x"), drip=0.02)
    assert fault_of(server, connections).code == "AB-NETWORK-TIMEOUT"


def test_a_body_over_the_limit_is_not_read(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", answer(200, b"x" * 11)).step("GET", "/x", answer(200, b"x" * 10))
    assert read(server, connections, limit=10) is None
    assert read(server, connections, limit=10) == b"x" * 10


def test_what_a_dropped_line_had_brought_is_kept(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", cut=True)
    buffer = memoryview(bytearray(100))
    with ask(server, connections, is_blob=True) as found:
        assert found.readinto(buffer) == 3
        with pytest.raises(LineFaultError):
            found.readinto(buffer)


def test_a_name_that_does_not_resolve_says_so() -> None:
    connections = Connections(registry_origin("registry.invalid", ()), options())
    with pytest.raises(LineFaultError) as caught:
        connections.exchange(Request(method="GET", origin=registry_origin("registry.invalid", ()), target="/"))
    assert caught.value.code == "AB-NETWORK-NAME"


def test_a_closed_port_says_so() -> None:
    origin = registry_origin("127.0.0.1:1", ())
    with pytest.raises(LineFaultError) as caught:
        Connections(origin, options()).exchange(Request(method="GET", origin=origin, target="/"))
    assert (caught.value.code, caught.value.retry) == ("AB-NETWORK-REFUSED", True)


def test_closing_lets_go_of_connections_in_use(server: ScriptedServer, connections: Connections) -> None:
    server.step("GET", "/x", answer(200, b"x" * 10))
    held = ask(server, connections)
    connections.close()
    held.close()
    gc.collect()  # a socket left open would warn here, and warnings are errors


def test_a_certificate_file_that_is_none_is_the_fault_of_this_machine(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("not a certificate")
    origin = registry_origin("registry.example.com", ())
    connections = Connections(origin, options(Recorder(), ca_file=broken))
    with pytest.raises(HostError, match=r"ca\.pem"):
        connections.exchange(Request(method="GET", origin=origin, target="/"))
