"""What each command loads: start-up is most of a small command's time, and every module has its share in it.

Not timed: a module that a run does not need is named here, and the run must not have imported it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.trip import Trip, keys, make_trip

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUN = """
import sys
from airgap_bundle.cli import start
sys.argv = sys.argv[1:]
try:
    getattr(start, sys.argv[0].replace("-", "_"))()
finally:
    with open({listing!r}, "w") as file:
        file.write("\\n".join(sys.modules))
"""
# Other commands, the server, volumes, addresses, signatures that are not GnuPG's, and libraries that few runs need.
_NEVER = (
    *(f"airgap_bundle.cli.{name}" for name in ("explain", "kit", "policy", "relocate", "report", "serve", "token")),
    *("airgap_bundle.registry.serving", "airgap_bundle.registry.server", "airgap_bundle.transfer.remote.address"),
    *("airgap_bundle.bundle.volumes.opening", "airgap_bundle.bundle.volumes.joined"),
    *("airgap_bundle.trust.keyless", "airgap_bundle.trust.keyless_signing", "airgap_bundle.trust.keys"),
    *("rich", "sigstore", "cryptography", "requests", "oras", "botocore", "cheroot", "jwt", "importlib.resources"),
)
_OUTSIDE = ("airgap_bundle.connected", "airgap_bundle.discovery")
_WRITING = ("airgap_bundle.bundle.writer", "airgap_bundle.boundary.push", "airgap_bundle.transfer.plan")
_NETWORK = ("airgap_bundle.registry.transport", "http.client", "ssl", "socket")
_THREADS = ("concurrent.futures", "queue")
_INSIDE = ("airgap_bundle.boundary", "airgap_bundle.trust.policy_model")


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trip]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        with make_trip(tmp_path_factory.mktemp("trip"), monkeypatch) as made:
            made.one_image()
            made.pushed(made.build())
            yield made


def loaded(trip: Trip, program: str, *arguments: object) -> set[str]:
    """Every module that the command imported; it has to work."""
    listing = trip.path / "loaded"
    code = _RUN.format(listing=str(listing))
    command = [sys.executable, "-c", code, program, *map(str, arguments)]
    environment = {**os.environ, "GNUPGHOME": str(keys().home.path)}
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert said.returncode == 0, said.stderr
    return set(listing.read_text().split())


def needless(modules: set[str], *unwanted: str) -> list[str]:
    """What of that was loaded all the same, with whatever lies below it."""
    return sorted(name for name in modules if any(name == one or name.startswith(f"{one}.") for one in unwanted))


def test_verify_of_a_small_file_needs_no_network_no_threads_and_nothing_that_writes(trip: Trip) -> None:
    modules = loaded(trip, "airgap-import", "verify", trip.path / "acme.tar", "--policy", trip.policy)
    assert needless(modules, *_NEVER, *_OUTSIDE, *_WRITING, *_NETWORK, *_THREADS, "_strptime", "sqlite3") == []


def test_inspect_judges_nothing(trip: Trip) -> None:
    modules = loaded(trip, "airgap-import", "inspect", trip.path / "acme.tar")
    assert needless(modules, *_NEVER, *_OUTSIDE, *_INSIDE, *_WRITING, *_NETWORK, "sqlite3") == []


def test_status_opens_no_bundle_and_asks_nobody(trip: Trip) -> None:
    modules = loaded(trip, "airgap-import", "status", "--state", trip.state)
    assert needless(modules, *_NEVER, *_OUTSIDE, *_WRITING, *_NETWORK, *_THREADS) == []


@pytest.mark.parametrize("command", ["plan", "push"])
def test_an_import_parses_no_lock_without_charts(trip: Trip, command: str) -> None:
    arguments = trip.push_arguments(trip.path / "acme.tar")[1:]
    modules = loaded(trip, "airgap-import", command, *arguments)
    assert needless(modules, *_NEVER, *_OUTSIDE, "airgap_bundle.manifest.lock", "airgap_bundle.bundle.writer") == []


def test_a_build_loads_neither_the_inside_nor_other_ways_to_sign(trip: Trip) -> None:
    out = trip.path / "again.tar"
    modules = loaded(
        trip, "airgap-export", "build", trip.path / "acme.yaml", "-o", out, "--sign", f"gpg:{keys().release}"
    )
    assert (
        needless(modules, *_NEVER, *_INSIDE, "airgap_bundle.discovery", "airgap_bundle.connected.export_volumes") == []
    )


def test_check_reads_manifests_alone(trip: Trip) -> None:
    modules = loaded(trip, "airgap-manifest", "check", trip.path / "acme.yaml")
    assert needless(modules, *_NEVER, *_INSIDE, *_WRITING, *_NETWORK, "airgap_bundle.trust.openpgp") == []


@pytest.mark.parametrize(
    "words", [("airgap-import", "verify"), ("airgap-import", "push"), ("airgap-export", "build")], ids=" ".join
)
def test_the_help_of_a_command_loads_nothing_that_works(trip: Trip, words: tuple[str, ...]) -> None:
    modules = loaded(trip, *words, "--help")
    packages = ("boundary", "bundle", "connected", "discovery", "manifest", "registry", "transfer", "trust")
    assert needless(modules, *_NEVER, *(f"airgap_bundle.{name}" for name in packages)) == []
