"""Which commands are made, and what is imported for it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import typer.main

from airgap_bundle.cli import boundary, export, manifest

if TYPE_CHECKING:
    from airgap_bundle.cli.program import Program

APPS = {str(app.info.name): app for app in (manifest.app, export.app, boundary.app)}


def commands(program: Program) -> dict[str, object]:
    return dict(typer.main.get_command(program).commands)  # type: ignore[attr-defined]  # a group has them


@pytest.mark.parametrize("name", APPS)
def test_what_is_asked_for_is_made_alone_and_nothing_is_offered_that_nobody_listed(name: str) -> None:
    every = commands(APPS[name].made())
    for word in every:
        assert list(commands(APPS[name].made(word))) == [word]
    assert list(commands(APPS[name].made("nonsense"))) == list(every)


def test_a_command_written_elsewhere_is_imported_when_it_is_asked_for() -> None:
    code = (
        "import sys; from airgap_bundle.cli.boundary import app\n"
        "for word in ('verify', 'status', 'serve'):\n"
        "    app.made(word)\n"
        "    loaded = [name for name in ('inside', 'serve', 'explain') if f'airgap_bundle.cli.{name}' in sys.modules]\n"
        "    print(word, *loaded)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout.splitlines() == ["verify", "status inside", "serve inside serve"]
