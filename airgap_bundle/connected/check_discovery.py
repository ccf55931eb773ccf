"""What discovery sees in the charts and workloads beside a manifest, as values for the rules.

Charts in registries and classic repositories are not fetched for a check: what they bring along is in the lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from airgap_bundle.manifest.model import read_document
from airgap_bundle.manifest.patterns import matches
from airgap_bundle.manifest.rules.rule import Context, Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airgap_bundle.core.oci import Reference
    from airgap_bundle.discovery.finds import Discovery
    from airgap_bundle.manifest.entries import Entry
    from airgap_bundle.manifest.model import Manifest


def with_discovery(context: Context, *, images: bool, readiness: bool, allowed_hosts: Sequence[str]) -> Context:
    """The context with what was seen. Hosts that fit a pattern in `allowed_hosts` exist inside and are no risk."""
    looking = _Looking(manifest=context.manifest, allowed_hosts=allowed_hosts)
    for entry, found, certainties in _discoveries(context.manifest):
        looking.take(entry, found, certainties)
    return replace(
        context,
        seen_images=tuple(looking.images) if images else None,
        risks=tuple(looking.risks) if readiness else (),
    )


def _discoveries(manifest: Manifest) -> Iterator[tuple[Entry, Discovery, set[str]]]:
    """Each chart and workload with what is in it, and what travels of that. Paths that are not there are AGM012."""
    from airgap_bundle.discovery.charts import discover_chart  # noqa: PLC0415 - most checks discover nothing
    from airgap_bundle.discovery.discover import discover_workload  # noqa: PLC0415 - the same

    for chart in manifest.charts:
        path = manifest.directory / chart.chart
        if chart.kind == "local" and chart.images != "none" and path.exists():
            values = [read_document(manifest.directory / one).decode("utf-8", "replace") for one in chart.values]
            found = discover_chart(path, values)
            # What is only guessed is no reason to fail a check.
            certainties = {"rendered", "switch"} if chart.images == "all" else {"rendered"}
            yield chart, found, set() if found.scanned_only else certainties
    for workload in manifest.workloads:
        path = manifest.directory / workload.path
        if path.exists():
            yield workload, discover_workload(workload.kind, path), {"rendered"}


@dataclass(kw_only=True, slots=True)
class _Looking:
    manifest: Manifest
    allowed_hosts: Sequence[str]
    images: list[Seen] = field(default_factory=list)
    risks: list[Seen] = field(default_factory=list)

    def take(self, entry: Entry, found: Discovery, certainties: set[str]) -> None:
        base = f"{self.manifest.directory}/"
        for find in found.finds:
            if find.certainty.value in certainties and not self._is_settled(find.reference):
                self.images.append(Seen(entry=entry, name=find.image, where=find.found[0].removeprefix(base)))
        for risk in found.risks:
            if not any(fnmatchcase(risk.host, pattern) for pattern in self.allowed_hosts):
                where = risk.where.removeprefix(base)
                seen = Seen(entry=entry, name=risk.kind, where=where, message=risk.message, certain=risk.certain)
                self.risks.append(seen)

    def _is_settled(self, reference: Reference) -> bool:
        """Whether an entry by hand or `exclude` has decided about the image."""
        if any(matches(one.pattern, reference.name) or one.pattern == str(reference) for one in self.manifest.exclude):
            return True
        written = ((image.reference.name, image.reference.tag) for image in self.manifest.images)
        return (reference.name, reference.tag) in written
