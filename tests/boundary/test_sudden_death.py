"""Killed in the middle, whatever it was doing: `status` tells the truth, and the next run finishes or undoes it.

The destination is a directory, so that every write of the whole undertaking, ledger, trail, receipts and registry, is
made by the process that dies. It dies by SIGKILL right before the write of a number.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.deliveries import Site, deliveries, make_site
from support.gate import gate_before
from support.registries import embedded_registry
from support.trip import start

_TESTS = Path(__file__).parent.parent
# Counts what makes something durable or visible, and dies before the one with the number that was given.
_DRIVER = """
import os, signal, sys
left = int(sys.argv.pop(1))

def step():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def before(holder, name):
    real = getattr(holder, name)
    def stepping(*arguments, **options):
        step()
        return real(*arguments, **options)
    setattr(holder, name, stepping)

for name in ("fsync", "replace", "rename", "unlink", "link", "write", "ftruncate"):
    before(os, name)
from airgap_bundle.boundary.ledger.database import Database
before(Database, "write")
import contextlib
real = Database.writing
@contextlib.contextmanager
def writing(self):
    with real(self):
        yield
        step()  # right before the commit
    step()      # right after it
Database.writing = writing
from airgap_bundle.cli.boundary import main
try:
    main()
finally:
    print("steps left", left, file=sys.stderr)
