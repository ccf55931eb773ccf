"""AGM011: a lock that was made from another manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule
from airgap_bundle.manifest.staleness import STALE_CODE, staleness

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    # A lock that was not made yet is no fault: `build` makes it.
    if context.lock is None:
        return
    for finding in staleness(context.manifest, context.lock, context.overlay):
        yield Problem(place=finding.place, where=finding.path, message=finding.message, hint=finding.hint)


RULE = Rule(code=STALE_CODE, title="Stale lock", severity=Severity.ERROR, check=_check)
