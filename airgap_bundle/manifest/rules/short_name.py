"""AGM003: a reference without its registry."""

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
        # `Reference.parse` filled in the host if the first component as written is none.
        if is_short(entry.written, entry.reference.host):
            message = f"{entry.written} does not say which registry it comes from"
            yield Problem.at(entry, message, hint=f"write {entry.reference}")


def is_short(written: str, host: str) -> bool:
    """Whether a reference was written without the host that it got."""
    first, slash, _ = written.partition("/")
    if not slash:
        return True
    return first != host and not any(c in first for c in ".:") and first == first.lower()


RULE = Rule(code="AGM003", title="Short name", severity=Severity.ERROR, check=_check)
