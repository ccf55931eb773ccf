"""AGM007: a tag beside a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    for entry in (*context.manifest.images, *context.manifest.artifacts):
        reference = entry.reference
        if reference.digest is not None and reference.tag:
            message = f"{reference.name}: the digest decides; the tag {reference.tag!r} is only the name that it gets"
            yield Problem.at(entry, message)


RULE = Rule(code="AGM007", title="Tag and digest", severity=Severity.NOTE, check=_check)
