"""AGM013: a chart version that is a range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    for chart in context.manifest.charts:
        if chart.is_range:
            message = f"{chart.version!r} is a range of versions of the chart {chart.chart}"
            yield Problem.at(chart, message, hint="name one version in full")


RULE = Rule(code="AGM013", title="Chart version range", severity=Severity.ERROR, check=_check)
