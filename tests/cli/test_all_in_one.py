from __future__ import annotations

import subprocess
import sys

import pytest

from airgap_bundle import __version__

CODE = "import sys; sys.argv = sys.argv[1:]; from airgap_bundle.cli.all_in_one import main; main()"


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "words",
    [("/opt/airgap", "import"), ("airgap", "airgap-import"), ("/usr/local/bin/airgap-import",)],
    ids=["first word", "whole first word", "own name"],
)
def test_the_program_is_said_by_the_first_word_or_by_the_own_name(words: tuple[str, ...]) -> None:
    done = call(*words, "--version")
    assert (done.returncode, done.stdout) == (0, f"airgap-import {__version__}\n")


def test_a_status_comes_through() -> None:
    done = call("airgap", "export", "build", "there-is-no.yaml")
    assert done.returncode == 2
    assert "airgap-export" in done.stderr


@pytest.mark.parametrize(("words", "status"), [((), 2), (("nonsense",), 2), (("--help",), 0), (("-h",), 0)])
def test_without_a_program_it_says_which_there_are(words: tuple[str, ...], status: int) -> None:
    done = call("airgap", *words)
    assert done.returncode == status
    assert all(f"airgap {name}" in done.stderr for name in ("import", "export", "manifest"))
    assert max(map(len, done.stderr.splitlines())) <= 80


def test_it_has_a_version() -> None:
    assert call("airgap", "--version").stdout == f"airgap {__version__}\n"
