"""AGM017: platforms left out of an image whose upstream signature is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule
from airgap_bundle.manifest.words import pattern_covers

if TYPE_CHECKING:
    from collections.abc import Iterator

_HINT = "fine where nobody inside checks that signature again; else leave 'platforms' out for this image"


def _check(context: Context) -> Iterator[Problem]:
    manifest = context.manifest
    for image in manifest.images:
        platforms = manifest.platforms_of(image)
        if not platforms:
            continue
        rule = next((rule for rule in manifest.verify if pattern_covers(rule.match, image.reference.name)), None)
        if rule is None:
            continue
        more = ", and the attestations in the index stay behind" if len(platforms) == 1 else ""
        message = (
            f"only {', '.join(map(str, platforms))} of {image.reference.name} travels: the signature that the verify "
            f"rule {rule.match} asks for is over the whole index and does not hold for what arrives{more}"
        )
        yield Problem.at(image, message, hint=_HINT)


RULE = Rule(code="AGM017", title="Signed platforms left out", severity=Severity.WARNING, check=_check)
