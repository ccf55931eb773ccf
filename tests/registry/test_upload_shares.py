"""Uploads that are begun and left: each login, or each address where nobody logs in, has a share of the places."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.images import single_image
from support.passwords import basic, write_users
from support.registries import embedded_registry
from support.trip import client, make_trip

from airgap_bundle.registry import uploads
from airgap_bundle.registry.callers import mark_of
from airgap_bundle.registry.server import RegistryServer
from airgap_bundle.registry.serving.htpasswd import Htpasswd
from airgap_bundle.registry.serving.logins import Logins
from airgap_bundle.registry.serving.pushers import Pushers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

START = "/v2/acme/app/blobs/uploads/"
ALICE, BOB = basic("alice", "a"), basic("bob", "b")


def _limit(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    defaults = uploads.Uploads.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "limit", count)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares that a test can fill."""
    monkeypatch.setattr(uploads, "MAX_UPLOADS_EACH", 3)
    _limit(monkeypatch, 5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RegistryServer]:
    users = write_users(tmp_path / "users", alice="a", bob="b")
    logins = Logins(Htpasswd(users), Pushers(anybody=True))
    with RegistryServer(tmp_path / "data", allow_push=True, admission=logins) as made:
        yield made


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Message
    body: bytes


def ask(server: RegistryServer, method: str, path: str, authorization: str = "", *, peer: str = "127.0.0.1") -> Answer:
    """One request over a connection of its own, from this address."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10, source_address=(peer, 0))
    with closing(connection):
        connection.request(method, path, None, {"Authorization": authorization} if authorization else {})
        answer = connection.getresponse()
        return Answer(status=answer.status, headers=answer.headers, body=answer.read())


def begin(server: RegistryServer, count: int, authorization: str = "", *, peer: str = "127.0.0.1") -> list[int]:
    return [ask(server, "POST", START, authorization, peer=peer).status for _ in range(count)]


def test_a_login_that_takes_all_its_places_leaves_the_rest_to_another(server: RegistryServer) -> None:
    assert begin(server, 4, ALICE) == [202, 202, 202, 429]
    assert begin(server, 2, BOB) == [202, 202]
    # All five are taken now.
    assert begin(server, 1, BOB) == [429]


def test_an_address_has_a_share_where_nobody_logs_in(tmp_path: Path) -> None:
    with embedded_registry(tmp_path) as server:
        assert begin(server, 4, peer="127.0.0.2") == [202, 202, 202, 429]
        assert begin(server, 2, peer="127.0.0.3") == [202, 202]


def test_a_login_has_one_share_from_whatever_addresses(server: RegistryServer) -> None:
    assert [begin(server, 1, ALICE, peer=f"127.0.0.{n}")[0] for n in range(2, 6)] == [202, 202, 202, 429]


def test_the_refusal_says_whose_places_are_taken_and_when_to_come_back(server: RegistryServer) -> None:
    begin(server, 3, ALICE)
    answer = ask(server, "POST", START, ALICE)
    (error,) = json.loads(answer.body)["errors"]
    assert (answer.status, error["code"]) == (429, "TOOMANYREQUESTS")
    assert error["message"].startswith("this login or address has too many uploads under way")
    assert answer.headers["Retry-After"] == "10"
    begin(server, 2, BOB)
    message = json.loads(ask(server, "POST", START, BOB).body)["errors"][0]["message"]
    assert message.startswith("there are too many uploads under way")


def test_a_place_is_free_again_when_its_upload_is_over(server: RegistryServer) -> None:
    places = [ask(server, "POST", START, ALICE).headers["Location"] for _ in range(3)]
    assert begin(server, 1, ALICE) == [429]
    assert ask(server, "DELETE", places[0], ALICE).status == 204
    assert begin(server, 2, ALICE) == [202, 429]


def test_a_share_is_remembered_when_the_server_starts_again(tmp_path: Path) -> None:
    for expected in ([202, 202], [202, 429]):
        with embedded_registry(tmp_path) as server:
            assert begin(server, 2) == expected


def test_uploads_that_were_left_an_hour_ago_make_room(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(server, 3, ALICE)
    assert begin(server, 1, ALICE) == [429]
    monkeypatch.setattr(server._uploads, "_idle_seconds", -1.0)
    assert begin(server, 1, ALICE) == [202]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("alice", "10.0.0.1"), ("alice", "10.0.0.2"), True),
        (("alice", "10.0.0.1"), ("bob", "10.0.0.1"), False),
        (("", "10.0.0.1"), ("", "10.0.0.2"), False),
        (("", "10.0.0.1"), ("", "::ffff:10.0.0.1"), True),
        (("", "2001:db8::1"), ("", "2001:db8::ffff:2"), True),
        (("", "2001:db8::1"), ("", "2001:db8:0:1::1"), False),
        (("", "fe80::1%eth0"), ("", "fe80::2%eth1"), True),
        (("10.0.0.1", ""), ("", "10.0.0.1"), False),
        (("", ""), ("", "no address"), True),
    ],
)  # fmt: skip
def test_who_is_the_same_caller(one: tuple[str, str], other: tuple[str, str], same: bool) -> None:  # noqa: FBT001 - a row of a table
    assert (mark_of(*one) == mark_of(*other)) is same
    assert len(mark_of(*one)) == 12


def test_a_push_to_more_repositories_than_a_share_has_places_comes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOADS_EACH", 70)
    _limit(monkeypatch, 70)
    with make_trip(tmp_path, monkeypatch) as trip:
        contents = {(f"acme/app{n}", "1.0"): single_image(f"app {n}", size=100) for n in range(75)}
        trip.manifest_of_images(*trip.put(contents))
        trip.pushed(trip.build())
        with client(trip.inner.address) as registry:
            assert "1.0" in registry.list_tags(trip.below("acme/app74"))
        assert list((trip.inner.registry.storage.contents.root / "uploads").iterdir()) == []
