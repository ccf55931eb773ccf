"""Verifying makes no connection, and importing none but to the destination: in an empty network, and traced.

Two witnesses. A network namespace without even loopback shows that nothing is needed; `strace` shows that nothing is
tried, by our process and by every program that it runs. Each is shown to see what it should by a process that leaks.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.namespace import without_network
from support.registries import embedded_registry
from support.site import REST, Site
from support.trip import command_line, run

# Programs that a verification may run. Everything else could speak for us.
ALLOWED_PROGRAMS = {"gpgv"}
# Lures: proxies, mirrors and key servers that a library could be tempted to use.
LURES = {
    "HTTP_PROXY": "http://192.0.2.1:3128",
    "HTTPS_PROXY": "http://192.0.2.1:3128",
    "ALL_PROXY": "socks5://192.0.2.1:1080",
    "http_proxy": "http://192.0.2.1:3128",
    "https_proxy": "http://192.0.2.1:3128",
    "SIGSTORE_REKOR_URL": "http://192.0.2.1",
    "TUF_ROOT": "http://192.0.2.1",
}
LEAK = "import socket; s = socket.socket(); s.settimeout(0.2); s.connect_ex(('192.0.2.1', 9))"


def isolated(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command where there is no network."""
    return execute(without_network(*command), environment)


def execute(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)


def trace(command: list[str], log: Path, environment: dict[str, str]) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run a command under strace; what it and its children connected, sent and executed."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not on this machine")
    calls = "trace=connect,sendto,sendmsg,sendmmsg,execve"
    done = execute(["strace", "-f", "-qq", "-s", "300", "-e", calls, "-o", str(log), *command], environment)
    text = log.read_text()
    if "ptrace" in done.stderr and not text:
        pytest.skip("this machine allows no tracing")
    return done, text


def network_calls(text: str) -> list[str]:
    """Lines of a trace that reach out of the process: any socket, pathname sockets to agents and daemons too."""
    return [line for line in text.splitlines() if re.search(r"\b(connect|sendto|sendmsg|sendmmsg)\(", line)]


def programs(text: str) -> set[str]:
    """What was executed, by name."""
    return {Path(name).name for name in re.findall(r'execve\("([^"]+)".*= 0', text)}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A policy with people of every kind, and a bundle that all of them have signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "hsm.pem").write_bytes(pem)
    made = Site(path=tmp_path)
    lines = "".join(f"      {line}\n" for line in public.decode().splitlines())
    rest = REST.replace(
        "release: {signers: [release-ci, alice], threshold: 1}", "release: {signers: [release-ci, hsm], threshold: 2}"
    )
    made.write_policy(f"  hsm:\n    publicKey: |-\n{lines}{rest}")
    said = run("airgap-export", "sign", made.bundle("ci", "bob"), "--sign", f"key:{tmp_path / 'hsm.pem'}")
    assert said.status == 0, said.err
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gnupg").mkdir(mode=0o700)
    (tmp_path / "home" / ".gnupg" / "gpg.conf").write_text("auto-key-retrieve\nkeyserver hkp://192.0.2.1\n")
    (tmp_path / "home" / ".netrc").write_text("machine 192.0.2.1 login a password b\n")
    return made


def lures(site: Site) -> dict[str, str]:
    return {**LURES, "HOME": str(site.path / "home")}


def verify(site: Site) -> list[str]:
    return command_line("airgap-import", "verify", site.path / "plane.tar", "--policy", site.policy)


def refused_push(site: Site) -> list[str]:
    unsigned = site.bundle(name="unsigned.tar", seed="unsigned")
    places = ("--policy", site.policy, "--state", site.state)
    return command_line("airgap-import", "push", unsigned, site.dest, *places)


def test_a_process_that_leaks_is_seen_by_both_witnesses(tmp_path: Path) -> None:
    done = isolated(sys.executable, "-c", f"{LEAK}; import os; os._exit(s.connect_ex(('192.0.2.1', 9)) != 0)")
    assert done.returncode == 1
    _, text = trace([sys.executable, "-c", LEAK], tmp_path / "trace", {})
    assert len(network_calls(text)) == 1


def test_verify_works_where_there_is_no_network(site: Site) -> None:
    done = isolated(*verify(site), **lures(site))
    assert done.returncode == 0, done.stderr
    assert "Accepted" in done.stdout
    assert "release-ci" in done.stdout


def test_a_push_is_refused_where_there_is_no_network(site: Site) -> None:
    done = isolated(*refused_push(site), **lures(site))
    assert (done.returncode, "AB-TRUST-UNSIGNED" in done.stderr) == (3, True), done.stderr


def test_a_push_into_a_directory_works_where_there_is_no_network(site: Site) -> None:
    push = ("push", site.path / "plane.tar", site.dest, "--policy", site.policy, "--state", site.state)
    done = isolated(*command_line("airgap-import", *push), **lures(site))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [verify, refused_push], ids=["verify", "a refused push"])
def test_nothing_is_tried(site: Site, command: object) -> None:
    assert callable(command)
    done, text = trace(command(site), site.path / "trace", lures(site))
    assert done.returncode in {0, 3}, done.stderr
    assert network_calls(text) == []
    assert programs(text) - {Path(sys.executable).name} <= ALLOWED_PROGRAMS


def test_a_push_connects_to_its_destination_and_to_nothing_else(site: Site) -> None:
    with embedded_registry(site.path / "inner") as inner:
        push = ("push", site.path / "plane.tar", f"{inner.address}/mirror", "--policy", site.policy)
        command = command_line("airgap-import", *push, "--state", site.state)
        done, text = trace(command, site.path / "trace", lures(site))
    assert done.returncode == 0, done.stderr
    port = inner.address.rpartition(":")[2]
    connects = [line for line in network_calls(text) if "connect(" in line]
    assert connects
    expected = f'sin_port=htons({port}), sin_addr=inet_addr("127.0.0.1")'
    assert [line for line in connects if expected not in line] == []
    assert programs(text) - {Path(sys.executable).name} <= ALLOWED_PROGRAMS
