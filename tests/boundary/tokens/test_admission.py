"""Tokens at the embedded registry: each route wants what it does, and challenges say what would be needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support.images import single_image
from support.token_office import SERVICE, Desk, ask, claims_for, forge, token_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.registry.server import RegistryServer

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "state")


@pytest.fixture
def server(desk: Desk, tmp_path: Path) -> Iterator[RegistryServer]:
    with token_registry(desk, tmp_path / "registry") as server:
        single_image("seed").push_to(server.registry, "acme/app", "1.0")
        yield server


def token(desk: Desk, *actions: str, name: str = "acme/app", kind: str = "repository") -> str:
    found = desk.office.identities.find("ci") or desk.issue("ci", "**:push,delete", "registry:catalog:*").identity
    access = [{"type": kind, "name": name, "actions": list(actions)}]
    return forge(desk, claims_for(found, desk.clock(), access=access))


ROUTES = [
    ("GET", "/v2/acme/app/tags/list", "repository:acme/app:pull"),
    ("GET", "/v2/acme/app/manifests/1.0", "repository:acme/app:pull"),
    ("HEAD", "/v2/acme/app/manifests/1.0", "repository:acme/app:pull"),
    ("GET", f"/v2/acme/app/referrers/{DIGEST}", "repository:acme/app:pull"),
    ("GET", f"/v2/acme/app/blobs/{DIGEST}", "repository:acme/app:pull"),
    ("PUT", "/v2/acme/app/manifests/2.0", "repository:acme/app:pull,push"),
    ("POST", "/v2/acme/app/blobs/uploads/", "repository:acme/app:pull,push"),
    ("DELETE", "/v2/acme/app/manifests/1.0", "repository:acme/app:delete"),
    ("DELETE", f"/v2/acme/app/blobs/{DIGEST}", "repository:acme/app:delete"),
    ("GET", "/v2/_catalog", "registry:catalog:*"),
]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_each_route_says_what_it_wants_and_takes_that_and_nothing_less(
    desk: Desk, server: RegistryServer, method: str, path: str, scope: str
) -> None:
    asked = ask(server.address, path, method=method)
    expected = f'Bearer realm="http://{server.address}/token",service="{SERVICE}",scope="{scope}"'
    assert (asked.status, asked.challenge.partition(", Basic")[0]) == (401, expected)
    kind, name, actions = scope.split(":")
    wrong = [
        token(desk, *actions.split(","), name="acme/other", kind=kind),
        token(desk, *({"pull", "push", "delete", "*"} - set(actions.split(","))), name=name, kind=kind),
        token(desk, *actions.split(","), name=name, kind="other"),
    ]
    for bearer in wrong:
        refused = ask(server.address, path, method=method, bearer=bearer)
        assert (refused.status, 'error="insufficient_scope"' in refused.challenge) == (401, True)
    right = token(desk, *actions.split(","), name=name, kind=kind)
    assert ask(server.address, path, method=method, bearer=right, body=b"").status not in {401, 403}


def test_every_login_will_do_to_see_whether_it_is_good(desk: Desk, server: RegistryServer) -> None:
    assert ask(server.address, "/v2/").status == 401
    assert ask(server.address, "/v2/", bearer=token(desk)).status == 200
    assert ask(server.address, "/v2/", bearer="x").status == 401
    assert "scope" not in ask(server.address, "/v2/").challenge


def test_a_mount_needs_reading_where_it_takes_from(desk: Desk, server: RegistryServer) -> None:
    digest = server.registry.get_manifest("acme/app", "1.0").layers[0].digest  # type: ignore[union-attr]  # it is there
    desk.issue("ci", "own/**:push")
    path = f"/v2/own/app/blobs/uploads/?mount={digest}&from=acme/app"
    may_not = token(desk, "pull", "push", name="own/app")
    assert ask(server.address, path, method="POST", bearer=may_not, body=b"").status == 202
    access = [
        {"type": "repository", "name": "own/app", "actions": ["pull", "push"]},
        {"type": "repository", "name": "acme/app", "actions": ["pull"]},
    ]
    identity = desk.office.issuer.renew(desk.wish("ci", "own/**:push", "acme/**:pull"), desk.clock()).identity
    may = forge(desk, claims_for(identity, desk.clock(), access=access))
    assert ask(server.address, path, method="POST", bearer=may, body=b"").status == 201


def test_the_repository_behind_ns_is_the_one_that_counts(desk: Desk, server: RegistryServer) -> None:
    """`?ns=` must not lead around a scope."""
    single_image("mirrored").push_to(server.registry, "docker.io/acme/app", "1.0")
    path = "/v2/acme/app/manifests/1.0?ns=docker.io"
    assert ask(server.address, path, bearer=token(desk, "pull")).status == 401
    assert 'scope="repository:docker.io/acme/app:pull ' in ask(server.address, path).challenge
    assert ask(server.address, path, bearer=token(desk, "pull", name="docker.io/acme/app")).status == 200


def test_what_is_asked_for_does_not_tell_which_repositories_are_mirrored(server: RegistryServer) -> None:
    single_image("seed").push_to(server.registry, "docker.io/secret", "1.0")
    for name in ("secret", "nothing"):
        asked = ask(server.address, f"/v2/{name}/manifests/1.0?ns=docker.io")
        both = f"repository:docker.io/{name}:pull repository:{name}:pull"
        assert (asked.status, f'scope="{both}"' in asked.challenge) == (401, True), asked.challenge


def test_a_token_says_more_than_its_identity_may_now(desk: Desk, server: RegistryServer) -> None:
    desk.issue("ci", "acme/**:pull")
    bearer = token(desk, "pull", "push", "delete")
    assert ask(server.address, "/v2/acme/app/tags/list", bearer=bearer).status == 200
    assert ask(server.address, "/v2/acme/app/manifests/1.0", method="DELETE", bearer=bearer).status == 401


def test_the_credential_itself_is_a_login_for_what_knows_no_tokens(desk: Desk, server: RegistryServer) -> None:
    issued = desk.issue("metrics", "registry:catalog:*")
    login = ("metrics", issued.credential)
    assert "Basic realm=" in ask(server.address, "/v2/_catalog").challenge
    assert ask(server.address, "/v2/_catalog", login=login).status == 200
    assert ask(server.address, "/v2/acme/app/tags/list", login=login).status == 401
    desk.office.issuer.revoke("metrics", "", desk.clock())
    assert ask(server.address, "/v2/_catalog", login=login).status == 401


@pytest.mark.parametrize("host", ['evil"quoted', "a b", "evil/path", "x@y", "", "[::1", "a" * 400, "\\", "é"])
def test_a_host_that_is_none_is_not_told_back(server: RegistryServer, host: str) -> None:
    asked = ask(server.address, "/v2/", headers={"Host": host.encode("latin-1")})
    assert asked.status in {400, 401}
    if asked.status == 401:
        assert asked.challenge.startswith(f'Bearer realm="http://{server.address}/token"')


def test_the_realm_is_the_name_by_which_a_client_came(server: RegistryServer) -> None:
    asked = ask(server.address, "/v2/", headers={"Host": "registry.internal:5000"})
    assert asked.challenge.startswith('Bearer realm="http://registry.internal:5000/token"')


def test_uses_and_refusals_are_told_with_who_and_what(desk: Desk, server: RegistryServer) -> None:
    good = token(desk, "pull")
    ask(server.address, "/v2/acme/app/tags/list", bearer=good)
    ask(server.address, "/v2/acme/app/tags/list", bearer=good)
    ask(server.address, "/v2/acme/other/tags/list", bearer=good)
    ask(server.address, "/v2/acme/app/tags/list", bearer="x")
    used, refused = desk.told("token-used"), desk.told("token-refused")
    assert [(one["identity"], one["repository"], one["action"], one["jti"]) for one in used] == [
        ("ci", "acme/app", "pull", "0123456789abcdef")
    ]
    assert [(one["reason"], one["identity"], one.get("repository")) for one in refused] == [
        ("scope", "ci", "acme/other"),
        ("form", "", None),
    ]
    assert desk.office.identities.last_used("ci") == desk.clock()


def test_a_first_question_without_a_login_is_no_refusal(desk: Desk, server: RegistryServer) -> None:
    ask(server.address, "/v2/acme/app/tags/list")
    assert desk.told("token-refused") == []


def test_a_trail_that_cannot_be_written_lets_nobody_in(desk: Desk, server: RegistryServer) -> None:
    bearer = token(desk, "pull")
    (desk.path / "audit.jsonl").write_text("not a record of ours\n")
    assert ask(server.address, "/v2/acme/app/tags/list", bearer=bearer).status == 500


def test_after_a_revocation_has_returned_nobody_is_let_in(desk: Desk, server: RegistryServer) -> None:
    """Sixteen clients that ask without a pause: no answer that began after the revocation is a good one."""
    bearer, late, stop = token(desk, "pull"), [0], threading.Event()
    revoked = threading.Event()

    def client() -> None:
        while not stop.is_set():
            is_after = revoked.is_set()
            if ask(server.address, "/v2/acme/app/tags/list", bearer=bearer).status == 200 and is_after:
                late[0] += 1

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    desk.office.issuer.revoke("ci", "", desk.clock())
    revoked.set()
    stop.wait(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert late == [0]
