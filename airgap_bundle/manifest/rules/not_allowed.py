"""AGM022: a registry that is not on the list of allowed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.oci import bare_name
from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.entries import Entry
from airgap_bundle.manifest.patterns import matches
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    if not context.allowed_registries:
        return
    for entry, name in _names(context):
        if not any(_fits(name, pattern) for pattern in context.allowed_registries):
            message = f"{name} is from no registry that is allowed here"
            yield Problem.at(entry, message, hint=f"allowed: {', '.join(context.allowed_registries)[:200]}")


def _names(context: Context) -> Iterator[tuple[Entry, str]]:
    manifest = context.manifest
    for image in (*manifest.images, *manifest.artifacts):
        yield image, image.reference.name
    for chart in manifest.charts:
        if chart.reference is not None:
            yield chart, chart.reference.name
        elif chart.repo:
            yield chart, chart.source.partition("://")[2].rpartition(":")[0] or chart.source
    for file in manifest.files:
        if file.url:
            yield file, file.url.partition("://")[2]
    locked = {one.image for item in (context.lock.items if context.lock else ()) for one in item.images}
    written = {image.source for image in manifest.images}
    for source in sorted(locked - written):
        yield Entry(place=manifest.place), bare_name(source)


def _fits(name: str, pattern: str) -> bool:
    """A pattern is a host (`ghcr.io`), or a name with stars (`ghcr.io/acme/**`)."""
    return matches(pattern if "/" in pattern else f"{pattern}/**", name)


RULE = Rule(code="AGM022", title="Registry not allowed", severity=Severity.ERROR, check=_check)
