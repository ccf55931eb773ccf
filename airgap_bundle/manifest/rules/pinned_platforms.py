"""AGM008: platforms asked of an image that is pinned by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    for entry in context.manifest.images:
        if entry.reference.digest is not None and entry.platforms:
            message = f"{entry.reference.name} is pinned by digest; leaving platforms out would change the digest"
            hint = "remove 'platforms', or name the tag or the digest of one platform"
            yield Problem.at(entry, message, hint=hint)


RULE = Rule(code="AGM008", title="Platforms of a pinned image", severity=Severity.ERROR, check=_check)
