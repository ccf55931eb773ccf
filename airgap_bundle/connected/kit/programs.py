"""Other people's programs while a kit is made. What they say goes into a file, and none outlives the call."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def run_program(
    command: Sequence[str], *, said: BinaryIO, environment: Mapping[str, str], cwd: Path | None = None
) -> int:
    """The exit status of a program, which writes into `said`; negative for the signal that it died of.

    It is gone when this returns or raises. What is removed behind it stays removed then: one that has been killed and
    not been waited for may still finish a file.
    """
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment, cwd=cwd
    ) as process:
        try:
            # Ctrl-C reaches it too. `Popen` gives it a quarter of a second to end by itself.
            return process.wait()
        finally:
            process.kill()
            process.wait()
