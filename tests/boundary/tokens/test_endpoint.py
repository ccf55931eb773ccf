"""The token endpoint on the wire: both forms of Docker's token authentication, and everything that is no login."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from support.token_office import SERVICE, Desk, ask, token_registry

from airgap_bundle.boundary.tokens.signed_claims import MAX_TOKEN_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.token_office import Answer

    from airgap_bundle.boundary.tokens.issuing import Issued

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PULL = "repository:acme/app:pull"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "state")


@pytest.fixture
def issued(desk: Desk) -> Issued:
    return desk.issue("ci", "acme/**:push")


@pytest.fixture
def address(desk: Desk, tmp_path: Path) -> Iterator[str]:
    with token_registry(desk, tmp_path / "registry") as server:
        yield server.address


def post(address: str, headers: dict[str, str] | None = None, **fields: str) -> Answer:
    return ask(address, "/token", method="POST", headers=headers or FORM, body=urlencode(fields))


def refresh(address: str, issued: Issued, **fields: str) -> Answer:
    named: dict[str, str] = {"grant_type": "refresh_token", "refresh_token": issued.credential, **fields}
    return post(address, **named)


def test_a_token_is_for_what_was_asked_and_granted_and_says_so(desk: Desk, issued: Issued, address: str) -> None:
    path = f"/token?service={SERVICE}&scope={PULL},delete&scope=repository:other/app:pull"
    answer = ask(address, path, login=("ci", issued.credential))
    told = answer.json
    assert (answer.status, told["expires_in"], told["scope"]) == (200, 300, PULL)
    assert told["issued_at"] == "2026-11-22T12:00:00Z"
    assert told["token"] == told["access_token"]
    assert answer.headers["cache-control"] == "no-store"
    verified = desk.office.verifier.verify(told["token"], service=SERVICE, now=desk.clock())
    assert [str(one) for one in verified.claims.access] == [PULL]


def test_scopes_may_come_in_one_parameter_or_several(issued: Issued, address: str) -> None:
    login = ("ci", issued.credential)
    together = ask(address, f"/token?scope={PULL}%20repository:acme/b:push", login=login)
    apart = ask(address, f"/token?scope={PULL}&scope=repository:acme/b:push", login=login)
    assert together.json["scope"] == apart.json["scope"] == f"{PULL} repository:acme/b:push"


def test_nothing_asked_is_a_token_that_only_shows_who_it_is(issued: Issued, address: str) -> None:
    """What docker login asks for."""
    path = f"/token?account=ci&client_id=docker&offline_token=true&service={SERVICE}"
    told = ask(address, path, login=("ci", issued.credential)).json
    assert (told["scope"], told["refresh_token"]) == ("", issued.credential)
    assert ask(address, "/v2/", bearer=told["token"]).status == 200
    assert ask(address, "/v2/acme/app/tags/list", bearer=told["token"]).status == 401


def test_the_oauth2_form_takes_password_and_refresh_token(issued: Issued, address: str) -> None:
    common = {"service": SERVICE, "client_id": "test", "scope": PULL}
    by_password = post(address, grant_type="password", username="ci", password=issued.credential, **common)
    by_token = refresh(address, issued, access_type="offline", **common)
    assert (by_password.status, by_token.status) == (200, 200)
    assert "refresh_token" not in by_password.json
    assert by_token.json["refresh_token"] == issued.credential
    assert by_token.json["token_type"] == "Bearer"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"grant_type": "authorization_code"},
        {"grant_type": "client_credentials"},
        {"grant_type": ""},
        {"grant_type": "PASSWORD"},
    ],
    ids=str,
)
def test_other_grants_are_not_known(address: str, fields: dict[str, str]) -> None:
    answer = post(address, **fields)
    assert (answer.status, answer.json["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=password&grant_type=refresh_token",
        b"grant_type=refresh_token&refresh_token=a&refresh_token=b",
        b"grant_type=refresh_token&scope=a&scope=b",
        b"\xff\xfe",
        b"%ff=1",
        b"&".join(b"a=%d" % number for number in range(100)),
    ],
)
def test_a_form_that_can_be_read_in_two_ways_is_refused(address: str, body: bytes) -> None:
    answer = ask(address, "/token", method="POST", headers=FORM, body=body)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


def test_a_form_of_another_type_or_without_end_is_refused(issued: Issued, address: str) -> None:
    as_json = post(address, {"Content-Type": "application/json"}, grant_type="password")
    assert (as_json.status, as_json.json["error"]) == (400, "invalid_request")
    assert refresh(address, issued, scope="x" * 20_000).status == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
def test_other_methods_mean_nothing(address: str, method: str) -> None:
    assert ask(address, "/token", method=method).status == 405


@pytest.mark.parametrize(
    "scope",
    ["repository", "repository:acme/app", "repository:..%2Fx:pull", "repository:acme/**:pull", "a:b:c:d", "%00", "%20"],
)
def test_a_scope_of_wrong_syntax_is_told_so(desk: Desk, issued: Issued, address: str, scope: str) -> None:
    answer = ask(address, f"/token?scope={scope}", login=("ci", issued.credential))
    assert (answer.status, answer.json["error"]) == (400, "invalid_scope")
    assert desk.told("token-refreshed") == []


def logins(credential: str) -> list[Any]:
    """Headers that are no login of `ci`."""

    def basic(text: bytes) -> str:
        return f"Basic {base64.b64encode(text).decode()}"

    secret = credential.encode()
    return [
        *(
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic Y2k=",
            "Bearer x",
            f"Bearer {credential}",
            "Digest x",
            "Negotiate",
        ),
        *(basic(b"ci:" + secret[:-1]), basic(b"ci:" + secret + b"x"), basic(b"ci:"), basic(b":" + secret)),
        *(basic(b"other:" + secret), basic(b"CI:" + secret), basic(b"ci:\xff"), basic(b"../identities/ci:" + secret)),
        *(basic(b"ci\0:" + secret), basic(b"nobody:" + secret), basic(b"ci:" + b"x" * 5000), basic(secret)),
    ]


def test_whoever_has_not_the_credential_gets_no_token_and_learns_nothing(
    desk: Desk, issued: Issued, address: str
) -> None:
    answers = []
    for header in logins(issued.credential):
        headers = {"Authorization": header} if header else {}
        answer = ask(address, f"/token?scope={PULL}", headers=headers)
        answers.append((answer.status, answer.body, answer.challenge))
    assert set(answers) == {answers[0]}
    assert answers[0][0] == 401
    assert desk.told("token-refreshed") == []


def test_a_credential_of_another_form_is_none(issued: Issued, address: str) -> None:
    wrong = (issued.credential.replace("ci", "nobody"), "airgap_r1.ci.", "", "x", issued.credential + ".x", "a.b.c")
    statuses = [post(address, grant_type="refresh_token", refresh_token=text).status for text in wrong]
    assert statuses == [401] * len(wrong)


def test_a_revoked_or_ended_identity_gets_no_token(desk: Desk, issued: Issued, address: str) -> None:
    short = desk.issue("short", "acme/**:pull", until=desk.clock().replace(minute=1))
    assert ask(address, "/token", login=("short", short.credential)).status == 200
    desk.clock.passes("1m")
    desk.office.issuer.revoke("ci", "", desk.clock())
    for name, one in (("short", short), ("ci", issued)):
        assert ask(address, "/token", login=(name, one.credential)).status == 401
    assert {one["reason"] for one in desk.told("token-refused")} == {"revoked", "ended"}


def test_a_renewed_identity_is_known_by_its_new_credential_alone(desk: Desk, issued: Issued, address: str) -> None:
    renewed = desk.office.issuer.renew(desk.wish("ci", "acme/**:pull"), desk.clock())
    statuses = [ask(address, "/token", login=("ci", one.credential)).status for one in (issued, renewed)]
    assert statuses == [401, 200]


def test_one_token_has_no_credential(desk: Desk, address: str) -> None:
    once = desk.office.issuer.issue_once(desk.wish("job", "acme/app:pull"), desk.clock())
    for secret in (once.credential, "", "None", "sha256:" + "0" * 64):
        assert ask(address, "/token", login=("job", secret)).status == 401
    assert refresh(address, once).status == 401


def test_a_service_that_the_identity_is_not_for_is_refused(desk: Desk, address: str) -> None:
    issued = desk.issue("mirror", "**:pull", services=("registry.internal",))
    login = ("mirror", issued.credential)
    assert ask(address, "/token?service=registry.internal", login=login).status == 200
    answer = ask(address, f"/token?service={SERVICE}", login=login)
    assert (answer.status, answer.json["error"]) == (400, "invalid_target")
    # It gets no token for the embedded registry, and its credential does not count there.
    token = ask(address, "/token", login=login).json["token"]
    assert ask(address, "/v2/", bearer=token).status == 401
    assert ask(address, "/v2/", login=login).status == 401


def test_refusals_tell_the_trail_why_and_never_whom_nobody_knows(desk: Desk, issued: Issued, address: str) -> None:
    ask(address, "/token", login=("nobody-at-all", issued.credential))
    ask(address, "/token", login=("ci", "wrong"))
    ask(address, "/token")
    told = [(one["reason"], one["identity"], one["peer"]) for one in desk.told("token-refused")]
    assert told == [
        ("unknown-identity", "", "127.0.0.1"),
        ("wrong-credential", "ci", "127.0.0.1"),
        ("form", "", "127.0.0.1"),
    ]


def test_the_largest_token_fits_and_counts(desk: Desk, address: str) -> None:
    issued = desk.issue("all", "**:push,delete", "registry:catalog:*")
    names = [f"{'a' * 190}/{number}" for number in range(31)]
    scopes = "&".join(f"scope=repository:{name}:pull" for name in names)
    answer = ask(address, f"/token?{scopes}", login=("all", issued.credential))
    assert answer.status == 200, answer.body
    token = answer.json["token"]
    assert len(token) < MAX_TOKEN_CHARACTERS
    assert ask(address, f"/v2/{names[-1]}/tags/list", bearer=token).status == 404


def test_a_trail_that_cannot_be_written_means_no_token(desk: Desk, issued: Issued, address: str) -> None:
    (desk.path / "audit.jsonl").write_text("not a record of ours\n")
    answer = ask(address, f"/token?scope={PULL}", login=("ci", issued.credential))
    assert answer.status == 500
    assert b"token" not in answer.body.replace(b"tokens", b"")
