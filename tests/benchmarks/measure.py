"""Runs commands and says what they took, as the kernel accounts for it."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one command and its children; `peak` is the largest single process, `written` what reached a disk."""

    wall: float
    cpu: float
    peak: int
    written: int


def run(command: Sequence[str | Path], *, output: Path | None = None) -> Run:
    """Run a command to its end, and flush what it wrote to `output`: nobody is done before it is durable."""
    with tempfile.NamedTemporaryFile("r") as peak_file:
        # A process begins with the peak of whoever started it, and this one is larger than most: GNU time is small.
        time_program = shutil.which("time")
        prefix = [time_program, "--format=%M", f"--output={peak_file.name}"] if time_program else []
        start = time.perf_counter()
        process = subprocess.Popen([*prefix, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}\n{errors.decode(errors='replace')[-2000:]}")
        if output is not None:
            subprocess.run(["sync", "-f", str(output)], check=True)
        wall = time.perf_counter() - start
        peak = int(peak_file.read().split()[-1]) if prefix else usage.ru_maxrss
    return Run(wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak=peak * 1024, written=usage.ru_oublock * 512)


def shell(lines: Sequence[str], *, output: Path | None = None) -> Run:
    """Run several commands, one after another, as one."""
    return run(["sh", "-ec", "\n".join(lines)], output=output)


def median(runs: Sequence[Run]) -> Run:
    """The median of each figure."""
    return Run(
        wall=statistics.median(one.wall for one in runs),
        cpu=statistics.median(one.cpu for one in runs),
        peak=int(statistics.median(one.peak for one in runs)),
        written=int(statistics.median(one.written for one in runs)),
    )


def show(title: str, rows: dict[str, Run]) -> None:
    """A table, the first row being ours, and its ratios to each other row and to the best of them."""
    print(f"\n{title}")
    print(f"  {'':16}{'wall':>9}{'CPU':>9}{'memory':>10}{'written':>11}")
    for name, one in rows.items():
        print(f"  {name:16}{one.wall:>7.2f} s{one.cpu:>7.2f} s{one.peak / 1e6:>7.0f} MB{one.written / 1e6:>8.0f} MB")
    ours, *others = rows
    for name in others:
        print(f"  {ours} / {name}: wall {_ratio(rows, ours, name)}")
    if len(others) > 1:
        wall, cpu = min(rows[name].wall for name in others), min(rows[name].cpu for name in others)
        print(f"  {ours} / the fastest: wall {rows[ours].wall / wall:.2f}, CPU {rows[ours].cpu / cpu:.2f}")


def _ratio(rows: dict[str, Run], ours: str, name: str) -> str:
    return f"{rows[ours].wall / rows[name].wall:.2f}, CPU {rows[ours].cpu / rows[name].cpu:.2f}"
