"""A guide walked through: the commands of its `sh` blocks, in order, each of which has to work.

A block says in its head on which side it is typed (```` ```sh outside ````, ```` ```sh inside ````). Plain commands of
ours run in this process; whatever needs a shell gets one, in which ours are found too. Programs that need a cluster
are handed back and not run.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.trip import _APPS, Said, command_line, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

# What only a cluster, a daemon or another machine can answer.
ELSEWHERE = frozenset({"docker", "helm", "kubectl", "k3s", "scp", "ssh", "sudo", "systemctl"})
_SECONDS = 60
_BLOCK = re.compile(r"^```sh (outside|inside)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## +(.+)$", re.MULTILINE)
_SHELL = re.compile(r"[|<>;&$`*]")
# Nothing in there means anything to a shell.
_QUOTED = re.compile(r"'[^']*'")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command as it stands in a guide, and on which side."""

    side: str
    text: str

    @property
    def program(self) -> str:
        """Its first word."""
        return shlex.split(self.text)[0]


def sections(guide: Path) -> dict[str, list[Command]]:
    """The commands below each heading (`##`), in order."""
    parts = _HEADING.split(guide.read_text())
    return {heading: _commands(text) for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def _commands(text: str) -> list[Command]:
    found = []
    for side, block in _BLOCK.findall(text):
        lines = block.replace("\\\n", " ").splitlines()
        found += [
            Command(side=side, text=" ".join(line.split())) for line in lines if line and not line.startswith("#")
        ]
    assert text.count("```sh") == len(_BLOCK.findall(text)), "a block does not say on which side it is typed"
    return found


@dataclass(kw_only=True)
class Walk:
    """Someone who follows a guide. `places` says what names of the guide are here, as `registry.internal:5000`.

    Where that is known only when the command is typed (the id of a receipt), it is a function.
    """

    guide: Path
    sides: Mapping[str, Path]
    places: dict[str, str | Callable[[], str]]
    monkeypatch: pytest.MonkeyPatch
    walked: set[str] = field(default_factory=set)

    @property
    def left(self) -> set[str]:
        """The headings with commands below them that nobody has typed yet."""
        return {heading for heading, commands in sections(self.guide).items() if commands} - self.walked

    def through(self, heading: str) -> list[tuple[str, Said]]:
        """Type every command below a heading; each with what it said. Those for elsewhere said nothing."""
        known = sections(self.guide)
        assert heading in known, f"{self.guide} has {', '.join(known)}"
        self.walked.add(heading)
        return [(command.text, self._type(command)) for command in known[heading]]

    def _type(self, command: Command) -> Said:
        text = command.text
        for name, here in self.places.items():
            if name in text:
                text = text.replace(name, here if isinstance(here, str) else here())
        if command.program in ELSEWHERE:
            return Said(status=0, out="", err="")
        self.monkeypatch.chdir(self.sides[command.side])
        if command.program == "export":
            for pair in shlex.split(text)[1:]:
                name, _, value = pair.partition("=")
                self.monkeypatch.setenv(name, value.replace("$PWD", str(Path.cwd())))
            return Said(status=0, out="", err="")
        if command.program == "cd":
            # What the guide calls its directory is where each side is already.
            return Said(status=0, out="", err="")
        needs_a_shell = command.program not in _APPS or _SHELL.search(_QUOTED.sub("", text))
        said = self._in_a_shell(text) if needs_a_shell else _here(text)
        assert said.status == 0, f"{command.text}\n{said.err}"
        return said

    def _in_a_shell(self, text: str) -> Said:
        programs = self.guide.parent / ".programs"
        if not programs.exists():
            programs.mkdir()
            for name in _APPS:
                line = shlex.join([*command_line(name)])
                (programs / name).write_text(f'#!/bin/sh\nexec {line} "$@"\n')
                (programs / name).chmod(0o755)
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env={**os.environ, "PATH": path},
        )
        return Said(status=done.returncode, out=done.stdout, err=done.stderr)


def _here(text: str) -> Said:
    program, *arguments = shlex.split(text)
    return run(program, *arguments)
