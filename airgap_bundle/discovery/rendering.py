"""Has a chart rendered: by Helm's library in a child process, else by a `helm` program, else not at all."""

from __future__ import annotations

import base64
import importlib.util
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airgap_bundle
from airgap_bundle.discovery import helm_child, helm_program
from airgap_bundle.discovery.helm_needs import absent_values, bare_environment, needed_files, template_sources, wait
from airgap_bundle.discovery.sweep import Rendered, Sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.discovery.chart import Chart

# What the sweep of one chart may take. The largest public ones take 20 seconds; what was not tried is reported.
SWEEP_SECONDS = 60.0
# Loading the library, and writing the answer.
_GRACE_SECONDS = 20.0


def render(
    chart: Chart, values: Sequence[str], *, seconds: float = SWEEP_SECONDS, only_base: bool = False
) -> Sweep | None:
    """Everything that the chart can become; None where there is no Helm at all.

    `values` are the texts of values files, the last one wins. `Sweep.trouble` says why nothing could be rendered.
    """
    directory = _library_directory()
    if directory is not None:
        return _in_child(directory, chart, values, seconds, only_base=only_base)
    program = helm_program.find()
    if program is not None:
        return helm_program.render(program, chart, values, seconds, only_base=only_base)
    return None


def _library_directory() -> str | None:
    """Where `helm_python` is installed, without loading it."""
    spec = importlib.util.find_spec("helm_python")
    return str(Path(spec.origin).parent.parent) if spec is not None and spec.origin else None


def _in_child(directory: str, chart: Chart, values: Sequence[str], seconds: float, *, only_base: bool) -> Sweep:
    request = {
        "files": {name: base64.b64encode(raw).decode() for name, raw in needed_files(chart).items()},
        "templates": [[list(keys), text] for keys, text in template_sources(chart)],
        "absent": [list(keys) for keys in absent_values(chart)],
        "values": list(values),
        "seconds": seconds,
        "only_base": only_base,
    }
    package = str(Path(airgap_bundle.__file__).parent.parent)
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as answer, tempfile.TemporaryDirectory() as home:
        asked.write(json.dumps(request).encode())
        asked.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(Path(helm_child.__file__)), directory, package],
            stdin=asked,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env=bare_environment(home),
            cwd=home,
            start_new_session=True,
        )
        status = wait(process, seconds + _GRACE_SECONDS)
        if status != 0:
            return Sweep(trouble=_ending(status))
        answer.seek(0)
        return _read(answer.read(helm_child.OUTPUT_BYTES + 1))


def _ending(status: int | None) -> str:
    if status is None or status == -signal.SIGXCPU:
        return "rendering took too long and was stopped"
    if status == -signal.SIGXFSZ:
        return "rendering made more output than is allowed"
    return f"Helm's library ended without an answer (status {status}); perhaps the chart takes more memory than allowed"


def _read(raw: bytes) -> Sweep:
    try:
        answer: dict[str, Any] = json.loads(raw)
    except ValueError:
        return Sweep(trouble="Helm's library gave no answer")
    return Sweep(
        values=answer["values"],
        rendered=[Rendered(template=one[0], text=one[1], switch=one[2]) for one in answer["rendered"]],
        stubs=answer["stubs"],
        dropped=[(one[0], one[1]) for one in answer["dropped"]],
        failed=[(one[0], one[1]) for one in answer["failed"]],
        untried=answer["untried"],
        trouble=answer["trouble"],
    )
