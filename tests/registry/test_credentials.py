from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from airgap_bundle.core.errors import HostError, InvalidValueError, UsageError
from airgap_bundle.registry import credentials
from airgap_bundle.registry.credentials import AuthFiles, Credentials, login_files


def entry(username: str, password: str = "secret") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def user_of(files: AuthFiles, host: str, repository: str = "") -> str | None:
    found = files.find(host, repository)
    return found.username if found else None


def explicit(tmp_path: Path, value: Any) -> AuthFiles:
    return AuthFiles(write(tmp_path / "auth.json", value), {})


def test_files_are_read_in_the_order_of_the_tools(tmp_path: Path) -> None:
    environment = {
        "HOME": str(tmp_path / "home"),
        "REGISTRY_AUTH_FILE": str(tmp_path / "named.json"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }
    places = login_files(environment)
    assert [str(place.relative_to(tmp_path)) for place in places] == [
        "named.json",
        "run/containers/auth.json",
        "home/.config/containers/auth.json",
        "home/.docker/config.json",
        "home/.config/helm/registry/config.json",
    ]
    for number in reversed(range(len(places))):
        write(places[number], {"auths": {"registry.internal": entry(f"user{number}")}})
        assert user_of(AuthFiles(None, environment), "registry.internal") == f"user{number}"


def test_variables_of_docker_and_helm_move_their_files() -> None:
    places = login_files({"HOME": "/h", "DOCKER_CONFIG": "/d", "HELM_REGISTRY_CONFIG": "/x/helm.json"})
    assert {Path("/d/config.json"), Path("/x/helm.json")} < set(places)


def test_a_host_missing_in_one_file_is_looked_for_in_the_next(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    write(tmp_path / ".config/containers/auth.json", {"auths": {"a.example": entry("podman")}})
    write(tmp_path / ".docker/config.json", {"auths": {"b.example": entry("docker")}})
    files = AuthFiles(None, environment)
    assert (user_of(files, "a.example"), user_of(files, "b.example"), user_of(files, "c.example")) == (
        "podman",
        "docker",
        None,
    )


def test_an_explicit_file_is_the_only_one(tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {"b.example": entry("docker")}})
    named = write(tmp_path / "named.json", {"auths": {"a.example": entry("named")}})
    files = AuthFiles(named, {"HOME": str(tmp_path)})
    assert (user_of(files, "a.example"), user_of(files, "b.example")) == ("named", None)


def test_an_explicit_file_that_is_missing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.json"):
        AuthFiles(tmp_path / "nowhere.json", {}).find("a.example")


def test_the_longest_namespace_wins(tmp_path: Path) -> None:
    files = explicit(
        tmp_path,
        {"auths": {"a.example": entry("all"), "a.example/team": entry("team"), "a.example/team/app": entry("app")}},
    )
    asked = ("team/app", "team/app/web", "team/other", "teams", "")
    assert [user_of(files, "a.example", name) for name in asked] == ["app", "app", "team", "all", "all"]


def test_docker_hub_answers_to_all_its_names(tmp_path: Path) -> None:
    for name in ("https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"):
        files = explicit(tmp_path, {"auths": {name: entry("whale")}})
        assert user_of(files, "docker.io", "library/redis") == "whale"


def test_keys_may_be_written_as_urls(tmp_path: Path) -> None:
    assert user_of(explicit(tmp_path, {"auths": {"https://a.example": entry("url")}}), "a.example") == "url"


def test_a_login_for_one_port_is_none_for_another(tmp_path: Path) -> None:
    files = explicit(tmp_path, {"auths": {"a.example:5000": entry("five")}})
    assert (user_of(files, "a.example:5000"), user_of(files, "a.example"), user_of(files, "a.example:5001")) == (
        "five",
        None,
        None,
    )


def test_identity_and_registry_tokens_are_known(tmp_path: Path) -> None:
    files = explicit(
        tmp_path, {"auths": {"a.example": {"identitytoken": "refresh"}, "b.example": {"registrytoken": "bearer"}}}
    )
    first, second = files.find("a.example"), files.find("b.example")
    assert first is not None
    assert second is not None
    assert (first.identity_token, second.registry_token) == ("refresh", "bearer")


def test_secrets_hide() -> None:
    shown = repr(Credentials(username="alice", password="s1", identity_token="s2", registry_token="s3"))
    assert "alice" in shown
    assert not any(secret in shown for secret in ("s1", "s2", "s3"))


@pytest.mark.parametrize("password", ["a\r\nX-Evil: 1", "a\x00b"])
def test_a_login_that_would_break_out_of_its_header_is_refused(password: str) -> None:
    with pytest.raises(InvalidValueError):
        Credentials(username="alice", password=password)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b'{"auths": []}', id="a list"),
        pytest.param(b'{"auths": {"a.example": 1}}', id="an entry that is a number"),
        pytest.param(b'{"auths": {"a.example": {"auth": "%%%"}}}', id="no base64"),
        pytest.param(b'{"auths": {"a.example": {"auth": "YWJj"}}}', id="no colon"),
        pytest.param(b'{"auths": {"a.example": {"auth": 7}}}', id="a secret that is a number"),
        pytest.param(b'{"credsStore": 7}', id="a store that is a number"),
        pytest.param(b'{"credHelpers": {"a.example": "../../evil"}}', id="a helper that is a path"),
        pytest.param(b'{"auths": {}, "auths": {}}', id="a key twice"),
        pytest.param(b" " * (1024 * 1024 + 1), id="too long"),
    ],
)
def test_a_file_that_is_none_is_named(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_bytes(raw)
    with pytest.raises(HostError, match=r"auth\.json") as caught:
        AuthFiles(path, {}).find("a.example")
    assert caught.value.code == "AB-REGISTRY-LOGIN-FILE"


def helper(directory: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = directory / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\nread host\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


def test_a_helper_is_asked_for_its_host_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, "test", """echo '{"Username": "from '$host'", "Secret": "x"}'""", monkeypatch)
    files = explicit(tmp_path, {"credHelpers": {"a.example": "test"}, "auths": {"b.example": entry("file")}})
    assert user_of(files, "a.example", "some/app") == "from a.example"
    assert user_of(files, "b.example") == "file"


def test_the_store_is_asked_for_docker_hub_by_its_old_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, "test", """echo '{"Username": "'"${host##*//}"'", "Secret": "x"}'""", monkeypatch)
    files = explicit(tmp_path, {"credsStore": "test", "auths": {"https://index.docker.io/v1/": {}}})
    assert user_of(files, "docker.io") == "index.docker.io/v1/"


