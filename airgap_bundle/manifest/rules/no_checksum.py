"""AGM015: a file from the web without a checksum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    for file in context.manifest.files:
        if file.url and file.sha256 is None:
            yield Problem.at(file, f"{file.url} may hold anything: there is no checksum", hint="add 'sha256'")


RULE = Rule(code="AGM015", title="File without a checksum", severity=Severity.WARNING, check=_check)
