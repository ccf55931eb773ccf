"""The examples run, on this machine and as this user, and what README shows of them is so."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
QUICKSTART = ROOT / "examples" / "quickstart"
SECONDS = 100
# What a person sees who looks only at the commands.
COMMANDS = (
    "outside$ airgap-manifest check acme.yaml",
    "outside$ airgap-manifest lock acme.yaml",
    "outside$ airgap-export build acme.yaml -o acme-1.0.0.tar",
    "inside$ airgap-import policy init --openpgp release.asc -o policy.yaml",
    "inside$ airgap-import verify ../stick/acme-1.0.0.tar --policy policy.yaml",
    "inside$ airgap-import push ../stick/damaged.tar",
    "(exit status 4, as it should be)",
    "inside$ airgap-import push ../stick/mallory.tar",
    "(exit status 3, as it should be)",
    "inside$ airgap-import push ../stick/acme-1.0.0.tar",
    "tags:       4 tags moved",
    "tags:       0 tags moved",
    'gpgv: Good signature from "Acme Release <release@example.com>"',
    "mirror/registry.example.com/acme/app:1.0",
    "Compared: each has the digest that it had outside, and what is attached to it.",
)

pytestmark = pytest.mark.tools("bash", "gpg", "gpgv", "tar")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose path has a space, with examples that write beside themselves and not into this one."""
    path = tmp_path / "a check out"
    path.mkdir()
    for name in ("airgap_bundle", "pyproject.toml"):
        (path / name).symlink_to(ROOT / name)
    (path / "examples").mkdir()
    for file in (ROOT / "examples").iterdir():
        if file.is_file():
            (path / "examples" / file.name).write_bytes(file.read_bytes())
            (path / "examples" / file.name).chmod(file.stat().st_mode)
    return path


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "AIRGAP_QUICKSTART_PYTHON": sys.executable, **changes}


def quickstart(checkout: Path, *arguments: str, cwd: Path | None = None, **changes: str) -> tuple[int, str]:
    """Exit status and all that was said."""
    result = subprocess.run(
        [checkout / "examples" / "quickstart", *arguments],
        cwd=cwd or checkout,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return result.returncode, result.stdout


def left_running(checkout: Path) -> list[str]:
    """Processes that were started in the checkout's stage and have not ended."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place, command = (process / "cwd").readlink(), (process / "cmdline").read_bytes()
        except OSError:
            continue
        if place.is_relative_to(checkout) and command:
            found.append(command.replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


def try_what_it_tells_to_try_next(said: str) -> None:
    *commands, last = [line.strip() for line in said.partition("== Next ==")[2].splitlines() if line.startswith("  ")]
    # This one serves until it is told to stop.
    assert last.startswith("airgap-import serve inside/registry")
    script = "\n".join(["set -e", *commands])
    tried = subprocess.run(
        ["bash", "-c", script], env=environment(), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert tried.returncode == 0, tried.stderr
    assert "acme 1.0.0 is current in" in tried.stdout


def test_the_quickstart_makes_the_whole_trip_twice_and_leaves_nothing_running(checkout: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    settings = {
        "TMPDIR": str(temporary),
        # What a person may have set for themselves must not change what is shown.
        "AIRGAP_FORMAT": "json",
        "AIRGAP_POLICY": "/nonexistent",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }
    for _ in range(2):
        status, said = quickstart(checkout, cwd=Path("/"), **settings)
        assert status == 0, said
        rest = said
        for line in COMMANDS:
            assert line in rest, said
            rest = rest.partition(line)[2]
        assert "\x1b" not in said
        assert left_running(checkout) == []
        assert list(temporary.iterdir()) == []
        assert [path.name for path in (checkout / ".cache" / "quickstart").iterdir()] == ["trip"]
    try_what_it_tells_to_try_next(said)


@pytest.mark.slow
def test_the_kept_registries_answer_and_are_ended_as_it_says(checkout: Path, tmp_path: Path) -> None:
    status, said = quickstart(checkout, "--keep", TMPDIR=str(tmp_path))
    assert status == 0, said
    end = re.search(r"^  (kill .*)$", said, re.MULTILINE)
    assert end is not None, said
    try:
        assert len(left_running(checkout)) == 2
        again, said_again = quickstart(checkout)
        assert again == 0, said_again
        assert len(left_running(checkout)) == 2
    finally:
        subprocess.run(["bash", "-c", end[1]], check=True, timeout=SECONDS)
    deadline = time.monotonic() + 10
    while left_running(checkout) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left_running(checkout) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_quickstart_leaves_nothing_running(
    checkout: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [checkout / "examples" / "quickstart"],
        env=environment(TMPDIR=str(tmp_path)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "airgap-manifest lock" in line:
                break
        # As a terminal does it: the whole group at once.
        os.killpg(process.pid, number)
        said = process.stdout.read()
        assert process.wait(timeout=SECONDS) == 128 + number, said
    assert "interrupted while" in said
    assert "Traceback" not in said
    assert left_running(checkout) == []
    assert list(tmp_path.glob("airgap-keys.*")) == []


def test_wrong_usage_and_what_a_machine_lacks_are_said_plainly(checkout: Path, tmp_path: Path) -> None:
    status, said = quickstart(checkout, "--nonsense")
    assert status == 2
    assert said.startswith("usage: examples/quickstart [--keep]")
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in ("bash", "env", "dirname", "mkdir", "cat"):
        (bare / program).symlink_to(f"/bin/{program}" if Path(f"/bin/{program}").exists() else f"/usr/bin/{program}")
    status, said = quickstart(checkout, PATH=str(bare))
    assert status == 6
    assert "the program gpg of GnuPG is not installed" in said
    assert "apt-get install gnupg" in said
    for program in ("gpg", "gpgv"):
        (bare / program).symlink_to("/bin/true")
    status, said = quickstart(checkout, PATH=str(bare), AIRGAP_QUICKSTART_PYTHON="")
    assert status == 6
    assert "no Python 3.11 or newer" in said