def test_a_helper_may_give_an_identity_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, "test", """echo '{"Username": "<token>", "Secret": "refresh"}'""", monkeypatch)
    found = explicit(tmp_path, {"credHelpers": {"a.example": "test"}}).find("a.example")
    assert found is not None
    assert (found.identity_token, found.password) == ("refresh", "")


def test_a_helper_without_a_login_means_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, "test", "echo 'credentials not found in native keychain'; exit 1", monkeypatch)
    assert explicit(tmp_path, {"credHelpers": {"a.example": "test"}}).find("a.example") is None


def test_what_a_helper_says_reaches_nobody_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    helper(tmp_path, "test", "echo 'credentials not found'; printf '\\033[31mnoise\\n' >&2; exit 1", monkeypatch)
    assert explicit(tmp_path, {"credHelpers": {"a.example": "test"}}).find("a.example") is None
    assert capfd.readouterr() == ("", "")


def test_a_helper_is_asked_once_for_a_host_however_many_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "asked"
    helper(tmp_path, "test", f"""echo x >> {log}; echo '{{"Username": "a", "Secret": "x"}}'""", monkeypatch)
    files = explicit(tmp_path, {"credHelpers": {"a.example": "test"}})
    assert [user_of(files, "a.example", f"some/app{n}") for n in range(5)] == ["a"] * 5
    assert log.read_text() == "x\n"


def test_a_helper_that_is_missing_is_said_once_and_there_is_no_login(tmp_path: Path) -> None:
    said: list[object] = []
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"credsStore": "not-there"}))
    files = AuthFiles(path, {}, said.append)
    assert [files.find("a.example", name) for name in ("some/app", "other/app")] == [None, None]
    (remark,) = said
    assert "docker-credential-not-there" in str(remark)


def test_a_helper_that_talks_nonsense_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, "test", "echo nonsense", monkeypatch)
    with pytest.raises(HostError, match="docker-credential-test"):
        explicit(tmp_path, {"credHelpers": {"a.example": "test"}}).find("a.example")


def test_a_helper_that_hangs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, "test", "exec sleep 1", monkeypatch)
    monkeypatch.setattr(credentials, "_HELPER_SECONDS", 0.3)
    with pytest.raises(HostError, match="did not answer"):
        explicit(tmp_path, {"credHelpers": {"a.example": "test"}}).find("a.example")


def test_netrc_is_no_source(home: Path) -> None:
    (home / ".netrc").write_text("machine a.example login netrc password secret\n")
    assert AuthFiles(None, {"HOME": str(home)}).find("a.example") is None
