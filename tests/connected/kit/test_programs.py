from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.connected.kit.programs import run_program

if TYPE_CHECKING:
    from pathlib import Path

# It does not let go by itself, and says who it is.
DEAF = "import os, signal, time; signal.signal(2, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"


def test_what_a_program_says_goes_into_the_file_and_its_status_comes_back(tmp_path: Path) -> None:
    with (tmp_path / "said").open("w+b") as said:
        command = [sys.executable, "-S", "-c", "import os, sys; print(os.getcwd()); sys.exit(3)"]
        assert run_program(command, said=said, environment={}, cwd=tmp_path) == 3
    assert (tmp_path / "said").read_text() == f"{tmp_path}\n"


def test_a_program_that_will_not_stop_is_gone_before_the_interruption_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "said"

    def interrupt() -> None:
        while not path.read_bytes().endswith(b"\n"):
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    with path.open("w+b") as said:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            run_program([sys.executable, "-S", "-c", DEAF], said=said, environment={})
        thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)
