from __future__ import annotations

import pytest
from support.clients import options

from airgap_bundle.registry.challenges import Realm, judge_realm, parse_challenges, same_house, scope_texts
from airgap_bundle.registry.origin import registry_origin


def test_a_bearer_challenge_is_taken_apart() -> None:
    (challenge,) = parse_challenges(
        ['Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"']
    )
    assert challenge.scheme == "bearer"
    assert challenge.parameters["service"] == "registry.docker.io"
    assert challenge.scopes == {"repository:a/b:pull", "repository:a/b:push"}


def test_several_challenges_in_one_header_and_in_two_are_all_seen() -> None:
    found = parse_challenges(['Negotiate, Basic realm="a, \\"b\\"", Bearer realm=x', "Digest qop=auth"])
    assert [challenge.scheme for challenge in found] == ["negotiate", "basic", "bearer", "digest"]
    assert found[1].parameters == {"realm": 'a, "b"'}


@pytest.mark.parametrize("text", ["", ",,,", "=", '"', 'Bearer realm="never ends', "Bearer " + "x=y," * 10_000, "\x00"])
def test_nonsense_is_no_challenge_and_no_trouble(text: str) -> None:
    assert len(parse_challenges([text] * 100)) <= 8


def test_scopes_that_make_no_sense_are_left_out() -> None:
    (challenge,) = parse_challenges(
        ['Bearer realm="x",scope="repository:a:pull nonsense \u00e9:b:c registry:catalog:*"']
    )
    assert challenge.scopes == {"repository:a:pull", "registry:catalog:*"}


def test_scopes_of_one_repository_are_one_text() -> None:
    scopes = frozenset({"repository:b:push", "repository:a:pull", "repository:b:pull"})
    assert scope_texts(scopes) == ("repository:a:pull", "repository:b:pull,push")


@pytest.mark.parametrize(
    ("registry", "realm", "connected", "boundary"),
    [
        ("registry.internal", "https://registry.internal/token", Realm.LOGIN, Realm.LOGIN),
        ("registry.internal", "https://registry.internal:8443/token", Realm.LOGIN, Realm.REFUSED),
        ("registry.internal", "http://registry.internal/token", Realm.REFUSED, Realm.REFUSED),
        ("docker.io", "https://auth.docker.io/token", Realm.LOGIN, Realm.REFUSED),
        ("registry.gitlab.com", "https://gitlab.com/jwt/auth", Realm.LOGIN, Realm.REFUSED),
        ("registry.corp.co.uk", "https://gitlab.corp.co.uk/jwt/auth", Realm.LOGIN, Realm.REFUSED),
        ("registry.corp.co.uk", "https://evil.co.uk/", Realm.NOTHING, Realm.REFUSED),
        ("a.github.io", "https://b.github.io/", Realm.NOTHING, Realm.REFUSED),
        ("registry.internal", "https://evil.example/", Realm.NOTHING, Realm.REFUSED),
        ("docker.io", "https://docker.io.evil.example/", Realm.NOTHING, Realm.REFUSED),
        ("docker.io", "https://evildocker.io/", Realm.NOTHING, Realm.REFUSED),
        ("registry.example", "http://127.0.0.1:9/", Realm.REFUSED, Realm.REFUSED),
        ("10.1.2.3", "https://9.1.2.3/", Realm.NOTHING, Realm.REFUSED),
        ("registry.internal", "https://auth.named/token", Realm.LOGIN, Realm.LOGIN),
        ("registry.internal", "http://auth.named/token", Realm.REFUSED, Realm.REFUSED),
    ],
)
def test_who_may_see_the_login(registry: str, realm: str, connected: Realm, boundary: Realm) -> None:
    origin = registry_origin(registry, ())
    inside = options(token_hosts=frozenset({"auth.named"}))
    outside = options(token_hosts=frozenset({"auth.named"}), follow_redirects_elsewhere=True)
    assert (judge_realm(realm, origin, outside)[0], judge_realm(realm, origin, inside)[0]) == (connected, boundary)


def test_loopback_is_nobodys_house() -> None:
    assert not same_house("127.0.0.1", "127.0.0.2")
    assert same_house("127.0.0.1", "127.0.0.1")
