"""AGM006: a reference without a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    for entry in (*context.manifest.images, *context.manifest.artifacts):
        if entry.origin:
            continue  # what is in a file comes from no registry, and does not move
        reference = entry.reference
        if reference.digest is not None and not reference.tag:
            message = f"{reference.name} has a digest and no tag, so inside it can be pulled by digest only"
            yield Problem.at(entry, message, hint="write NAME:TAG@DIGEST if a tag is wanted", severity=Severity.NOTE)
        elif reference.digest is None and not entry.names_a_tag:
            message = f"{entry.written} has no tag, which means 'latest'"
            yield Problem.at(entry, message, hint="name a version")


RULE = Rule(code="AGM006", title="Reference without a tag", severity=Severity.WARNING, check=_check)
