"""`airgap-import serve` and `collect`: what they refuse, what they say, and clients of others at their door."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.certificates import authority
from support.images import multi_arch_image, single_image
from support.passwords import write_users
from support.tools import containerd, short_directory, tool
from support.trip import run

from airgap_bundle.cli.serve_options import spell_out
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.certificates import Authority

PROGRAM = "from airgap_bundle.cli.start import airgap_import; airgap_import()"


@contextlib.contextmanager
def serving(directory: Path, *options: object) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str], Path]]:
    """The command in a process of its own: what it says of itself, the process, and the file of its log."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, "serve", str(directory), "--format", "json"]
    log = directory.with_name("log")
    with log.open("w") as log_file:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                said = "".join(iter(process.stdout.readline, "}\n"))
                yield json.loads(said + "}"), process, log
            finally:
                process.terminate()


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("DIR --allow-push", "DIR --allow-push="),
        ("--allow-push DIR", "--allow-push= DIR"),
        ("--allow-push /srv/a:b", "--allow-push= /srv/a:b"),
        ("--allow-push ./a:b", "--allow-push= ./a:b"),
        ("DIR --allow-push alice:acme/**", "DIR --allow-push alice:acme/**"),
        ("--allow-push *:** DIR", "--allow-push *:** DIR"),
        ("--allow-push=alice:x DIR", "--allow-push=alice:x DIR"),
        ("--allow-push --listen 127.0.0.1:1 DIR", "--allow-push= --listen 127.0.0.1:1 DIR"),
        ("-- --allow-push", "-- --allow-push"),
    ],
)
def test_allow_push_alone_and_with_a_rule(given: str, expected: str) -> None:
    assert spell_out(given.split()) == expected.split()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--listen", "0.0.0.0:0"], "AB-SERVE-NOT-LOOPBACK"),
        (["--listen", "0.0.0.0:0", "--without-tls"], "AB-SERVE-NOT-LOOPBACK"),
        (["--listen", "0.0.0.0:0", "--without-login"], "AB-SERVE-NOT-LOOPBACK"),
        (["--listen", "0.0.0.0:0", "--htpasswd", "USERS"], "AB-SERVE-NOT-LOOPBACK"),
        (["--listen", "0.0.0.0:0", "--tls-cert", "CERT", "--tls-key", "KEY"], "AB-SERVE-NOT-LOOPBACK"),
        (["--tls-cert", "CERT"], "AB-SERVE-OPTIONS"),
        (["--tls-key", "KEY"], "AB-SERVE-OPTIONS"),
        (["--client-ca", "CERT"], "AB-SERVE-OPTIONS"),
        (["--anonymous-pull"], "AB-SERVE-OPTIONS"),
        (["--allow-push", "alice:acme/**"], "AB-SERVE-OPTIONS"),
        (["--htpasswd", "USERS", "--allow-push", "alice:/x"], "AB-SERVE-OPTIONS"),
        (["--htpasswd", "NOTHING"], "AB-SERVE-HTPASSWD"),
        (["--tls-cert", "CERT", "--tls-key", "NOTHING"], "AB-SERVE-TLS"),
        (["--listen", "nowhere"], "AB-SERVE-ADDRESS"),
    ],
)
def test_what_would_not_be_what_was_meant_is_refused(
    tmp_path: Path, trusted: Authority, options: list[str], code: str
) -> None:
    certificate, key = trusted.issue("server")
    names = {
        "CERT": certificate,
        "KEY": key,
        "USERS": write_users(tmp_path / "users", alice="x"),
        "NOTHING": tmp_path / "nothing",
    }
    said = run("airgap-import", "serve", tmp_path / "registry", *(names.get(word, word) for word in options))
    assert (said.status, code in said.err) == (2, True)
    assert not (tmp_path / "registry").exists()


def test_what_is_given_up_by_name_is_warned_of(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "serve", str(tmp_path / "registry"), "--listen", "0.0.0.0:0"]
    process = subprocess.Popen(
        [*command, "--without-tls", "--without-login", "--allow-push"], stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(3)]
        process.terminate()
    assert "there is no TLS" in said[0]
    assert "there are no logins" in said[1]
    assert "anybody who reaches it may push" in said[2]


def test_it_says_where_it_answers_and_ends_on_a_signal(tmp_path: Path, trusted: Authority) -> None:
    certificate, key = trusted.issue("server")
    users = write_users(tmp_path / "users", alice="correct horse")
    options = ("--tls-cert", certificate, "--tls-key", key, "--htpasswd", users, "--allow-push", "alice:acme/**")
    with serving(tmp_path / "registry", *options) as (said, process, _):
        assert said == {
            "version": 1,
            "address": said["address"],
            "directory": str(tmp_path / "registry"),
            "tls": True,
            "logins": True,
            "tokens": None,
            "anonymousPull": False,
            "allowPush": True,
        }
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert time.monotonic() - began < 5


