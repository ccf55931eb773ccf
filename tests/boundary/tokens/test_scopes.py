"""Scopes: what can be granted, what can be asked for, and that a token never holds more than both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airgap_bundle.boundary.tokens.scopes import MAX_SCOPES, Access, covers, granted, parse_grant, parse_request
from airgap_bundle.core.errors import InvalidValueError


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("acme/**:pull", "acme/**:pull"),
        ("acme/app:push", "acme/app:pull,push"),
        ("acme/app:delete", "acme/app:delete"),
        ("acme/app:delete,push,pull", "acme/app:pull,push,delete"),
        ("**:pull", "**:pull"),
        ("registry:catalog:*", "registry:catalog:*"),
    ],
)
def test_a_grant_is_written_in_one_way_and_read_back(text: str, written: str) -> None:
    assert str(parse_grant(text)) == written
    assert parse_grant(written) == parse_grant(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "pull", "acme/app", "acme/app:", ":pull", "acme/app:pull,", "acme/app:fly", "acme/app:PULL"),
        *("acme/app:*", "ACME:pull", "acme//app:pull", "../app:pull", "acme/app :pull", "acme/***:pull"),
        *("repository:acme/app:pull", "registry:catalog:pull", "registry:catalog:*,pull", "a:b:c:pull", "a\n:pull"),
        "a" * 300 + ":pull",
    ],
)
def test_what_is_no_grant_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        parse_grant(text)


def test_a_request_brings_actions_on_one_resource_together() -> None:
    wanted = parse_request(["repository:a/b:pull repository:c:push", "repository:a/b:push,pull", "registry:catalog:*"])
    assert [str(one) for one in wanted] == ["repository:a/b:pull,push", "repository:c:push", "registry:catalog:*"]


def test_the_class_of_a_resource_means_nothing() -> None:
    assert parse_request(["repository(plugin):a/b:pull"]) == parse_request(["repository:a/b:pull"])


def test_nothing_asked_is_nothing() -> None:
    assert parse_request([]) == parse_request([""]) == ()


@pytest.mark.parametrize(
    "scope",
    [
        *("repository", "repository:", "repository:a", "repository:a:", "repository::pull", ":a:pull", "a b", "  "),
        *("repository:A/b:pull", "repository:../../x:pull", "repository:a:PULL", "repository:a:pull,,push"),
        *("repository:reg:5000/a:pull", "REPOSITORY:a:pull", "repository(:a:pull", "repository:a:pull\n"),
        *("repository:**:pull", "repository:a/*:pull", "registry:everything else:*", "repository:é:pull", "\0"),
        f"repository:{'a' * 300}:pull",
        f"repository:a:{'x' * 20}",
    ],
)
def test_a_scope_of_wrong_syntax_is_refused(scope: str) -> None:
    with pytest.raises(InvalidValueError):
        parse_request([scope])


def test_more_scopes_than_a_token_can_hold_are_refused() -> None:
    scopes = [f"repository:a{number}:pull" for number in range(MAX_SCOPES + 1)]
    assert len(parse_request(scopes[:-1])) == MAX_SCOPES
    for too_many in (scopes, ["repository:" + "a" * 8000 + ":pull"]):
        with pytest.raises(InvalidValueError):
            parse_request(too_many)


def test_asking_for_more_than_is_granted_gets_what_is_granted() -> None:
    grants = [parse_grant("acme/**:pull"), parse_grant("acme/own:push")]
    wanted = parse_request(["repository:acme/own:pull,push,delete", "repository:acme/app:push", "repository:x:pull"])
    assert [str(one) for one in granted(wanted, grants)] == ["repository:acme/own:pull,push"]


def test_only_who_was_granted_it_may_list_every_repository() -> None:
    everything = [parse_grant("**:pull,push,delete")]
    wanted = parse_request(["registry:catalog:*"])
    assert granted(wanted, everything) == ()
    assert granted(wanted, [parse_grant("registry:catalog:*")]) == wanted
    assert not covers([parse_grant("registry:catalog:*")], "registry/catalog", "pull")
    # A repository of that name is another thing.
    assert not Access(type="repository", name="catalog", actions=("*",)).covers(None, "*")


_NAMES = st.from_regex(r"[ab]{1,2}(/[ab]{1,2}){0,2}", fullmatch=True)
_PATTERNS = st.lists(st.sampled_from(["a", "b", "ab", "*", "**", "a*"]), min_size=1, max_size=3).map("/".join)
_ACTIONS = st.sets(st.sampled_from(["pull", "push", "delete"]), min_size=1).map(lambda found: ",".join(sorted(found)))


@given(st.lists(st.tuples(_PATTERNS, _ACTIONS), max_size=3), st.lists(st.tuples(_NAMES, _ACTIONS), max_size=4))
def test_a_token_never_holds_more_than_was_asked_and_granted(
    grants: list[tuple[str, str]], asked: list[tuple[str, str]]
) -> None:
    allowed = [parse_grant(f"{pattern}:{actions}") for pattern, actions in grants]
    wanted = parse_request([f"repository:{name}:{actions}" for name, actions in asked])
    pairs = {(one.name, action) for one in granted(wanted, allowed) for action in one.actions}
    assert pairs == {
        (one.name, action) for one in wanted for action in one.actions if covers(allowed, one.name, action)
    }
