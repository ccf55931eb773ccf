"""AGM030 to AGM036: what would fail inside although every image arrived, and where nobody could look for it.

Discovery reads it in charts and workloads; without that (`check --readiness`) these rules have nothing to say.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

_HINTS = {
    "outside-host": "name a host that exists inside, turn it off, or allow it with --allow-host if it does",
    "always-pull": "set the pull policy to IfNotPresent, or see to the mirror rules (airgap-import relocate)",
    "telemetry": "turn it off in the values",
    "run-time-download": "bring along what it downloads, or turn the job off",
    "chart-dependency": "run helm dependency build before packing the chart",
    "revocation": "turn the check off, or serve the lists inside",
}


def _check(context: Context, kind: str) -> Iterator[Problem]:
    for risk in context.risks:
        if risk.name == kind:
            severity = None if risk.certain else Severity.NOTE
            yield Problem.at(risk.entry, f"{risk.where}: {risk.message}", hint=_HINTS[kind], severity=severity)


def _check_unseen(context: Context) -> Iterator[Problem]:
    for one in context.unseen:
        message = f"{one.name} was not looked into: {one.message}"
        yield Problem.at(one.entry, message, hint="make the lock, and add --online: what is locked is fetched")


def _rule(code: str, title: str, kind: str) -> Rule:
    return Rule(code=code, title=title, severity=Severity.WARNING, check=partial(_check, kind=kind))


RULES = (
    _rule("AGM030", "Host outside the cluster", "outside-host"),
    _rule("AGM031", "Pulled at every start", "always-pull"),
    _rule("AGM032", "Telemetry or update check", "telemetry"),
    _rule("AGM033", "Download at run time", "run-time-download"),
    _rule("AGM034", "Chart dependency not vendored", "chart-dependency"),
    _rule("AGM035", "Certificate revocation host", "revocation"),
    Rule(code="AGM036", title="Chart not looked into", severity=Severity.NOTE, check=_check_unseen),
)