"""
_MANY = 100_000


def run_and_die(site: Site, step: int, *arguments: object) -> tuple[int, int]:
    """Run a command that dies before its write number `step`: its status, and how many writes it made if it lived."""
    command = [sys.executable, "-c", _DRIVER, str(step), *map(str, arguments), "--state", str(site.state)]
    command += ["--policy", str(site.policy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_TESTS, env=dict(os.environ))
    left = [line for line in done.stderr.splitlines() if line.startswith("steps left")]
    return done.returncode, step - int(left[0].split()[-1]) if left else 0


class Stage:
    """An inside that can be put back to where it was before the command."""

    def __init__(self, site: Site, command: list[object], before: dict[str, str], after: dict[str, str]) -> None:
        self.site = site
        self.command = command
        self.before = before
        self.after = after
        self._kept = site.path.with_name(f"{site.path.name}-kept")
        shutil.copytree(site.path, self._kept, symlinks=True)

    def reset(self) -> None:
        shutil.rmtree(self.site.path)
        shutil.copytree(self._kept, self.site.path, symlinks=True)

    def die_at(self, step: int) -> bool:
        """Whether it died there."""
        self.reset()
        status, _ = run_and_die(self.site, step, *self.command)
        assert status in {0, -signal.SIGKILL}
        return status != 0

    def check_truth(self) -> bool:
        """`status` says that something did not end, or the tags are those before or after it. Whether it ended."""
        status = self.site.status()
        if not status["unfinished"]:
            assert self.site.tags() in (self.before, self.after)
        return not status["unfinished"]

    def check_whole(self, tags: dict[str, str]) -> None:
        assert self.site.tags() == tags
        assert self.site.status()["unfinished"] == []
        assert self.site.done("drift")["drifted"] == []
        assert self.site.run("audit verify", policy=False).status == 0


def stage_rollback(path: Path) -> Stage:
    site = make_site(path)
    site.push("acme-1")
    site.push("acme-2")
    after = {"app:1.0": "app-1", "redis:7": "redis-1"}
    return Stage(site, ["rollback", "acme"], site.tags(), after)


def stage_publish(path: Path) -> Stage:
    site = make_site(path)
    site.push("acme-1")
    receipt = site.push("acme-2", "--hold")
    after = {"app:1.0": "app-1", "app:2.0": "app-2", "redis:7": "redis-2"}
    return Stage(site, ["publish", receipt], site.tags(), after)


def stage_push(path: Path) -> Stage:
    site = make_site(path)
    site.push("acme-1")
    after = {"app:1.0": "app-1", "app:2.0": "app-2", "redis:7": "redis-2"}
    return Stage(site, ["push", deliveries().bundle("acme-2"), site.dest], site.tags(), after)


STAGES = {"rollback": stage_rollback, "publish": stage_publish, "push": stage_push}


@pytest.fixture(params=sorted(STAGES))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    return STAGES[request.param](tmp_path / "site")


def steps_of(stage: Stage) -> int:
    status, steps = run_and_die(stage.site, _MANY, *stage.command)
    assert status == 0
    stage.check_whole(stage.after)
    return steps


def sweep(stage: Stage, steps: list[int]) -> None:
    for step in steps:
        if not stage.die_at(step):
            continue
        ended = stage.check_truth()
        if stage.command[0] == "rollback" and ended and stage.site.tags() == stage.after:
            # Run again without a name it would go one further back.
            stage.check_whole(stage.after)
            continue
        said = stage.site.run(str(stage.command[0]), *stage.command[1:])
        assert said.status == 0, (step, said.err)
        stage.check_whole(stage.after)


def test_run_again_it_finishes_wherever_it_was_killed(stage: Stage) -> None:
    steps = steps_of(stage)
    assert steps > 20
    # The tags move towards the end.
    sweep(stage, [2, steps // 3, *range(steps * 2 // 3, steps, max(1, steps // 12))])


@pytest.mark.slow
def test_run_again_it_finishes_wherever_it_was_killed_in_all_of_its_writes(stage: Stage) -> None:
    sweep(stage, list(range(1, steps_of(stage) + 1)))


@pytest.mark.parametrize("name", ["publish", "push"])
def test_a_rollback_undoes_what_was_killed(tmp_path: Path, name: str) -> None:
    stage = STAGES[name](tmp_path / "site")
    steps = steps_of(stage)
    for step in range(steps * 2 // 3, steps, max(1, steps // 6)):
        if not stage.die_at(step) or stage.check_truth():
            continue
        stage.site.done("rollback acme")
        stage.check_whole(stage.before)


@pytest.mark.parametrize("is_answered", [False, True], ids=["the request does not arrive", "the answer does not"])
@pytest.mark.parametrize("name", ["rollback", "publish"])
def test_killed_at_any_request_that_changes_something(tmp_path: Path, name: str, *, is_answered: bool) -> None:
    site = make_site(tmp_path)
    with embedded_registry(tmp_path / "registry") as server, gate_before(server.address) as gate:
        site.push("acme-1", dest=gate.address)
        receipt = site.push("acme-2", *(["--hold"] if name == "publish" else []), dest=gate.address)
        command = [name, "acme" if name == "rollback" else receipt, "--policy", site.policy, "--state", site.state]
        after = {"app:1.0": "app-1", "redis:7": "redis-1"}
        if name == "publish":
            after = {"app:1.0": "app-1", "app:2.0": "app-2", "redis:7": "redis-2"}
        for number in range(1, 20):
            process = start("airgap-import", *command)
            changes = 0

            def rule(
                method: str, _target: str, number: int = number, process: subprocess.Popen[bytes] = process
            ) -> int | None:
                nonlocal changes
                changes += method not in {"GET", "HEAD"}
                if method in {"GET", "HEAD"} or changes != number:
                    return None
                process.kill()
                process.wait(10)
                return None if is_answered else 503

            gate.rule = rule
            process.communicate(timeout=60)
            gate.rule = lambda _method, _target: None
            if process.returncode == 0:
                break
            # Each run was killed one step later than the one before, and went on from there.
            assert site.status()["unfinished"] != [] or site.tags() == after
            if site.tags() == after and site.status()["unfinished"] == []:
                break
        assert changes >= 1
        assert site.tags() == after
        assert site.status()["unfinished"] == []
        assert site.done("drift")["drifted"] == []
        assert site.run("audit verify", policy=False).status == 0