@pytest.mark.tools("skopeo")
def test_skopeo_with_a_login_over_tls_and_a_log_for_machines(tmp_path: Path, trusted: Authority) -> None:
    image = multi_arch_image("seed")
    image.write_layout(tmp_path / "layout", "1.0")
    certificate, key = trusted.issue("server")
    users = write_users(tmp_path / "users", alice="correct horse", bob="battery")
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca.crt").write_bytes(trusted.ca_file.read_bytes())
    options = ("--tls-cert", certificate, "--tls-key", key, "--htpasswd", users, "--allow-push", "alice:acme/**")
    certs = f"--dest-cert-dir={tmp_path}/certs"
    with serving(tmp_path / "registry", *options, "--log-format", "json") as (said, _, log):
        source, target = f"oci:{tmp_path}/layout:1.0", f"docker://{said['address']}/acme/app:1.0"
        tool("skopeo", "copy", "--all", certs, "--dest-creds=alice:correct horse", source, target)
        denied = tool("skopeo", "copy", "--all", certs, "--dest-creds=bob:battery", source, target, fails=True)
        assert "denied" in denied
        wrong = tool("skopeo", "copy", "--all", certs, "--dest-creds=alice:wrong", source, target, fails=True)
        assert "authentication required" in wrong or "unauthorized" in wrong
        elsewhere = f"docker://{said['address']}/other/app:1.0"
        assert "denied" in tool(
            "skopeo", "copy", "--all", certs, "--dest-creds=alice:correct horse", source, elsewhere, fails=True
        )
    assert DirectoryRegistry(tmp_path / "registry").get_manifest("acme/app", "1.0") == image.root
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["user"] for line in lines} >= {"", "alice"}
    assert "correct horse" not in log.read_text()


@pytest.mark.tools("podman")
def test_podman_logs_in_pushes_and_nodes_pull_without_a_login(tmp_path: Path, trusted: Authority) -> None:
    certificate, key = trusted.issue("server")
    users = write_users(tmp_path / "users", alice="correct horse")
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca.crt").write_bytes(trusted.ca_file.read_bytes())
    certs = f"--cert-dir={tmp_path}/certs"
    options = ("--tls-cert", certificate, "--tls-key", key, "--htpasswd", users, "--allow-push", "--anonymous-pull")
    single_image("seed").push_to(DirectoryRegistry(tmp_path / "registry"), "acme/app", "1.0")
    with serving(tmp_path / "registry", *options) as (said, _, _), short_directory() as short:
        store = ("--storage-driver=vfs", f"--root={short}/root", f"--runroot={short}/run")
        name, copy = f"{said['address']}/acme/app:1.0", f"{said['address']}/acme/copy:1.0"
        tool("podman", *store, "pull", "-q", certs, name)
        assert "unauthorized" in tool("podman", *store, "push", certs, name, copy, fails=True)
        login = ("--creds", "alice:correct horse")
        tool("podman", *store, "push", certs, *login, name, copy)
    assert DirectoryRegistry(tmp_path / "registry").list_tags("acme/copy") == ("1.0",)


@pytest.mark.tools("ctr", "containerd")
def test_containerd_pulls_every_host_through_one_default_entry(tmp_path: Path, trusted: Authority) -> None:
    names = {"docker.io/library/redis:7": "redis", "ghcr.io/acme/app:1.0": "app", "registry.k8s.io/pause:3.9": "pause"}
    registry = DirectoryRegistry(tmp_path / "registry")
    for name, seed in names.items():
        repository, _, tag = name.rpartition(":")
        multi_arch_image(seed).push_to(registry, repository, tag)
    certificate, key = trusted.issue("server")
    users = write_users(tmp_path / "users", node="secret")
    options = ("--tls-cert", certificate, "--tls-key", key, "--htpasswd", users)
    default = tmp_path / "certs.d" / "_default"
    default.mkdir(parents=True)
    with (
        serving(tmp_path / "registry", *options) as (said, _, log),
        short_directory() as short,
        containerd(short) as address,
    ):
        (default / "hosts.toml").write_text(
            f'[host."https://{said["address"]}"]\n  capabilities = ["pull", "resolve"]\n  ca = "{trusted.ca_file}"\n'
        )
        how = ("--snapshotter", "native", "--platform", "linux/amd64", "--hosts-dir", tmp_path / "certs.d")
        # Nothing but loopback may be asked where the mirror has no answer.
        nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
        for name in names:
            pull = ("ctr", "-a", address, "images", "pull", *how)
            tool(*pull, "--user", "node:secret", name, environment=nowhere)
        tool(*pull, "--user", "node:wrong", "ghcr.io/acme/app:1.0", environment=nowhere, fails=True)
        tool(*pull, "--user", "node:secret", "ghcr.io/acme/other:1.0", environment=nowhere, fails=True)
        assert "?ns=ghcr.io" in log.read_text()


def test_collecting_is_told_in_words(tmp_path: Path) -> None:
    registry = DirectoryRegistry(tmp_path / "registry")
    single_image("seed").push_to(registry, "acme/app", "1.0")
    registry.delete_tag("acme/app", "1.0")
    then = time.time() - 7200
    for path in (tmp_path / "registry").rglob("*"):
        os.utime(path, (then, then))
    said = run("airgap-import", "collect", tmp_path / "registry", "--grace", "1", "--dry-run")
    assert (said.status, "acme/app: 1 manifest, 3 blobs" in said.out) == (0, True), said.out
    assert "Would set free" in said.out
    said = run("airgap-import", "collect", tmp_path / "registry", "--grace", "1")
    assert "Set free" in said.out
    assert "Set free 0 B" in run("airgap-import", "collect", tmp_path / "registry", "--grace", "1").out
