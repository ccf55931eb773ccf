"""AGM021: a rule for upstream signatures that is about nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.oci import bare_name
from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.patterns import matches
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    manifest = context.manifest
    names = {entry.reference.name for entry in (*manifest.images, *manifest.artifacts)}
    names |= {chart.reference.name for chart in manifest.charts if chart.reference is not None}
    names |= {bare_name(item.source) for item in (context.lock.items if context.lock else ()) if item.kind != "file"}
    names |= {bare_name(seen.name) for seen in context.seen_images or ()}
    brings = manifest.workloads or any(chart.images != "none" for chart in manifest.charts)
    for rule in manifest.verify:
        if any(matches(rule.match, name) for name in names):
            continue
        # Without a lock nobody knows what charts bring along.
        if not brings or context.lock is not None or context.seen_images is not None:
            message = f"the rule for {rule.match} is about nothing that travels, so nothing is verified by it"
            yield Problem.at(rule, message, hint="a pattern is a name in full, such as ghcr.io/acme/**")


RULE = Rule(code="AGM021", title="Verify rule matches nothing", severity=Severity.WARNING, check=_check)
