"""What the server asks before it answers, and the routes that are added to it."""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.images import single_image

from airgap_bundle.registry.admission import Action, Caller, Page, Presented, Wanted, denied, unauthorized
from airgap_bundle.registry.server import RegistryServer
from airgap_bundle.registry.wsgi import Reply, Request, read_bounded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "acme/app"
BLOB = "sha256:" + "a" * 64
GUEST, ALICE = "Bearer guest", "Bearer alice"


class Doorkeeper:
    """Lets alice do everything, and the guest read what is not secret; writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Wanted] = []

    def admit(self, presented: Presented, wanted: Wanted) -> Caller:
        self.asked.append(wanted)
        if presented.authorization == ALICE:
            return Caller(name="alice")
        if presented.authorization != GUEST:
            raise unauthorized("log in first", 'Bearer realm="http://localhost/token"', 'Basic realm="airgap"')
        if wanted.action is not Action.PULL or wanted.repository == "secret/app":
            raise denied("guests only read")
        return Caller(name="guest")


def _echo(request: Request) -> Reply:
    return Reply(body=read_bounded(request.body, 100, what="an echo"))


@pytest.fixture
def doorkeeper() -> Doorkeeper:
    return Doorkeeper()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def server(tmp_path: Path, doorkeeper: Doorkeeper, lines: list[str]) -> Iterator[RegistryServer]:
    pages = {
        "/": Page(answer=lambda _: Reply(body=b"a page")),
        "/token": Page(answer=_echo, methods=frozenset({"GET", "POST"}), wanted=None),
    }
    with RegistryServer(tmp_path, allow_push=True, admission=doorkeeper, pages=pages, log=lines.append) as running:
        yield running


def ask(
    server: RegistryServer, method: str, path: str, login: str | None = None, body: bytes | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.request(method, path, body, {"Authorization": login} if login else {})
        answer = connection.getresponse()
        return answer, answer.read()


@pytest.mark.parametrize(
    ("method", "path", "repository", "action"),
    [
        ("GET", "/v2/", None, Action.PULL),
        ("GET", "/v2/_catalog", None, Action.LIST),
        ("GET", f"/v2/{NAME}/tags/list", NAME, Action.PULL),
        ("HEAD", f"/v2/{NAME}/manifests/1", NAME, Action.PULL),
        ("GET", f"/v2/{NAME}/blobs/{BLOB}", NAME, Action.PULL),
        ("GET", f"/v2/{NAME}/referrers/{BLOB}", NAME, Action.PULL),
        ("PUT", f"/v2/{NAME}/manifests/1", NAME, Action.PUSH),
        ("DELETE", f"/v2/{NAME}/manifests/1", NAME, Action.DELETE),
        ("DELETE", f"/v2/{NAME}/blobs/{BLOB}", NAME, Action.DELETE),
        ("POST", f"/v2/{NAME}/blobs/uploads/", NAME, Action.PUSH),
        ("GET", f"/v2/{NAME}/blobs/uploads/x", NAME, Action.PUSH),
        ("PATCH", f"/v2/{NAME}/blobs/uploads/x", NAME, Action.PUSH),
        ("DELETE", f"/v2/{NAME}/blobs/uploads/x", NAME, Action.PUSH),
    ],
)
def test_each_question_is_asked_about(
    server: RegistryServer, doorkeeper: Doorkeeper, method: str, path: str, repository: str | None, action: Action
) -> None:
    answer, _ = ask(server, method, path)
    assert answer.status == 401
    assert answer.headers.get_all("WWW-Authenticate") == [
        'Bearer realm="http://localhost/token"',
        'Basic realm="airgap"',
    ]
    assert doorkeeper.asked == [Wanted(repository=repository, action=action)]


def test_the_host_in_a_pull_leads_to_the_repository_that_is_asked_about(
    server: RegistryServer, doorkeeper: Doorkeeper
) -> None:
    single_image("seed").push_to(server.registry, "ghcr.io/acme/app", "1")
    assert ask(server, "GET", "/v2/acme/app/manifests/1?ns=ghcr.io", GUEST)[0].status == 200
    both = ("ghcr.io/acme/app", "acme/app")
    assert doorkeeper.asked == [Wanted(repository="ghcr.io/acme/app", action=Action.PULL, either=both)]


def test_what_is_denied_is_403(server: RegistryServer) -> None:
    answer, body = ask(server, "POST", f"/v2/{NAME}/blobs/uploads/", GUEST)
    assert answer.status == 403
    assert b'"DENIED"' in body


def test_nothing_can_be_mounted_from_where_it_may_not_be_read(server: RegistryServer) -> None:
    image = single_image("seed")
    image.push_to(server.registry, "secret/app", "1")
    digest = image.root.blobs[0].digest
    query = f"/v2/{NAME}/blobs/uploads/?mount={digest}&from=secret/app"
    assert ask(server, "POST", query, ALICE)[0].status == 201

    class Pusher(Doorkeeper):
        def admit(self, presented: Presented, wanted: Wanted) -> Caller:
            if wanted.repository == "secret/app":
                raise denied("not for you")
            return Caller(name="pusher")

    with RegistryServer(server.registry.storage.root, allow_push=True, admission=Pusher()) as narrow:
        assert ask(narrow, "POST", query, GUEST)[0].status == 202


def test_a_page_is_for_those_who_are_admitted(server: RegistryServer) -> None:
    assert ask(server, "GET", "/")[0].status == 401
    assert ask(server, "GET", "/", GUEST)[0].status == 403
    assert ask(server, "GET", "/", ALICE)[1] == b"a page"
    assert ask(server, "POST", "/", ALICE)[0].status == 405


def test_a_page_for_everybody_decides_by_itself(server: RegistryServer) -> None:
    assert ask(server, "POST", "/token", body=b"grant")[1] == b"grant"
    assert ask(server, "POST", "/token", body=b"x" * 101)[0].status == 413


def test_a_page_may_be_posted_to_where_nothing_may_be_pushed(tmp_path: Path) -> None:
    pages = {"/token": Page(answer=_echo, methods=frozenset({"POST"}), wanted=None)}
    with RegistryServer(tmp_path, pages=pages) as server:
        assert ask(server, "POST", "/token", body=b"grant")[1] == b"grant"
