"""Other people's programs in tests: found, or the test is skipped; a containerd of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_START_SECONDS = 20.0
_CONTAINERD = """\
version = 2
root = "{home}/root"
state = "{home}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{home}/grpc"
[ttrpc]
  address = "{home}/ttrpc"
"""


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory with a short name: podman and containerd put sockets into theirs."""
    path = Path(tempfile.mkdtemp(prefix="ab-", dir="/tmp"))
    try:
        yield path
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=False, capture_output=True)
        shutil.rmtree(path, ignore_errors=True)


def tool(program: str, *arguments: object, fails: bool = False, environment: Mapping[str, str] | None = None) -> str:
    """What the program prints, both channels in one; skips where it is not installed."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed; tests/run installs it where it may")
    command = [path, *map(str, arguments)]
    variables = {**os.environ, **(environment or {})}
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=variables
    )
    assert (result.returncode != 0) == fails, result.stdout
    return result.stdout


@contextmanager
def containerd(home: Path) -> Iterator[Path]:
    """A containerd of its own; the address to give to `ctr`. Only root can run one."""
    program = shutil.which("containerd")
    if program is None:
        pytest.skip("containerd is not installed; tests/run installs it where it may")
    if os.geteuid() != 0:
        pytest.skip("only root can run a containerd of its own")
    (home / "config.toml").write_text(_CONTAINERD.format(home=home))
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([program, "--config", str(home / "config.toml")], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not (home / "grpc").exists() and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.05)
            yield home / "grpc"
        finally:
            process.terminate()
            process.wait(timeout=20)
