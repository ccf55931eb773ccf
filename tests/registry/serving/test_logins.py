"""Who is let in, and who may push where."""

from __future__ import annotations

import base64
import http.client
import sys
import threading
import time
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from support.images import single_image
from support.passwords import basic, hash_of, write_users

from airgap_bundle.core.errors import DocumentError, HostError, InvalidValueError
from airgap_bundle.registry.admission import Action, Caller, Presented, Wanted
from airgap_bundle.registry.server import RegistryServer
from airgap_bundle.registry.serving import logins as logins_module
from airgap_bundle.registry.serving.htpasswd import Htpasswd
from airgap_bundle.registry.serving.logins import Logins
from airgap_bundle.registry.serving.pushers import Pushers, PushRule
from airgap_bundle.registry.wsgi import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

ALICE = basic("alice", "correct horse")
PULL = Wanted(repository="acme/app", action=Action.PULL)
PUSH = Wanted(repository="acme/app", action=Action.PUSH)
LIST = Wanted(repository=None, action=Action.LIST)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return write_users(tmp_path / "users", alice="correct horse", bob="battery")


def make(users: Path, *rules: str, anonymous_pull: bool = False, anybody: bool = False) -> Logins:
    pushers = Pushers(rules=tuple(PushRule.parse(rule) for rule in rules), anybody=anybody)
    return Logins(Htpasswd(users), pushers, anonymous_pull=anonymous_pull)


def refused(logins: Logins, wanted: Wanted = PULL, authorization: str | None = None, **shown: str) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        logins.admit(Presented(authorization=authorization, **shown), wanted)
    return caught.value


