"""AGM001: the same thing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule
from airgap_bundle.manifest.staleness import travelling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.manifest.entries import Entry


def _check(context: Context) -> Iterator[Problem]:
    first: dict[tuple[str, str, str], Entry] = {}
    for _, entry in travelling(context.manifest):
        other = first.setdefault((entry.source, *entry.target), entry)
        if other is not entry:
            message = f"{entry.source} is here already, in line {other.place.line}"
            yield Problem.at(entry, message, hint="remove one of them")
    workloads: dict[tuple[str, str], Entry] = {}
    for workload in context.manifest.workloads:
        other = workloads.setdefault((workload.kind, workload.path), workload)
        if other is not workload:
            message = f"{workload.path} is here already, in line {other.place.line}"
            yield Problem.at(workload, message, hint="remove one of them")


RULE = Rule(code="AGM001", title="Duplicate entry", severity=Severity.ERROR, check=_check)
