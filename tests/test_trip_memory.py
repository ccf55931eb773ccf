"""Memory stays flat however large the blobs are: below 100 MB on both sides, from a file and through a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.images import artifact
from support.trip import Trip, command_line, make_trip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
BLOB_BYTES = 300_000_000
MOST_KILOBYTES = 100_000
# Runs a command and adds the highest resident size of its process to a file. In a process of its own, since the
# number that the kernel keeps for children is the highest of all of them.
_MEASURE = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "a") as file:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=file)
sys.exit(status)
"""


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        (reference,) = made.put({("acme/database", "2"): artifact("database", files={"database": bytes(BLOB_BYTES)})})
        made.write_manifest(f"artifacts: [{reference}]")
        yield made


def measured(log: Path, program: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", _MEASURE, str(log), *command_line(program, *arguments)]


def kilobytes(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()]


@pytest.mark.timeout(300)
def test_a_large_blob_takes_no_memory_from_a_file(trip: Trip) -> None:
    log, bundle = trip.path / "memory", trip.path / "acme.tar"
    sign = ("--sign", "gpg:release@example.com")
    for words in (
        measured(log, "airgap-export", "build", trip.path / "acme.yaml", "-o", bundle, *sign),
        measured(log, "airgap-import", "verify", bundle, "--policy", trip.policy),
        measured(log, "airgap-import", *trip.push_arguments(bundle)),
    ):
        subprocess.run(words, check=True, capture_output=True, env=os.environ)
    assert max(kilobytes(log)) < MOST_KILOBYTES, kilobytes(log)


@pytest.mark.timeout(300)
def test_a_large_blob_takes_no_memory_through_a_pipe(trip: Trip) -> None:
    log = trip.path / "memory"
    build = measured(
        log, "airgap-export", "build", trip.path / "acme.yaml", "-o", "-", "--sign", "gpg:release@example.com"
    )
    push = measured(log, "airgap-import", *trip.push_arguments("-"))
    with subprocess.Popen(build, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as first:
        second = subprocess.run(push, stdin=first.stdout, capture_output=True, check=False)
        assert second.returncode == 0, second.stderr
    assert first.returncode == 0
    assert max(kilobytes(log)) < MOST_KILOBYTES, kilobytes(log)
