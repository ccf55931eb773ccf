"""Nothing goes to a temporary directory: with a full one of 10 MB everything works, and it holds nothing afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.images import artifact
from support.trip import RELEASE, Trip, command_line, make_trip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYER_BYTES = 30_000_000
# Every place that programs take for temporary files, small and full, in a mount namespace of its own. What lies there
# at the end is listed behind a mark.
_SCRIPT = """
set -e
places=$1; shift
for place in $places; do
  mount -t tmpfs -o size=10m none "$place"
  dd if=/dev/zero of="$place/full" bs=1M 2>/dev/null || true
done
status=0
"$@" || status=$?
echo "left:" $(for place in $places; do ls -A "$place"; done)
exit $status
"""


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare (util-linux) is needed")
    probe = [unshare, "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    if subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount anything, not even in a namespace")
    with make_trip(tmp_path, monkeypatch) as made:
        (reference,) = made.put({("acme/database", "2"): artifact("database", files={"database": bytes(LAYER_BYTES)})})
        made.write_manifest(f"artifacts: [{reference}]")
        for name in ("full", "volumes", "cut", "registry"):
            (tmp_path / name).mkdir()
        yield made


def run_without_room(trip: Trip, program: str, *arguments: object) -> None:
    """Run a command where nothing can be put down; it has to work, and to leave nothing."""
    full = trip.path / "full"
    # Where programs look that do not know TMPDIR.
    shared = [place for place in ("/var/tmp", "/dev/shm") if not str(full).startswith(place)]  # noqa: S108 - made full
    places = " ".join([str(full), *shared])
    words = ["unshare", "--mount", "sh", "-c", _SCRIPT, "sh", places, *command_line(program, *arguments)]
    environment = {**os.environ, "TMPDIR": str(full), "TEMP": str(full), "TMP": str(full)}
    said = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    left = said.stdout.rpartition("left:")[2].split()
    assert set(left) == {"full"}, left


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_full_temporary_directory_changes_nothing(trip: Trip) -> None:
    manifest, sign = trip.path / "acme.yaml", ("--sign", f"gpg:{RELEASE.split('<')[1].rstrip('>')}")
    whole, cut = trip.path / "acme.tar", trip.path / "cut"
    run_without_room(trip, "airgap-export", "build", manifest, "-o", whole, *sign)
    pieces = trip.path / "volumes" / "acme.tar"
    run_without_room(trip, "airgap-export", "build", manifest, "-o", pieces, "--volume-size", "4MB", *sign)
    run_without_room(trip, "airgap-export", "cut", whole, "--volume-size", "7MB", "-o", cut)
    run_without_room(trip, "airgap-export", "inspect", cut, "--check")
    for bundle in (whole, pieces, cut):
        run_without_room(trip, "airgap-import", "verify", bundle, "--policy", trip.policy)
    run_without_room(trip, "airgap-import", *trip.push_arguments(cut))
    run_without_room(trip, "airgap-import", *trip.push_arguments(pieces, f"dir:{trip.path / 'registry'}"))
    assert trip.inner_tags() != {}


def test_a_medium_that_is_too_small_is_named_with_the_numbers_before_anything_is_written(trip: Trip) -> None:
    whole = trip.build("acme.tar")
    small, other = trip.path / "small", trip.path / "cut"
    small.mkdir()
    words = ["cut", whole, "--volume-size", "8MB", "-o", small]
    script = 'mount -t tmpfs -o size=20m none "$1"; shift; "$@" 2>&1; echo "status $?"; ls "$0"'
    command = ["unshare", "--mount", "sh", "-c", script, str(small), str(small)]
    said = subprocess.run(
        [*command, *command_line("airgap-export", *words)], capture_output=True, text=True, check=False
    ).stdout
    text = " ".join(said.split())
    assert "status 6" in text, said
    assert "AB-HOST-SPACE" in text
    assert "2 of 4 volumes" in text
    assert "--only 1-2" in text
    assert "--only 3-4" in text
    assert said.rstrip().endswith("status 6"), said
    # With a second medium they fit.
    said = subprocess.run(
        [*command, *command_line("airgap-export", *words, "-o", other)], capture_output=True, text=True, check=False
    ).stdout
    assert "status 0" in said, said
    assert sorted(path.name for path in other.glob("acme.tar.0*")) == ["acme.tar.003", "acme.tar.004"]
