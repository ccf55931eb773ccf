"""One file by ranges, from servers that break off, lie, change and redirect."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.clients import IMPATIENT
from support.range_server import Fault, RangeServer
from support.scripted_server import Received, answer

from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry.options import ClientOptions
from airgap_bundle.transfer.remote.address import WebAddress, parse_address
from airgap_bundle.transfer.remote.logins import NetrcLogins
from airgap_bundle.transfer.remote.places import WebPlace
from airgap_bundle.transfer.remote.ranges import RangeClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = bytes(range(256)) * 2000
OPTIONS = ClientOptions(
    patience=replace(IMPATIENT, first_pause_seconds=0.001, attempts=3), environment={"HOME": "/none"}
)


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer(data=DATA) as running:
        yield running


@contextlib.contextmanager
def client_of(url: str, options: ClientOptions = OPTIONS, netrc: Path | None = None) -> Iterator[RangeClient]:
    address = parse_address(url, ())
    assert isinstance(address, WebAddress)
    with contextlib.closing(RangeClient(WebPlace(address), options, NetrcLogins(netrc, options.environment))) as client:
        yield client


def read(client: RangeClient, start: int, end: int) -> bytes:
    stream, found = client.open(start, end), bytearray(end - start)
    window = memoryview(found)
    while count := stream.readinto(window):
        window = window[count:]
    assert stream.readinto(memoryview(bytearray(1))) == 0
    return bytes(found[: len(found) - len(window)])


@contextlib.contextmanager
def begun(url: str) -> Iterator[RangeClient]:
    with client_of(url) as client:
        assert client.begin(100) == DATA[:100]
        yield client


def test_ranges_come_as_they_were_asked_for_over_one_connection(server: RangeServer) -> None:
    with begun(server.url) as client:
        assert client.pinned.size == len(DATA)
        assert read(client, 1000, 5000) == DATA[1000:5000]
        assert read(client, 256_000, len(DATA)) == DATA[256_000:]
    assert server.ranges == ["bytes=0-99", "bytes=1000-4999", f"bytes=256000-{len(DATA) - 1}"]
    assert [each.headers.get("if-match") for each in server.received] == [None, '"one"', '"one"']
    assert server.connections == 1


def test_what_breaks_off_in_the_middle_goes_on_behind_the_last_byte(server: RangeServer) -> None:
    """However often, as long as each connection brings something."""
    for number in range(1, 8):
        server.faults[number] = Fault(cut_after=70_000)
    with begun(server.url) as client:
        assert read(client, 0, len(DATA)) == DATA
    starts = [int(each.removeprefix("bytes=").partition("-")[0]) for each in server.ranges[1:]]
    assert starts == sorted(set(starts))
    assert len(starts) == 8


def test_a_line_that_brings_nothing_any_more_is_given_up(server: RangeServer) -> None:
    with begun(server.url) as client:
        server.always_fault = Fault(cut_after=500)
        with pytest.raises(RegistryError) as caught:
            read(client, 0, len(DATA))
    assert caught.value.code == "AB-NETWORK-DROPPED"
    assert len(server.received) == 7


def test_a_drip_is_no_transfer(server: RangeServer) -> None:
    with begun(server.url) as client:
        server.always_fault = Fault(drip=0.02)
        with pytest.raises(RegistryError) as caught:
            read(client, 0, 50_000)
    assert caught.value.code == "AB-NETWORK-TIMEOUT"


def test_a_body_shorter_than_promised_is_asked_for_again(server: RangeServer) -> None:
    short = answer(206, DATA[1000:1500], content_range=f"bytes 1000-1999/{len(DATA)}", transfer_encoding="")
    server.faults[1] = Fault(reply=short.replace(b"Content-Length: 500", b"Content-Length: 1000"), cut_after=10_000)
    with begun(server.url) as client:
        assert read(client, 1000, 2000) == DATA[1000:2000]
    assert server.ranges[1:] == ["bytes=1000-1999", "bytes=1500-1999"]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(200, DATA), "AB-URL-NO-RANGES"),
        (answer(206, DATA[1000:2000]), "AB-URL-WRONG-RANGE"),
        (answer(206, DATA[:1000], content_range=f"bytes 0-999/{len(DATA)}"), "AB-URL-WRONG-RANGE"),
        (answer(206, DATA[1000:1900], content_range=f"bytes 1000-1899/{len(DATA)}"), "AB-URL-WRONG-RANGE"),
        (answer(206, DATA[1000:2000], content_range="bytes 1000-1999/*"), "AB-URL-WRONG-RANGE"),
        (answer(206, DATA[1000:2000], content_range=f"bytes 1000-1999/{10**18 * 90}"), "AB-URL-WRONG-RANGE"),
        (answer(206, DATA[1000:1999], content_range=f"bytes 1000-1999/{len(DATA)}"), "AB-URL-WRONG-RANGE"),
        (answer(206, DATA[1000:2000], content_type="multipart/byteranges; boundary=x"), "AB-URL-WRONG-RANGE"),
        (answer(206, DATA[1000:2000], content_range=f"bytes 1000-1999/{len(DATA) + 1}"), "AB-URL-CHANGED"),
        (answer(206, DATA[1000:2000], content_range=f"bytes 1000-1999/{len(DATA)}", etag='"two"'), "AB-URL-CHANGED"),
        (answer(412), "AB-URL-CHANGED"),
        (answer(416, content_range="bytes */500"), "AB-URL-CHANGED"),
        (
            answer(206, b"x", content_range=f"bytes 1000-1999/{len(DATA)}", content_encoding="gzip"),
            "AB-NETWORK-ENCODING",
        ),
        (answer(302, location="http://127.0.0.2:1/acme.tar"), "AB-URL-REDIRECT"),
        (answer(302, location="https://127.0.0.1/acme.tar"), "AB-URL-REDIRECT"),
        (answer(302, location="file:///etc/passwd"), "AB-URL-REDIRECT"),
        (answer(302, location="/acme.tar"), "AB-URL-REDIRECT"),
        (answer(304), "AB-URL-REFUSED"),
        (answer(401, www_authenticate="Basic realm=x"), "AB-URL-UNAUTHORIZED"),
        (answer(403), "AB-URL-FORBIDDEN"),
        (answer(404), "AB-URL-NOT-FOUND"),
        (answer(503), "AB-URL-FAILED"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "AB-NETWORK-PROTOCOL"),
    ],
)
def test_each_wrong_answer_has_a_code_of_its_own(server: RangeServer, reply: bytes, code: str) -> None:
    with begun(server.url) as client:
        server.always_fault = Fault(reply=reply, cut_after=1_000_000)
        with pytest.raises(RegistryError) as caught:
            read(client, 1000, 2000)
    assert caught.value.code == code, caught.value.message
    assert caught.value.exit_status == 5
    assert server.address in caught.value.message
    assert caught.value.hint


def test_hiccups_are_got_over(server: RangeServer) -> None:
    for number in (0, 2):
        server.faults[number] = Fault(reply=answer(503, retry_after="0"))
    server.faults[4] = Fault(reply=answer(429))
    with begun(server.url) as client:
        assert read(client, 1000, 2000) == DATA[1000:2000]
        assert read(client, 2000, 3000) == DATA[2000:3000]


def test_a_server_without_strong_tags_is_held_to_the_date(server: RangeServer) -> None:
    server.headers = {"etag": 'W/"weak"', "last_modified": "Sun, 22 Nov 2026 10:00:00 GMT"}
    with begun(server.url) as client:
        assert read(client, 0, 10) == DATA[:10]
        assert server.received[-1].headers["if-unmodified-since"] == "Sun, 22 Nov 2026 10:00:00 GMT"
        assert "if-match" not in server.received[-1].headers
        # Honoured or not.
        server.headers["last_modified"] = "Sun, 22 Nov 2026 10:00:01 GMT"
        for server.conditional in (True, False):
            with pytest.raises(RegistryError) as caught:
                read(client, 0, 10)
            assert caught.value.code == "AB-URL-CHANGED"


def test_a_server_that_names_its_files_in_no_way_is_read_too(server: RangeServer) -> None:
    server.headers = {}
    with begun(server.url) as client:
        assert read(client, 0, 10) == DATA[:10]
    assert not {"if-match", "if-unmodified-since"} & set(server.received[-1].headers)


@pytest.mark.parametrize(
    ("reply", "size", "front"),
    [
        (answer(200, DATA[:60]), 60, DATA[:60]),
        (answer(206, DATA[:60], content_range="bytes 0-59/60"), 60, DATA[:60]),
        (answer(416, content_range="bytes */0"), 0, b""),
        (answer(200), 0, b""),
    ],
)
def test_a_file_that_fits_into_the_first_request_may_come_whole(
    server: RangeServer, reply: bytes, size: int, front: bytes
) -> None:
    server.always_fault = Fault(reply=reply)
    with client_of(server.url) as client:
        assert (client.begin(100), client.pinned.size) == (front, size)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(200, DATA), "AB-URL-NO-RANGES"),
        (answer(416), "AB-URL-REFUSED"),
        (answer(206, DATA[:100]), "AB-URL-WRONG-RANGE"),
        (answer(200, "<html>log in</html>", content_length=""), "AB-URL-NO-RANGES"),
    ],
)
def test_what_cannot_be_begun_is_said(server: RangeServer, reply: bytes, code: str) -> None:
    server.always_fault = Fault(reply=reply, cut_after=1_000_000)
    with client_of(server.url) as client, pytest.raises(RegistryError) as caught:
        client.begin(100)
    assert caught.value.code == code


def test_a_redirect_on_the_host_itself_is_followed_and_one_for_ever_is_remembered(server: RangeServer) -> None:
    def moved(status: int) -> Fault:
        return Fault(
            reply=lambda request: (
                answer(status, location=f"http://{server.address}/drop/acme.tar?key=1")
                if request.target == "/acme.tar"
                else server.right(request)
            )
        )

    for status, asked in ((302, 4), (308, 3)):
        server.always_fault, server.received[:] = moved(status), []
        with begun(server.url) as client:
            assert read(client, 0, 10) == DATA[:10]
        assert len(server.received) == asked


def locked(server: RangeServer, header: str = "Basic c2FtOnNlc2FtZQ==") -> Fault:
    def reply(request: Received) -> bytes:
        if request.headers.get("authorization") == header:
            return server.right(request)
        return answer(401, www_authenticate='Basic realm="drop"')

    return Fault(reply=reply)


def test_a_login_is_shown_when_it_is_asked_for_and_then_at_once(server: RangeServer, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login sam password sesame\n")
    server.always_fault = locked(server)
    with client_of(server.url, netrc=netrc) as client:
        assert client.begin(100) == DATA[:100]
        assert read(client, 0, 10) == DATA[:10]
    assert [bool(each.headers.get("authorization")) for each in server.received] == [False, True, True]


def test_a_login_that_was_refused_is_not_shown_for_ever(server: RangeServer, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login sam password wrong\n")
    server.always_fault = locked(server)
    with client_of(server.url, netrc=netrc) as client, pytest.raises(RegistryError) as caught:
        client.begin(100)
    assert caught.value.code == "AB-URL-UNAUTHORIZED"
    assert "refused" in caught.value.hint
    assert "wrong" not in caught.value.message + caught.value.hint.replace("name and password", "")
    assert len(server.received) == 2


def test_closing_ends_a_wait_in_another_thread(server: RangeServer) -> None:
    patient = replace(OPTIONS, patience=replace(OPTIONS.patience, read_seconds=30, stall_seconds=30))
    server.faults[1] = Fault(drip=1)
    found: list[BaseException] = []
    with client_of(server.url, patient) as client:
        client.begin(100)

        def wait() -> None:
            try:
                read(client, 0, 100)
            except RegistryError as error:
                found.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        while len(server.received) < 2:
            pass
        client.close()
        thread.join(5)
        assert not thread.is_alive()
    assert len(found) == 1
