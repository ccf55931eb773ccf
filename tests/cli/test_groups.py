from __future__ import annotations

import json
import subprocess
import sys

_COMMAND = """
import dataclasses, sys
import typer
from typing import Annotated
from airgap_bundle.cli import frame, groups, options
from airgap_bundle.output.terminal import Terminal

@groups.option_group
@dataclasses.dataclass(frozen=True, kw_only=True)
class Connection:
    ca_file: options.CaFile = None
    plain_http: options.PlainHttp = None

app = frame.make_app("sample", "A sample.")

@frame.command(app, "one")
def one(
    name: Annotated[str, typer.Argument()], connection: Connection, jobs: options.Jobs = None, *, terminal: Terminal
) -> None:
    "One."
    ca, hosts = str(connection.ca_file), connection.plain_http
    terminal.emit({"version": 1, "name": name, "ca": ca, "hosts": hosts, "jobs": jobs})

@frame.command(app, "two")
def two(*, terminal: Terminal) -> None:
    "Two."

sys.exit(frame.run_app(app))
"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", _COMMAND, *arguments], capture_output=True, text=True, check=False)


def test_a_command_gets_its_group_as_one_value() -> None:
    said = _run("one", "x", "--ca-file", "ca.pem", "--plain-http", "a", "--plain-http", "b", "--jobs", "2")
    assert said.stderr == ""
    assert json.loads(said.stdout) == {"version": 1, "name": "x", "ca": "ca.pem", "hosts": ["a", "b"], "jobs": 2}


def test_what_is_not_given_has_the_default_of_the_group() -> None:
    assert json.loads(_run("one", "x").stdout) == {"version": 1, "name": "x", "ca": "None", "hosts": None, "jobs": None}


def test_the_help_lists_the_options_of_a_group() -> None:
    said = _run("one", "--help")
    assert "--ca-file" in said.stdout
    assert "--plain-http" in said.stdout
