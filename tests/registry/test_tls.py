from __future__ import annotations

import socket
import ssl
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from support.certificates import Authority, authority
from support.clients import options
from support.scripted_server import ScriptedServer, answer

from airgap_bundle.core.content import BytesSource, Digest, new_buffer
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry.client import RegistryClient
from airgap_bundle.registry.connections import Connections
from airgap_bundle.registry.faults import LineFaultError
from airgap_bundle.registry.origin import Origin
from airgap_bundle.registry.transport import Request

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.registry.options import ClientOptions


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


def secure(server: ScriptedServer) -> Origin:
    """Loopback over TLS, which a registry's name alone never leads to."""
    return Origin(scheme="https", host="127.0.0.1", port=int(server.address.rpartition(":")[2]))


def read(origin: Origin, chosen: ClientOptions, *, home: Origin | None = None) -> bytes | None:
    connections = Connections(home or origin, chosen)
    try:
        return connections.exchange(Request(method="GET", origin=origin, target="/x")).read(100)
    finally:
        connections.close()


def code_of(origin: Origin, chosen: ClientOptions, *, home: Origin | None = None) -> str:
    with pytest.raises((LineFaultError, RegistryError)) as caught:
        read(origin, chosen, home=home)
    assert isinstance(caught.value, LineFaultError)
    return caught.value.code


def test_a_certificate_of_an_authority_that_was_named_is_trusted(trusted: Authority) -> None:
    with ScriptedServer(context=trusted.server_context()) as server:
        server.step("GET", "/x", answer(200, "hello"))
        assert read(secure(server), options(ca_file=trusted.ca_file)) == b"hello"


@pytest.mark.parametrize(
    ("address", "days", "named"),
    [
        pytest.param("127.0.0.1", 1, False, id="authority not named"),
        pytest.param("127.0.0.2", 1, True, id="another name"),
        pytest.param("127.0.0.1", -2, True, id="run out"),
    ],
)
def test_other_certificates_are_refused(trusted: Authority, address: str, days: int, *, named: bool) -> None:
    context = trusted.server_context("other", address=address, days=days)
    with ScriptedServer(context=context) as server:
        chosen = options(ca_file=trusted.ca_file if named else None)
        assert code_of(secure(server), chosen) == "AB-NETWORK-CERTIFICATE"
        assert server.received == []


def test_a_server_without_tls_is_named_as_such() -> None:
    def answer_at_once(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_at_once, args=(listener,))
        thread.start()
        origin = Origin(scheme="https", host="127.0.0.1", port=listener.getsockname()[1])
        assert code_of(origin, options()) == "AB-NETWORK-PLAIN-HTTP"
        thread.join()


def test_the_client_certificate_is_shown_to_the_registry(trusted: Authority) -> None:
    certificate, key = trusted.issue("client")
    context = trusted.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(trusted.ca_file)
    chosen = options(ca_file=trusted.ca_file, cert_file=certificate, key_file=key)
    with ScriptedServer(context=context) as server:
        server.step("GET", "/x", answer(200, "hello"))
        assert read(secure(server), chosen) == b"hello"


def test_the_client_certificate_is_not_shown_to_another_host(trusted: Authority, tmp_path: Path) -> None:
    certificate, key = trusted.issue("client")
    context = trusted.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(trusted.ca_file)
    chosen = options(ca_file=trusted.ca_file, cert_file=certificate, key_file=key)
    with ScriptedServer(context=context) as server:
        home = Origin(scheme="https", host="registry.example.com", port=443)
        assert code_of(secure(server), chosen, home=home) == "AB-NETWORK-TLS"
        assert server.received == []


def test_a_registry_on_this_machine_has_tls_where_certificates_were_named(trusted: Authority) -> None:
    chosen = options(ca_file=trusted.ca_file)
    with ScriptedServer(context=trusted.server_context()) as server, RegistryClient(server.address, chosen) as registry:
        server.step("GET", "/v2/", answer(200))
        registry.ping()


def test_unless_it_was_named_for_plain_http(trusted: Authority) -> None:
    with ScriptedServer() as server:
        server.step("GET", "/v2/", answer(200))
        chosen = options(ca_file=trusted.ca_file, plain_http=frozenset({server.address}))
        with RegistryClient(server.address, chosen) as registry:
            registry.ping()


def test_a_blob_goes_up_over_tls_and_an_early_answer_is_heard(trusted: Authority) -> None:
    data = bytes(3_000_000)
    digest = Digest.of(data)
    chosen = options(ca_file=trusted.ca_file)
    with ScriptedServer(context=trusted.server_context()) as server, RegistryClient(server.address, chosen) as registry:
        for reply, read_body in ((answer(201), None), (answer(403), 1000)):
            server.step("POST", "/v2/a/blobs/uploads/", answer(202, location="/up"))
            server.step("PUT", f"/up?digest={digest}", reply, read_body=read_body)
        registry.push_blob("a", digest, len(data), lambda: nullcontext(BytesSource(data)), buffer=new_buffer(100_000))
        assert server.received[-1].body == data
        with pytest.raises(RegistryError) as caught:
            registry.push_blob("a", digest, len(data), lambda: nullcontext(BytesSource(data)), buffer=new_buffer(1000))
        server._complaints.clear()  # what it had not read looks like a request to the server
        assert caught.value.code == "AB-REGISTRY-FORBIDDEN"
