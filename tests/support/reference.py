#!/usr/bin/env python3
"""Writes the guides `commands`, `rules` and `errors` from the code: `tests/support/reference.py`, run as a program.

A test compares what lies in the package with what would be written, so the reference never says what is not so.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer.main

import airgap_bundle
from airgap_bundle.cli import boundary, explain, export, help_text, manifest
from airgap_bundle.core import errors
from airgap_bundle.manifest.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer._click import Command, Context, Parameter

PACKAGE = Path(airgap_bundle.__file__).parent
_APPS = (manifest.app, export.app, boundary.app)
_SHARED = {"output_format", "quiet", "verbose", "debug", "help"}
_STATUS_TITLES = {
    2: "Usage, or an invalid document",
    3: "Refused by trust",
    4: "Damaged, incomplete or malformed bundle, or its base is missing",
    5: "Registry or network",
    6: "This machine",
    70: "A bug of ours",
    130: "Interrupted",
}
_CLASSES = {name: one.exit_status for name, one in vars(errors).items() if hasattr(one, "exit_status")}
# What goes through a function or a table on its way to the class of its error.
_FAMILIES = {
    "AB-BUG": 70,
    "AB-INTERRUPTED": 130,
    "AB-TRUST-": 3,
    "AB-BUNDLE-": 4,
    "AB-NETWORK-": 5,
    "AB-REGISTRY-": 5,
    "AB-URL-": 5,
}
_COMMANDS_ABOUT = (
    "Data goes to standard output, talk and progress to standard error. Every command takes `--format` (`text` or "
    "`json`, some more), `--quiet`, `--verbose`, `--debug` and `--help`. An option with a variable in brackets can "
    "come from it; the command line wins.\n"
)
_ERRORS_ABOUT = (
    "`airgap-import explain CODE` (and the same in the two other commands) says what happened, why it is refused, and "
    "what to do.\n"
)
_CODE = re.compile(r"AB-[A-Z0-9]+(?:-[A-Z0-9]+)*")


def guides() -> dict[str, str]:
    """Each guide that is written from the code, by its topic."""
    return {"commands": commands_guide(), "rules": rules_guide(), "errors": errors_guide()}


def commands_guide() -> str:
    """Every command with its arguments, options and examples."""
    parts = [
        "# commands: Every command and its options\n",
        _COMMANDS_ABOUT,
        f"Exit status:\n\n```\n{help_text.EXIT_STATUS.rstrip()}\n```\n",
    ]
    for app in _APPS:
        root = typer.main.get_command(app.made())
        context = root.make_context(str(app.info.name), [], resilient_parsing=True)
        parts.append(f"## {app.info.name}\n\n{root.help}\n")
        parts += _commands(root, context, str(app.info.name))
    return "\n".join(parts)


def rules_guide() -> str:
    """Every rule of `airgap-manifest check`."""
    rows = [f"| {rule.code} | {rule.severity.value} | {rule.title} |" for rule in RULES]
    return "\n".join(
        [
            "# rules: What airgap-manifest check looks for\n",
            (
                "`airgap-manifest explain CODE` says why, with an example. A comment takes one back where it is meant: "
                "`# airgap: ignore[AGM004] the reason`.\n"
            ),
            "| rule | severity | what |\n|---|---|---|",
            *rows,
            "",
        ]
    )


def errors_guide() -> str:
    """Every code of an error, by exit status."""
    raised = _raised()
    by_status: dict[int, list[str]] = {}
    for code in explain.page_codes():
        if code.startswith("AB-"):
            for status in _status(code, raised):
                by_status.setdefault(status, []).append(code)
    parts = [
        "# errors: Every code, by exit status\n",
        _ERRORS_ABOUT,
    ]
    for status, codes in sorted(by_status.items()):
        parts.append(f"## {status}: {_STATUS_TITLES[status]}\n\n| code | what |\n|---|---|")
        parts += [f"| {code} | {explain.page_title(explain.page_text(code))} |" for code in codes]
        parts.append("")
    return "\n".join(parts)


def _commands(group: Command, context: Context, path: str) -> Iterator[str]:
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # a group has them
        if command.hidden:
            continue
        inner = type(context)(command, info_name=name, parent=context)
        if hasattr(command, "commands"):
            yield from _commands(command, inner, f"{path} {name}")
            continue
        pieces = " ".join(command.collect_usage_pieces(inner))
        yield f"### {path} {name}\n\n`{path} {name} {pieces}`\n\n{inspect.cleandoc(command.help or '')}\n"
        rows = [row for one in command.params if one.name not in _SHARED for row in _row(one, inner)]
        if rows:
            yield "\n".join(["| | |\n|---|---|", *rows, ""])
        if command.epilog:
            yield f"```sh\n{command.epilog}\n```\n"


def _row(parameter: Parameter, context: Context) -> Iterator[str]:
    if getattr(parameter, "hidden", False):
        return
    names = parameter.make_metavar(ctx=context).strip("{}")
    if parameter.param_type_name == "option":
        names = ", ".join(parameter.opts) + ("" if getattr(parameter, "is_flag", False) else f" {names}")
    variable = f" [{parameter.envvar}]" if parameter.envvar else ""
    text = " ".join((getattr(parameter, "help", "") or "").split())
    yield f"| `{_cell(names)}` | {_cell(text)}{variable} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")


def _status(code: str, raised: dict[str, set[int]]) -> list[int]:
    """The exit status of a code; more than one where it depends on the side."""
    family = next((status for prefix, status in _FAMILIES.items() if code.startswith(prefix)), 2)
    return sorted(raised.get(code, {family}))


def _raised() -> dict[str, set[int]]:
    """The exit status of each code that is given to an error class where it is raised."""
    found: dict[str, set[int]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            code = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            if name in _CLASSES and isinstance(code, str) and _CODE.fullmatch(code):
                found.setdefault(code, set()).add(_CLASSES[name])
    return found


def main() -> None:
    """Write them."""
    for topic, text in guides().items():
        (PACKAGE / "guides" / f"{topic}.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
