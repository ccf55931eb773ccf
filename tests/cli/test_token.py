"""What `airgap-import token` says, and what `serve --tokens` refuses."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.registries import free_port
from support.token_office import ask
from support.trip import Said, run, start

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def token(state: Path, *arguments: object) -> Said:
    return run("airgap-import", "token", *arguments, "--state", state)


def issue(state: Path, *arguments: object) -> Said:
    said = token(state, "issue", *(arguments or ("ci", "--scope", "acme/**:push")))
    assert said.status == 0, said.err
    return said


def refused(said: Said, status: int, code: str) -> str:
    assert (said.status, said.json["error"]["code"]) == (status, code), said.err
    return str(said.json["error"]["message"])


def test_a_credential_is_all_of_standard_output_and_the_rest_is_talk(state: Path) -> None:
    said = issue(state, "ci", "--scope", "acme/**:push", "--note", "Acme, contract 17", "--until", "2030-06-30")
    credential, end = said.out.split("\n")
    assert (credential[:13], end) == ("airgap_r1.ci.", "")
    for words in ("until 2030-06-30", "acme/**:pull,push", "tokens last: 5m", "Acme, contract 17", "shown this once"):
        assert words in said.text
    assert credential not in said.err


def test_a_credential_in_a_file_is_for_its_owner_and_not_on_standard_output(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "credential"
    said = issue(state, "ci", "--scope", "acme/**:pull", "-o", file)
    assert (said.out, stat.S_IMODE(file.stat().st_mode)) == ("", 0o600)
    assert file.read_text().startswith("airgap_r1.ci.")
    as_json = issue(state, "other", "--scope", "acme/**:pull", "-o", tmp_path / "other", "--format", "json")
    assert as_json.json["credential"] is None
    assert (tmp_path / "other").read_text().strip() not in as_json.out + as_json.err


def test_an_existing_file_is_not_overwritten_and_nothing_is_issued(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "credential"
    file.write_text("something else")
    said = token(state, "issue", "ci", "--scope", "a:pull", "-o", file, "--format", "json")
    assert "exists" in refused(said, 6, "AB-HOST-EXISTS")
    assert file.read_text() == "something else"
    assert token(state, "list", "--format", "json").json["identities"] == []


def test_a_file_is_not_left_behind_where_nothing_was_issued(state: Path, tmp_path: Path) -> None:
    issue(state)
    said = token(state, "issue", "ci", "--scope", "a:pull", "-o", tmp_path / "credential", "--format", "json")
    refused(said, 2, "AB-TOKEN-EXISTS")
    assert not (tmp_path / "credential").exists()


def test_issuing_for_machines(state: Path) -> None:
    document = issue(state, "ci", "--scope", "acme/**:pull", "--service", "r.internal", "--format", "json").json
    assert document["credential"].startswith("airgap_r1.ci.")
    assert (document["kind"], document["identity"]["scopes"]) == ("credential", ["acme/**:pull"])
    assert document["identity"]["services"] == ["r.internal"]
    assert "secret" not in document["identity"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ci",), "AB-TOKEN-SCOPE"),
        (("ci", "--once"), "AB-TOKEN-SCOPE"),
        (("ci", "--scope", "acme/**"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "acme/**:fly"), "AB-TOKEN-OPTION"),
        (("CI", "--scope", "a:pull"), "AB-TOKEN-OPTION"),
        (("../ci", "--scope", "a:pull"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--until", "yesterday"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--until", "2020-01-01"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--life", "59s"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--life", "61m"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--life", "0"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--service", "a b"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--note", "a\nb"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--note", "\u202eabc"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--once", "--renew"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--once", "--until", "90d"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a:pull", "--once", "--life", "25h"), "AB-TOKEN-OPTION"),
        (("ci", "--scope", "a/**:pull", "--once"), "AB-TOKEN-ONCE"),
        (("ci", "--scope", "a:pull", "--once", "--service", "a", "--service", "b"), "AB-TOKEN-ONCE"),
        (("ci", "--renew"), "AB-TOKEN-UNKNOWN"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_and_nobody_is_registered(
    state: Path, arguments: tuple[str, ...], code: str
) -> None:
    refused(token(state, "issue", *arguments, "--format", "json"), 2, code)
    assert token(state, "list", "--all", "--format", "json").json["identities"] == []


def test_the_list_has_who_may_what_until_when(state: Path) -> None:
    assert "No identity" in token(state, "list").text
    issue(state, "ci", "--scope", "acme/**:pull", "--until", "30d")
    issue(state, "gone", "--scope", "acme/**:pull")
    assert token(state, "revoke", "gone", "--reason", "left").status == 0
    said = token(state, "list")
    assert "ci until" in said.text
    assert "never acme/**:pull" in said.text
    assert "gone" not in said.text
    assert "ci ends on" in said.text
    everybody = token(state, "list", "--all", "--format", "json").json["identities"]
    assert [(one["name"], one["state"], one["reason"]) for one in everybody] == [
        ("ci", "active", ""),
        ("gone", "revoked", "left"),
    ]


def test_revoking_says_from_when_on_and_where_it_takes_a_while(state: Path) -> None:
    issue(state)
    said = token(state, "revoke", "ci")
    assert "from now on" in said.text
    assert "check signatures alone" in said.text
    assert "already" in token(state, "revoke", "ci").text
    refused(token(state, "revoke", "nobody", "--format", "json"), 2, "AB-TOKEN-UNKNOWN")
    refused(token(state, "revoke", "ci", "--reason", "a\nb", "--format", "json"), 2, "AB-TOKEN-OPTION")


def test_verify_says_what_a_token_is_good_for_or_why_it_is_not(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    issue(state, "job", "--once", "--scope", "acme/app:pull", "--life", "15m", "-o", file)
    said = token(state, "verify", file, "--scope", "repository:acme/app:pull")
    assert said.status == 0, said.err
    assert "repository:acme/app:pull" in said.text
    assert token(state, "verify", file, "--format", "json").json["identity"]["name"] == "job"
    wrong = {
        ("--scope", "repository:acme/app:push"): "does not allow push",
        ("--scope", "registry:catalog:*"): "does not allow *",
        ("--scope", "somewhere:catalog:x"): "does not allow",
        ("--service", "other"): "it is for 'airgap-registry'",
    }
    for options, words in wrong.items():
        assert words in refused(token(state, "verify", file, *options, "--format", "json"), 3, "AB-TOKEN-REFUSED")
    refused(token(state, "verify", file, "--scope", "nonsense", "--format", "json"), 2, "AB-TOKEN-OPTION")
    token(state, "revoke", "job")
    assert "was revoked" in refused(token(state, "verify", file, "--format", "json"), 3, "AB-TOKEN-REFUSED")
    for raw in (b"", b"x" * 100_000, b"\xff\xfe", b"a.b.c"):
        file.write_bytes(raw)
        refused(token(state, "verify", file, "--format", "json"), 3, "AB-TOKEN-REFUSED")


def test_verify_makes_no_keys(state: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a.b.c")
    said = token(state, "verify", tmp_path / "token", "--format", "json")
    assert "no keys here" in refused(said, 3, "AB-TOKEN-REFUSED")
    assert not (state / "audit.jsonl").exists()


def test_the_name_of_the_registry_can_come_from_the_environment(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRGAP_SERVICE", "registry.internal")
    issued = issue(state, "ci", "--scope", "a:pull", "--format", "json").json
    assert issued["identity"]["services"] == ["registry.internal"]


def test_the_keys_and_their_rotation(state: Path) -> None:
    first = token(state, "keys", "--format", "json").json["keys"]
    assert [key["standing"] for key in first] == ["next", "current"]
    second = token(state, "keys", "--rotate", "--overlap", "2h", "--format", "json").json["keys"]
    assert [key["standing"] for key in second] == ["next", "current", "overlap"]
    assert second[1]["kid"] == first[0]["kid"]
    third = token(state, "keys", "--compromised", "--format", "json").json["keys"]
    assert [key["standing"] for key in third] == ["next", "current", "retired", "retired", "retired"]
    assert "current" in token(state, "keys").text
    events = [json.loads(line)["event"] for line in (state / "audit.jsonl").read_text().splitlines()]
    assert events == ["token-keys-made", "token-keys-rotated", "token-keys-replaced"]


@pytest.mark.parametrize(
    "options",
    [
        ("--rotate", "--compromised"),
        ("--overlap", "1h"),
        ("--rotate", "--overlap", "soon"),
        ("--for", "docker-registry"),
        ("-o", "DIR"),
        ("--for", "docker-registry", "-o", "DIR"),
        ("--for", "docker-registry", "-o", "DIR", "--realm", "not a url"),
        ("--for", "docker-registry", "-o", "DIR", "--realm", "ftp://x/token"),
        ("--for", "docker-registry", "-o", "DIR", "--realm", "https://x/token", "--service", 'a"b'),
    ],
    ids=str,
)
def test_options_of_keys_that_make_no_sense_change_nothing(
    state: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    directory = tmp_path / "files"
    words = [str(directory) if word == "DIR" else word for word in options]
    refused(token(state, "keys", *words, "--format", "json"), 2, "AB-TOKEN-OPTION")
    assert not directory.exists()
    assert [key["standing"] for key in token(state, "keys", "--format", "json").json["keys"]] == ["next", "current"]


def test_what_is_written_for_a_registry_can_be_replaced(state: Path, tmp_path: Path) -> None:
    options = ("--for", "docker-registry", "-o", tmp_path / "files", "--realm", "https://t.internal/token")
    first = token(state, "keys", *options, "--format", "json").json["written"]
    assert sorted(path.rpartition("/")[2] for path in first) == [
        *("config.auth.yaml", "token-certificates.pem", "token-keys.jwks.json"),
    ]
    before = (tmp_path / "files" / "token-certificates.pem").read_text()
    assert token(state, "keys", "--rotate", *options).status == 0
    after = (tmp_path / "files" / "token-certificates.pem").read_text()
    assert (before.count("BEGIN CERT"), after.count("BEGIN CERT")) == (2, 3)
    assert token(state, "keys", "--for", "jwks", "-o", tmp_path / "keys").status == 0
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["token-keys.jwks.json"]


@pytest.mark.parametrize(
    "options",
    [
        ("--tokens", "--anonymous-pull"),
        ("--tokens", "--allow-push", "alice:acme/**"),
        ("--tokens", "--htpasswd", "users"),
    ],
    ids=str,
)
def test_tokens_beside_other_logins_are_refused(state: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    said = run("airgap-import", "serve", tmp_path / "r", *options, "--state", state, "--format", "json")
    refused(said, 2, "AB-SERVE-OPTIONS")


@pytest.mark.parametrize(
    "options", [("--service", "a b"), ("--realm", "nonsense"), ("--realm", 'https://x/"token')], ids=str
)
def test_names_that_no_client_could_use_are_refused(state: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    words = ("--tokens", *options, "--listen", "127.0.0.1:0", "--state", state, "--format", "json")
    refused(run("airgap-import", "serve", tmp_path / "r", *words), 2, "AB-TOKEN-OPTION")


def test_serve_issues_takes_and_counts_until_it_is_stopped(state: Path, tmp_path: Path) -> None:
    credential = issue(state, "ci", "--scope", "acme/**:pull").out.strip()
    port = free_port()
    words = ("--listen", f"127.0.0.1:{port}", "--tokens", "--state", state, "--format", "json")
    process = start("airgap-import", "serve", tmp_path / "r", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        told = b""
        while not told.endswith(b"}\n"):
            told += process.stdout.readline()
        assert (json.loads(told)["tokens"], json.loads(told)["logins"]) == ("airgap-registry", True)
        address = f"127.0.0.1:{port}"
        bearer = ask(address, "/token?scope=repository:acme/app:pull", login=("ci", credential)).json["token"]
        for _ in range(3):
            assert ask(address, "/v2/acme/app/tags/list", bearer=bearer).status == 404
        assert token(state, "revoke", "ci").status == 0
        assert ask(address, "/v2/acme/app/tags/list", bearer=bearer).status == 401
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    records = [json.loads(line) for line in (state / "audit.jsonl").read_text().splitlines()]
    used = [one["details"].get("times") for one in records if one["event"] == "token-used"]
    assert used == [None, "2"]
