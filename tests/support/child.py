"""A second process of ours, for locks, limits and sudden death."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parent.parent
_PRELUDE = """
import os, resource, signal, sys
from pathlib import Path
from airgap_bundle.boundary.audit.trail import Audit
from airgap_bundle.boundary.ledger.ledger import Ledger
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.core.errors import AirgapError
from support.receipts import *
"""


def start_child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python process that runs `code`; `sys.argv[1:]` are the arguments."""
    return subprocess.Popen(
        [sys.executable, "-c", _PRELUDE + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_TESTS)},
    )


def run_child(code: str, *arguments: object) -> str:
    """What the process printed, when it ended by itself without complaint."""
    with start_child(code, *arguments) as child:
        output = child.communicate(timeout=60)[0]
    assert child.returncode == 0, output
    return output.strip()
