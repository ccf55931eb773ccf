"""AGM020: an image that a chart or workload needs and the lock lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule
from airgap_bundle.manifest.staleness import lock_command

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    if context.seen_images is None or context.lock is None:
        return
    locked = {item.source for item in context.lock.items}
    for seen in context.seen_images:
        if seen.name not in locked:
            message = f"{seen.name} is needed ({seen.where}) and not in the lock"
            hint = f"run {lock_command(context.overlay)}, or leave it out on purpose with 'exclude'"
            yield Problem.at(seen.entry, message, hint=hint)


RULE = Rule(code="AGM020", title="Discovered image missing from the lock", severity=Severity.ERROR, check=_check)