class TestPasswords:
    def test_the_right_one_lets_in(self, users: Path) -> None:
        logins = make(users)
        for _ in range(2):
            assert logins.admit(Presented(authorization=ALICE), PULL) == Caller(name="alice")

    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "",
            "Basic",
            "Basic !!!",
            "Bearer x",
            "Digest x",
            basic("alice", "wrong"),
            basic("alice", ""),
            basic("", "correct horse"),
            basic("nobody", "correct horse"),
            basic("ALICE", "correct horse"),
            basic("alice", "correct horse\0"),
            "Basic " + base64.b64encode(b"alice").decode(),
            "Basic " + base64.b64encode(b"alice:\xff\xfe").decode(),
            ALICE + "x",
            basic("alice", "x" * 5000),
        ],
    )
    def test_anything_else_is_401_with_a_challenge(self, users: Path, authorization: str | None) -> None:
        error = refused(make(users), authorization=authorization)
        assert (error.status, error.code) == (HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED")
        assert error.headers == (("WWW-Authenticate", 'Basic realm="airgap-bundle", charset="UTF-8"'),)

    def test_a_user_who_is_taken_out_is_out_at_once(self, users: Path) -> None:
        logins = make(users)
        logins.admit(Presented(authorization=ALICE), PULL)
        write_users(users, bob="battery")
        assert refused(logins, authorization=ALICE).status == HTTPStatus.UNAUTHORIZED
        assert logins.admit(Presented(authorization=basic("bob", "battery")), PULL) == Caller(name="bob")

    def test_a_new_password_counts_at_once(self, users: Path) -> None:
        logins = make(users)
        logins.admit(Presented(authorization=ALICE), PULL)
        write_users(users, alice="new")
        refused(logins, authorization=ALICE)
        assert logins.admit(Presented(authorization=basic("alice", "new")), PULL) == Caller(name="alice")

    def test_a_file_that_is_gone_lets_nobody_in(self, users: Path) -> None:
        logins = make(users)
        logins.admit(Presented(authorization=ALICE), PULL)
        users.unlink()
        assert refused(logins, authorization=ALICE).status == HTTPStatus.UNAUTHORIZED

    def test_bytes_beyond_those_that_bcrypt_sees_are_as_htpasswd_has_them(self, tmp_path: Path) -> None:
        logins = make(write_users(tmp_path / "users", alice="x" * 72))
        assert logins.admit(Presented(authorization=basic("alice", "x" * 72 + "more")), PULL).name == "alice"

    def test_a_remembered_password_is_not_worked_out_again(self, tmp_path: Path) -> None:
        passwords = Htpasswd(write_users(tmp_path / "users", alice="one"))
        assert not passwords.remembers("alice", "one")
        assert passwords.accepts("alice", "one")
        assert passwords.remembers("alice", "one")
        assert not passwords.remembers("alice", "two")

    def test_guessing_is_turned_away_and_those_who_know_are_not(
        self, users: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logins_module, "_FAILURES", 3)
        logins = make(users)
        logins.admit(Presented(authorization=ALICE, peer="192.0.2.1"), PULL)
        for _ in range(3):
            assert refused(logins, authorization=basic("alice", "guess"), peer="192.0.2.1").status == 401
        error = refused(logins, authorization=basic("alice", "guess"), peer="192.0.2.1")
        assert (error.status, error.code) == (HTTPStatus.TOO_MANY_REQUESTS, "TOOMANYREQUESTS")
        assert logins.admit(Presented(authorization=ALICE, peer="192.0.2.1"), PULL).name == "alice"
        assert refused(logins, authorization=basic("alice", "guess"), peer="192.0.2.2").status == 401

    def test_behind_a_proxy_on_this_machine_guessing_at_one_name_leaves_the_others(
        self, users: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logins_module, "_FAILURES", 1)
        logins = make(users)
        refused(logins, authorization=basic("alice", "guess"), peer="127.0.0.1")
        assert refused(logins, authorization=ALICE, peer="127.0.0.1").status == 429
        assert logins.admit(Presented(authorization=basic("bob", "battery"), peer="127.0.0.1"), PULL).name == "bob"

    def test_an_unknown_name_takes_as_long_as_a_wrong_password(self, tmp_path: Path) -> None:
        import bcrypt  # noqa: PLC0415 - a hash that takes a while, for this test alone

        path = tmp_path / "users"
        path.write_text(f"alice:{bcrypt.hashpw(b'x', bcrypt.gensalt(9)).decode()}\n")
        passwords = Htpasswd(path)

        def took(name: str) -> float:
            times = []
            for _ in range(3):
                began = time.thread_time()
                assert not passwords.accepts(name, "guess")
                times.append(time.thread_time() - began)
            return min(times)

        assert 0.5 < took("nobody") / took("alice") < 2


class TestTheFile:
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "there are none in it"),
            ("# nobody yet\n", "there are none in it"),
            ("alice:$apr1$salt$abcdefghijklmnopqrstuv\n", "line 1 is not"),
            ("alice:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n", "line 1 is not"),
            ("alice:plain\n", "line 1 is not"),
            ("alice\n", "line 1 is not"),
            ("al/ice:HASH\n", "line 1 is not"),
            ("alice:HASH\nalice:HASH\n", "line 2 names a user for the second time"),
            ("alice:" + "$2y$31$" + "a" * 53 + "\n", "a cost that is not between 4 and 14"),
        ],
    )
    def test_what_cannot_be_relied_on_is_refused(self, tmp_path: Path, text: str, why: str) -> None:
        path = tmp_path / "users"
        path.write_text(text.replace("HASH", hash_of("x")))
        with pytest.raises(DocumentError, match=why) as caught:
            Htpasswd(path)
        assert caught.value.code == "AB-SERVE-HTPASSWD"
        assert "$2y$" not in str(caught.value).replace("($2y$…)", "")

    def test_a_file_that_is_missing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DocumentError, match="no such file"):
            Htpasswd(tmp_path / "users")

    def test_later_a_line_that_cannot_be_read_is_nobody(self, users: Path) -> None:
        logins = make(users)
        users.write_text(f"alice:plain\nbob:{hash_of('battery')}\n")
        refused(logins, authorization=basic("alice", "plain"))
        assert logins.admit(Presented(authorization=basic("bob", "battery")), PULL).name == "bob"

    def test_comments_empty_lines_and_windows_line_ends_are_fine(self, tmp_path: Path) -> None:
        path = tmp_path / "users"
        path.write_text(f"# users\r\n\r\nalice:{hash_of('correct horse')}\r\n")
        assert make(path).admit(Presented(authorization=ALICE), PULL).name == "alice"

    def test_without_the_library_the_extra_is_named(self, users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "bcrypt", None)
        with pytest.raises(HostError) as caught:
            Htpasswd(users)
        assert caught.value.code == "AB-SERVE-NO-BCRYPT"
        assert "airgap-bundle[logins]" in caught.value.hint

    def test_many_at_once_while_the_file_changes(self, users: Path) -> None:
        logins = make(users)
        failures: list[str] = []

        def work() -> None:
            for _ in range(50):
                try:
                    logins.admit(Presented(authorization=ALICE), PULL)
                except RefusedError as error:
                    failures.append(error.message)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        text = users.read_text()
        for number in range(20):
            new = users.with_name(f"new-{number}")
            new.write_text(text + f"user{number}:{hash_of('x')}\n")
            new.replace(users)
        for thread in threads:
            thread.join()
        assert failures == []


