"""AGM014: a manifest without entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    manifest = context.manifest
    if not (manifest.images or manifest.charts or manifest.workloads or manifest.artifacts or manifest.files):
        hint = "add images, charts, workloads, artifacts or files"
        yield Problem(place=manifest.place, where="", message="nothing would travel", hint=hint)


RULE = Rule(code="AGM014", title="Nothing travels", severity=Severity.ERROR, check=_check)
