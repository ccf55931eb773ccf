"""AGM023: less is verified, or more is trusted, than before the change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.manifest.model import Manifest


_HINT = "whoever reviews this has to mean it: the base branch asked for more"


def _check(context: Context) -> Iterator[Problem]:
    base, manifest = context.base, context.manifest
    if base is None:
        return
    now = {(rule.match, rule.key, rule.issuer, rule.identity) for rule in manifest.verify}
    patterns = {rule.match: rule for rule in manifest.verify}
    for rule in base.verify:
        if (rule.match, rule.key, rule.issuer, rule.identity) in now:
            continue
        same = patterns.get(rule.match)
        if same is not None:
            yield Problem.at(same, f"the rule for {rule.match} asks for another signature than before", hint=_HINT)
        else:
            message = f"the rule that verified {rule.match} is gone"
            yield Problem(place=manifest.place, where="verify", message=message, hint=_HINT)
    if base.referrers != "none" and manifest.referrers == "none":
        yield Problem(place=manifest.place, where="referrers", message="signatures no longer travel", hint=_HINT)
    yield from _new_registries(context, base)


def _new_registries(context: Context, base: Manifest) -> Iterator[Problem]:
    known = {entry.reference.host for entry in (*base.images, *base.artifacts)}
    known |= {chart.reference.host for chart in base.charts if chart.reference is not None}
    told: set[str] = set()
    for entry in (*context.manifest.images, *context.manifest.artifacts):
        host = entry.reference.host
        if host not in known | told:
            told.add(host)
            message = f"{host} is a registry that the manifest did not take anything from before"
            yield Problem.at(entry, message, hint=_HINT, severity=Severity.WARNING)


RULE = Rule(code="AGM023", title="Loosened verification", severity=Severity.ERROR, check=_check)
