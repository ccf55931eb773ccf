"""The embedded registry over TLS: handshakes, files sent through it, certificates of clients, and who speaks none."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.certificates import Authority, authority
from support.images import single_image

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError
from airgap_bundle.registry.admission import Caller, Presented, Wanted
from airgap_bundle.registry.server import RegistryServer
from airgap_bundle.registry.serving import tls as tls_module
from airgap_bundle.registry.serving.limits import Limits
from airgap_bundle.registry.serving.tls import Tls, TlsFiles, common_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def files(trusted: Authority) -> TlsFiles:
    certificate, key = trusted.issue("server")
    return TlsFiles(certificate=certificate, key=key)


@pytest.fixture
def server(tmp_path: Path, files: TlsFiles) -> Iterator[RegistryServer]:
    with RegistryServer(tmp_path / "registry", allow_push=True, tls=files, limits=Limits(header_seconds=2)) as running:
        yield running


def connect(server: RegistryServer, trusted: Authority, client: str = "") -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(trusted.ca_file))
    if client:
        context.load_cert_chain(*trusted.issue(client))
    return http.client.HTTPSConnection(server.host, server.port, timeout=10, context=context)


def ask(
    connection: http.client.HTTPSConnection, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_blobs_go_in_and_out_whole_over_one_connection(server: RegistryServer, trusted: Authority) -> None:
    data = os.urandom(1_500_000)
    digest = Digest.of(data)
    with closing(connect(server, trusted)) as connection:
        assert ask(connection, "POST", f"/v2/a/blobs/uploads/?digest={digest}", data)[0] == 201
        assert ask(connection, "GET", f"/v2/a/blobs/{digest}") == (200, data)
        assert ask(connection, "GET", f"/v2/a/blobs/{digest}", Range="bytes=300000-999999") == (
            206,
            data[300000:1000000],
        )
        assert ask(connection, "HEAD", f"/v2/a/blobs/{digest}") == (200, b"")
    assert server.scheme == "https"


def test_requests_that_came_in_one_record_are_all_answered(server: RegistryServer, trusted: Authority) -> None:
    context = ssl.create_default_context(cafile=str(trusted.ca_file))
    with (
        socket.create_connection((server.host, server.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=server.host) as sock,
    ):
        sock.sendall(b"GET /v2/ HTTP/1.1\r\n\r\n" * 2 + b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := sock.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 200 ") == 3


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_that_are_spoken(server: RegistryServer, trusted: Authority, version: ssl.TLSVersion) -> None:
    connection = connect(server, trusted)
    connection._context.minimum_version = connection._context.maximum_version = version  # type: ignore[attr-defined]  # the context has no other way in
    with closing(connection):
        assert ask(connection, "GET", "/v2/")[0] == 200


def test_older_versions_are_not(files: TlsFiles) -> None:
    context = Tls(files).context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_who_speaks_plain_http_is_told(server: RegistryServer) -> None:
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        assert (answer.status, b"HTTP request to an HTTPS server" in answer.read()) == (400, True)


@pytest.mark.parametrize("first", [b"", b"\x16", b"\x16\x03\x01\x00\x05hello", b"\x00" * 100, b"SSH-2.0-x\r\n"])
def test_what_is_no_handshake_ends_the_connection_and_nothing_else(
    server: RegistryServer, trusted: Authority, first: bytes
) -> None:
    # It may have hung up before we have.
    with socket.create_connection((server.host, server.port), timeout=10) as sock, contextlib.suppress(OSError):
        sock.sendall(first)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    with closing(connect(server, trusted)) as connection:
        assert ask(connection, "GET", "/v2/")[0] == 200


def test_who_dawdles_over_the_handshake_keeps_nobody_waiting(
    tmp_path: Path, files: TlsFiles, trusted: Authority
) -> None:
    with RegistryServer(tmp_path, tls=files, limits=Limits(header_seconds=0.5)) as server:
        slow = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(20)]
        try:
            for sock in slow:
                sock.sendall(b"\x16\x03\x01")
            with closing(connect(server, trusted)) as connection:
                began = time.monotonic()
                assert ask(connection, "GET", "/v2/")[0] == 200
                assert time.monotonic() - began < 2
            # Each of them is cut off.
            for sock in slow:
                with contextlib.suppress(ConnectionError):
                    while sock.recv(65536):
                        pass
        finally:
            for sock in slow:
                sock.close()


def test_stopping_takes_less_than_a_second_with_idle_connections(
    tmp_path: Path, files: TlsFiles, trusted: Authority
) -> None:
    connections = []
    with RegistryServer(tmp_path, tls=files) as server:
        for _ in range(5):
            connections.append(connect(server, trusted))
            assert ask(connections[-1], "GET", "/v2/")[0] == 200
        began = time.monotonic()
    assert time.monotonic() - began < 1
    for connection in connections:
        connection.close()


class Named:
    """Remembers the certificate of whoever asks."""

    def __init__(self) -> None:
        self.names: list[str | None] = []

    def admit(self, presented: Presented, wanted: Wanted) -> Caller:
        self.names.append(presented.certificate)
        return Caller(name=presented.certificate or "")


def test_certificates_of_clients_name_them_and_without_one_nobody_comes_in(tmp_path: Path, trusted: Authority) -> None:
    certificate, key = trusted.issue("server")
    files = TlsFiles(certificate=certificate, key=key, client_ca=trusted.ca_file)
    named = Named()
    with RegistryServer(tmp_path / "registry", tls=files, admission=named) as server:
        with closing(connect(server, trusted, "node-1")) as connection:
            assert ask(connection, "GET", "/v2/")[0] == 200
        with closing(connect(server, trusted)) as connection, pytest.raises((ssl.SSLError, OSError)):
            ask(connection, "GET", "/v2/")
        stranger = authority(tmp_path / "stranger")
        context = ssl.create_default_context(cafile=str(trusted.ca_file))
        context.load_cert_chain(*stranger.issue("node-1"))
        with (
            closing(http.client.HTTPSConnection(server.host, server.port, timeout=10, context=context)) as connection,
            pytest.raises((ssl.SSLError, OSError)),
        ):
            ask(connection, "GET", "/v2/")
    assert named.names == ["node-1"]


def test_a_header_cannot_stand_for_a_certificate(tmp_path: Path, files: TlsFiles, trusted: Authority) -> None:
    named = Named()
    with (
        RegistryServer(tmp_path, tls=files, admission=named) as server,
        closing(connect(server, trusted)) as connection,
    ):
        connection.request("GET", "/v2/", headers={"SSL-Client-S-DN-CN": "node-1", "SSL_CLIENT_S_DN_CN": "node-1"})
        assert connection.getresponse().status == 200
    assert named.names == [None]


def test_a_renewed_certificate_is_taken_up(
    tmp_path: Path, trusted: Authority, files: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_module, "_LOOK_EVERY_SECONDS", 0.0)

    def serial(server: RegistryServer) -> str:
        with closing(connect(server, trusted)) as connection:
            connection.connect()
            found = connection.sock.getpeercert()  # type: ignore[union-attr]  # it is connected
            return str(found["serialNumber"])

    with RegistryServer(tmp_path, tls=files) as server:
        first = serial(server)
        assert serial(server) == first
        trusted.issue("server")
        second = serial(server)
        assert second != first
        # Half a file is what a copy in progress looks like.
        files.certificate.write_text(files.certificate.read_text()[:100])
        assert serial(server) == second


@pytest.mark.parametrize("broken", ["missing", "empty", "other key", "locked", "authority"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, trusted: Authority, files: TlsFiles, broken: str) -> None:
    bad = tmp_path / "bad.pem"
    if broken != "missing":
        bad.write_text("")
    if broken == "other key":
        bad.write_bytes(trusted.issue("another")[1].read_bytes())
    if broken == "locked":
        bad.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
    chosen = TlsFiles(certificate=files.certificate, key=bad)
    if broken == "authority":
        chosen = TlsFiles(certificate=files.certificate, key=files.key, client_ca=bad)
    with pytest.raises(DocumentError) as caught:
        Tls(chosen)
    assert caught.value.code == "AB-SERVE-TLS"
    assert str(bad) in str(caught.value)


def test_one_common_name_or_none() -> None:
    assert common_name(None) is None
    assert common_name({"subject": ((("organizationName", "x"),), (("commonName", "a"),))}) == "a"
    assert common_name({"subject": ((("commonName", "a"),), (("commonName", "b"),))}) is None


def test_an_image_is_pushed_and_pulled_by_our_own_client(server: RegistryServer, trusted: Authority) -> None:
    image = single_image("seed")
    image.push_to(server.registry, "acme/app", "1")
    with closing(connect(server, trusted)) as connection:
        assert ask(connection, "GET", "/v2/acme/app/manifests/1") == (200, image.root.raw)
