"""The page at `/` of the embedded registry: for whom, of what, and what a flood of requests costs."""

from __future__ import annotations

import contextlib
import http.client
import threading
from typing import TYPE_CHECKING

import pytest
from support.deliveries import make_site
from support.passwords import basic, write_users
from support.receipts import NOON
from support.token_office import Desk, real_clock, token_registry

from airgap_bundle.boundary.reporting.page import PATH, ReportPage
from airgap_bundle.output.html_report.page import render_page
from airgap_bundle.registry.server import RegistryServer
from airgap_bundle.registry.serving.htpasswd import Htpasswd
from airgap_bundle.registry.serving.logins import Logins
from airgap_bundle.registry.serving.pushers import Pushers
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from airgap_bundle.core.inside_report import InsideReport


class Watch:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def page(registry: Path, state: Path, policy: Path | None = None, **more: Any) -> ReportPage:
    values: dict[str, Any] = {"render": render_page, "now": lambda: NOON, **more}
    return ReportPage(lambda: DirectoryRegistry(registry).storage, state=state, policy=policy, **values)


@contextlib.contextmanager
def serving(made: ReportPage, registry: Path, **options: Any) -> Iterator[RegistryServer]:
    with RegistryServer(registry, pages=made.pages, **options) as server:
        yield server


def ask(server: RegistryServer, method: str = "GET", path: str = PATH, **headers: str) -> tuple[int, Any, str]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()


def body(made: ReportPage) -> str:
    reply = made.answer(None)  # type: ignore[arg-type]  # the page does not look at the request
    assert isinstance(reply.body, bytes)
    return reply.body.decode()


def test_it_shows_what_was_imported_and_what_the_store_holds(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.push("acme-1")
    made = page(tmp_path / "registry", site.state, site.policy)
    with serving(made, tmp_path / "registry") as server:
        status, headers, text = ask(server)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "acme" in text
    assert "In this registry" in text
    assert site.repository("app") in text
    assert "What was refused" in text


def test_nothing_but_reading_is_possible_there(tmp_path: Path) -> None:
    with serving(page(tmp_path / "registry", tmp_path / "state"), tmp_path / "registry") as server:
        assert ask(server, "POST")[0] == 405
        status, headers, text = ask(server, "HEAD")
        assert (status, text) == (200, "")
        assert int(headers["Content-Length"]) > 1000
        assert ask(server, path="/index.html")[0] == 404


def test_without_a_state_directory_the_store_is_shown_and_none_is_made(tmp_path: Path) -> None:
    text = body(page(tmp_path / "registry", tmp_path / "state"))
    assert "No state directory was found here." in text
    assert "In this registry" in text
    assert not (tmp_path / "state").exists()


def test_a_state_directory_that_cannot_be_read_is_named_by_its_code_and_not_by_its_path(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.push("acme-1")
    site.state.chmod(0o777)
    text = body(page(tmp_path / "registry", site.state))
    assert "cannot be used (AB-STATE-MODE)" in text
    assert str(site.state) not in text
    assert site.repository("app") in text


def test_a_policy_that_cannot_be_read_takes_nothing_else_away(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.push("acme-1")
    site.policy.write_text("nonsense: [")
    text = body(page(tmp_path / "registry", site.state, site.policy))
    assert "the policy cannot be used (AB-" in text
    assert str(tmp_path / "policy.yaml") not in text
    assert "signed by</dt><dd><bdi>release</bdi>" in text


def test_it_is_for_those_who_may_list_everything(tmp_path: Path) -> None:
    users = write_users(tmp_path / "users", alice="secret")
    logins = Logins(Htpasswd(users), Pushers(rules=(), anybody=False), anonymous_pull=True)
    made = page(tmp_path / "registry", tmp_path / "state")
    with serving(made, tmp_path / "registry", admission=logins) as server:
        status, headers, text = ask(server)
        assert (status, "html" in text) == (401, False)
        assert headers["WWW-Authenticate"].startswith("Basic ")
        assert ask(server, Authorization=basic("alice", "secret"))[0] == 200


def test_a_token_for_the_catalogue_opens_it_and_one_for_a_repository_does_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "state", clock=real_clock)
    made = page(tmp_path / "registry", tmp_path / "state", now=real_clock)
    tokens = [
        desk.office.issuer.issue_once(desk.wish(name, scope), real_clock()).credential
        for name, scope in (("watcher", "registry:catalog:*"), ("puller", "acme/app:pull"))
    ]
    with token_registry(desk, tmp_path / "registry", pages=made.pages) as server:
        assert ask(server)[0] == 401
        assert [ask(server, Authorization=f"Bearer {token}")[0] for token in tokens] == [200, 401]


def test_it_is_made_once_however_many_ask_and_anew_when_it_is_old(tmp_path: Path) -> None:
    made: list[InsideReport] = []
    watch = Watch()

    def render(report: InsideReport) -> str:
        made.append(report)
        watch.seconds += 2
        return f"page {len(made)}"

    one = page(tmp_path / "registry", tmp_path / "state", render=render, elapsed=watch)
    with serving(one, tmp_path / "registry") as server:
        answers: list[str] = []
        threads = [threading.Thread(target=lambda: answers.append(ask(server)[2])) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == ["page 1"] * 20
        # What took two seconds is kept for forty.
        watch.seconds = 41
        assert ask(server)[2] == "page 1"
        watch.seconds = 43
        assert ask(server)[2] == "page 2"
    assert len(made) == 2


def test_while_it_is_made_anew_others_get_the_old_one(tmp_path: Path) -> None:
    watch, begun, go_on = Watch(), threading.Event(), threading.Event()
    pages = iter(["old", "new"])

    def render(report: InsideReport) -> str:
        text = next(pages)
        if text == "new":
            begun.set()
            assert go_on.wait(10)
        return text

    one = page(tmp_path / "registry", tmp_path / "state", render=render, elapsed=watch)
    assert body(one) == "old"
    watch.seconds = 100
    first: list[str] = []
    thread = threading.Thread(target=lambda: first.append(body(one)))
    thread.start()
    assert begun.wait(10)
    assert body(one) == "old"
    go_on.set()
    thread.join()
    assert (first, body(one)) == (["new"], "new")


@pytest.mark.parametrize("kind", ["fails", "is fine again"])
def test_where_it_cannot_be_made_the_next_one_tries_again(tmp_path: Path, kind: str) -> None:
    calls: list[int] = []

    def render(report: InsideReport) -> str:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError(kind)
        return "fine"

    one = page(tmp_path / "registry", tmp_path / "state", render=render)
    with pytest.raises(RuntimeError):
        body(one)
    assert body(one) == "fine"
