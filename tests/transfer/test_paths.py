"""Where repositories go by `--map`."""

from __future__ import annotations

import pytest

from airgap_bundle.core.errors import UsageError
from airgap_bundle.transfer.paths import PathMap, PathRule


@pytest.mark.parametrize(
    ("rule", "path", "becomes"),
    [
        ("docker.io/**=infra/**", "docker.io/library/redis", "infra/library/redis"),
        ("docker.io/**=infra/**", "docker.io/redis", "infra/redis"),
        ("docker.io/**=infra/**", "docker.io", None),
        ("docker.io/**=infra/**", "docker.io.evil/redis", None),
        ("docker.io/library/redis=cache/redis", "docker.io/library/redis", "cache/redis"),
        ("docker.io/library/redis=cache/redis", "docker.io/library/redis7", None),
        ("**=all/**", "docker.io/library/redis", "all/docker.io/library/redis"),
        ("docker.io/**=**", "docker.io/library/redis", "library/redis"),
    ],
)
def test_a_rule_takes_what_it_names_and_nothing_else(rule: str, path: str, becomes: str | None) -> None:
    assert PathRule.parse(rule).apply(path) == becomes


@pytest.mark.parametrize(
    "rule",
    ["", "=", "a", "a=", "=a", "a/**=b", "a=b/**", "a/*=b/*", "A=b", "a**=b**", "a/**/c=b/**/c", "../a=b", "a=b=c"],
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        PathRule.parse(rule)
    assert caught.value.code == "AB-USAGE-MAP"


def test_the_first_rule_that_matches_decides() -> None:
    path_map = PathMap.parse(["docker.io/library/redis=cache/redis", "docker.io/**=infra/**"])
    assert path_map.apply("docker.io/library/redis") == "cache/redis"
    assert path_map.apply("docker.io/library/nginx") == "infra/library/nginx"
    assert path_map.apply("quay.io/x") == "quay.io/x"
    assert path_map.as_texts() == ("docker.io/library/redis=cache/redis", "docker.io/**=infra/**")


def test_no_rules_change_nothing() -> None:
    assert PathMap.parse(None).apply("docker.io/library/redis") == "docker.io/library/redis"
