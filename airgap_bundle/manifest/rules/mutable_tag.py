"""AGM004: a tag that is moved on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOVING = {
    *("latest", "current", "rolling", "stable", "lts", "release", "prod", "production", "staging"),
    *("edge", "nightly", "canary", "snapshot", "testing", "unstable", "alpha", "beta"),
    *("main", "master", "trunk", "head", "dev", "devel", "develop", "development"),
}
_MOVING_PARTS = ("latest", "nightly", "snapshot")


def _check(context: Context) -> Iterator[Problem]:
    for entry in (*context.manifest.images, *context.manifest.artifacts):
        if entry.origin:
            continue  # what is in a file comes from no registry, and does not move
        reference = entry.reference
        # With a digest the tag decides nothing. Without either AGM006 has said it already.
        if reference.digest is None and entry.names_a_tag and is_moving(reference.tag):
            message = f"the tag {reference.tag!r} of {reference.name} means something else tomorrow"
            yield Problem.at(entry, message, hint="name a version, or add the digest")


def is_moving(tag: str) -> bool:
    """Whether a tag is by custom moved to each new build; tags that name a version are not meant."""
    lower = tag.lower()
    return lower in _MOVING or any(lower.startswith(f"{p}-") or lower.endswith(f"-{p}") for p in _MOVING_PARTS)


RULE = Rule(code="AGM004", title="Mutable tag", severity=Severity.WARNING, check=_check)
