"""The example of a brief link: its nginx configuration is served by nginx, and its loop outlasts an absent server."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.certificates import authority
from support.nginx import nginx_before
from support.registries import free_port
from support.trip import Trip, make_trip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.certificates import Authority

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "brief-link"
SECONDS = 60

pytestmark = pytest.mark.tools("bash")


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@contextlib.contextmanager
def drop(tmp_path: Path, port: int, site: Authority) -> Iterator[None]:
    """nginx with the example's configuration, its names and paths changed as a person would."""
    certificate, key = site.issue("drop")
    (tmp_path / "passwords").write_text("carrier:{PLAIN}sesame\n")
    text = (EXAMPLE / "drop.conf").read_text()
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/nginx/drop.pem": str(certificate),
        "/etc/nginx/drop.key": str(key),
        "/etc/nginx/drop.passwords": str(tmp_path / "passwords"),
        "/srv/drop/files": str(tmp_path / "files"),
    }.items():
        assert old in text
        text = text.replace(old, new)
    server = tmp_path / "drop.conf"
    server.write_text(text)
    with nginx_before(
        "127.0.0.1:1", tmp_path / "nginx", rules=f"}} include {server}; server {{ listen 127.0.0.1:{free_port()};"
    ):
        yield


def push_until_in(trip: Trip, *words: object, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [EXAMPLE / "push-until-in", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AIRGAP_POLICY": str(trip.policy),
            "AIRGAP_STATE": str(trip.state),
            "LINK_PAUSE": "0.2",
            **more,
        },
    )


def test_the_loop_waits_for_the_server_of_the_example_and_brings_the_bundle_in(trip: Trip, tmp_path: Path) -> None:
    image = trip.one_image()
    (tmp_path / "files").mkdir()
    shutil.copy(trip.build(), tmp_path / "files" / "acme.tar")
    (tmp_path / "login").write_text("machine 127.0.0.1 login carrier password sesame\n")
    port = free_port()
    site = authority(tmp_path / "authority")
    options = ("--ca-file", site.ca_file, "--netrc", tmp_path / "login")
    plain = ("--plain-http", trip.inner.address)
    with push_until_in(trip, f"https://127.0.0.1:{port}/acme.tar", trip.dest, *options, *plain) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("try "):
                break
        with drop(tmp_path, port, site):
            said = process.stdout.read()
            status = process.wait(SECONDS)
    assert status == 0, said
    assert trip.inside("acme/app", "1.0") == image.digest


def test_the_loop_stops_where_waiting_changes_nothing(trip: Trip) -> None:
    cases = (
        (("https://sam:pw@127.0.0.1/acme.tar", trip.dest), 2, 0),
        ((f"http://127.0.0.1:{free_port()}/acme.tar", trip.dest), 5, 1),
        ((), 2, 0),
    )
    for words, status, repeated in cases:
        with push_until_in(trip, *words, LINK_TRIES="2") as process:
            said = process.communicate(timeout=SECONDS)[0]
        assert (process.returncode, said.count("try ")) == (status, repeated), said


@pytest.mark.parametrize("name", ["brief-link", "diode"])
def test_every_command_in_the_readme_exists(name: str) -> None:
    text = (EXAMPLE.parent / name / "README.md").read_text()
    for option in re.findall(r"airgap-\w+ \w+[^\n|]* (--[a-z0-9-]+)", text):
        sources = (each.read_text() for each in (EXAMPLE.parent.parent / "airgap_bundle" / "cli").glob("*.py"))
        assert any(f'"{option}"' in source for source in sources), option
    for path in re.findall(r"examples/[a-z/-]+", text):
        assert (EXAMPLE.parent.parent / path).exists(), path
