"""The first tenth of a second of a command."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

_STOPPED_WHILE_IT_LOADS = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), getattr(signal, sys.argv[2]))
sys.meta_path.insert(0, Finder())
from airgap_bundle.cli import start
start.airgap_import()
"""


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("module", ["typer", "airgap_bundle.cli.boundary", "airgap_bundle.output.terminal"])
def test_stopped_while_it_loads_a_command_ends_without_a_traceback(module: str, signal_name: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", _STOPPED_WHILE_IT_LOADS, module, signal_name],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "")


def test_every_script_of_the_package_runs() -> None:
    scripts = [one for one in entry_points(group="console_scripts") if one.name.startswith("airgap-")]
    assert len(scripts) == 3
    for script in scripts:
        code = f"import sys; sys.argv[1:] = ['--version']; from {script.module} import {script.attr} as it; it()"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
        assert said.stdout.split()[0] == script.name


def test_cycles_are_looked_for_seldom_and_still_found() -> None:
    code = (
        "import gc, weakref; from airgap_bundle.cli import start; start.collect_seldom()\n"
        "class Node: pass\n"
        "first = Node(); first.itself = first; gone = weakref.ref(first); del first\n"
        "kept = [[] for _ in range(30_000)]; assert gone() is not None\n"
        "kept += [[] for _ in range(30_000)]; assert gone() is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