class TestPushing:
    @pytest.mark.parametrize(
        ("rules", "name", "repository", "allowed"),
        [
            (("alice:acme/**",), "alice", "acme/app", True),
            (("alice:acme/**",), "alice", "acme/app/more", True),
            (("alice:acme/*",), "alice", "acme/app/more", False),
            (("alice:acme/**",), "alice", "acmee/app", False),
            (("alice:acme/**",), "bob", "acme/app", False),
            (("alice:other/**", "alice:acme/app"), "alice", "acme/app", True),
            (("*:acme/**",), "bob", "acme/app", True),
            ((), "alice", "acme/app", False),
        ],
    )
    def test_rules(self, users: Path, rules: tuple[str, ...], name: str, repository: str, allowed: bool) -> None:  # noqa: FBT001 - a row of a table
        logins = make(users, *rules)
        login = {"alice": ALICE, "bob": basic("bob", "battery")}[name]
        for action in (Action.PUSH, Action.DELETE):
            wanted = Wanted(repository=repository, action=action)
            if allowed:
                assert logins.admit(Presented(authorization=login), wanted) == Caller(name=name)
            else:
                error = refused(logins, wanted, login)
                assert (error.status, error.code) == (HTTPStatus.FORBIDDEN, "DENIED")

    @pytest.mark.parametrize("text", ["", "alice", ":acme", "alice:", "a b:x", "alice:/x", "alice:x//y", "alice:UP/x"])
    def test_what_is_no_rule(self, text: str) -> None:
        with pytest.raises(InvalidValueError):
            PushRule.parse(text)

    def test_a_star_is_for_those_who_have_logged_in(self) -> None:
        assert not Pushers(rules=(PushRule.parse("*:**"),)).may_push("", "acme/app")

    def test_whoever_is_let_in_may_where_no_rule_says_otherwise(self, users: Path) -> None:
        assert make(users, anybody=True).admit(Presented(authorization=ALICE), PUSH).name == "alice"


class TestNobodyInParticular:
    def test_may_pull_where_that_was_said_and_nothing_else(self, users: Path) -> None:
        logins = make(users, anonymous_pull=True, anybody=True)
        for authorization in (None, basic("", "")):
            assert logins.admit(Presented(authorization=authorization), PULL).name == ""
            assert refused(logins, PUSH, authorization).status == HTTPStatus.UNAUTHORIZED
            assert refused(logins, LIST, authorization).status == HTTPStatus.UNAUTHORIZED

    def test_a_wrong_password_is_not_nobody(self, users: Path) -> None:
        logins = make(users, anonymous_pull=True)
        assert refused(logins, PULL, basic("alice", "wrong")).status == HTTPStatus.UNAUTHORIZED


class TestCertificates:
    def test_its_common_name_is_the_user(self) -> None:
        logins = Logins(None, Pushers(rules=(PushRule.parse("node-1:acme/**"),)))
        assert logins.admit(Presented(certificate="node-1"), PUSH) == Caller(name="node-1")
        assert refused(logins, PUSH, certificate="node-2").status == HTTPStatus.FORBIDDEN
        assert refused(logins).status == HTTPStatus.UNAUTHORIZED

    def test_a_password_names_the_user_where_there_is_one(self, users: Path) -> None:
        logins = make(users)
        assert logins.admit(Presented(authorization=ALICE, certificate="node-1"), PULL) == Caller(name="alice")
        assert logins.admit(Presented(certificate="node-1"), PULL) == Caller(name="node-1")


def test_over_the_wire(tmp_path: Path, users: Path) -> None:
    lines: list[str] = []
    logins = make(users, "alice:acme/**", anonymous_pull=True)
    with (
        RegistryServer(tmp_path / "registry", allow_push=True, admission=logins, log=lines.append) as server,
        closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection,
    ):
        single_image("seed").push_to(server.registry, "acme/app", "1")

        def ask(method: str, path: str, login: str | None = None) -> int:
            connection.request(method, path, headers={"Authorization": login} if login else {})
            answer = connection.getresponse()
            answer.read()
            return answer.status

        # Whoever asks but once hears that a login would open more.
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.headers["WWW-Authenticate"]) == (
            200,
            b"{}",
            logins_module.CHALLENGE,
        )
        assert ask("GET", "/v2/acme/app/manifests/1") == 200
        assert ask("GET", "/v2/_catalog") == 401
        assert ask("GET", "/v2/_catalog", ALICE) == 200
        assert ask("DELETE", "/v2/acme/app/manifests/1") == 401
        assert ask("DELETE", "/v2/other/app/manifests/1", ALICE) == 403
        assert ask("DELETE", "/v2/acme/app/manifests/1", ALICE) == 202
        assert ask("GET", "/healthz") == 200
    assert " alice DELETE /v2/acme/app/manifests/1 202 " in lines[-2]
    assert " alice DELETE /v2/other/app/manifests/1 403 " in lines[-3]
    assert not any("correct horse" in line or ALICE in line for line in lines)
