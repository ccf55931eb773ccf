"""What discovery sees in the charts and workloads beside a manifest, as values for the rules.

Charts in registries and classic repositories are fetched only where a check asks the registries, and exactly as they
were locked; else they are named as what was not looked into. The images that they bring along are in the lock anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import AirgapError, InvalidValueError
from airgap_bundle.manifest.model import read_document
from airgap_bundle.manifest.patterns import matches
from airgap_bundle.manifest.rules.rule import Context, Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.oci import Reference
    from airgap_bundle.discovery.finds import Discovery
    from airgap_bundle.manifest.entries import ChartEntry, Entry
    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.manifest.model import Manifest


def with_discovery(
    context: Context, *, images: bool, readiness: bool, allowed_hosts: Sequence[str], sources: Sources | None = None
) -> Context:
    """The context with what was seen. Hosts that fit a pattern in `allowed_hosts` exist inside and are no risk.

    `sources` are there where registries may be asked: charts that are not on the disk are then fetched by the lock.
    """
    looking = _Looking(manifest=context.manifest, allowed_hosts=allowed_hosts)
    for entry, found, certainties in _discoveries(context.manifest):
        looking.take(entry, found, certainties)
    for chart in context.manifest.charts if readiness else ():
        if chart.kind != "local" and chart.images != "none":
            looking.take_remote(chart, context.lock, sources)
    return replace(
        context,
        seen_images=tuple(looking.images) if images else None,
        risks=tuple(looking.risks) if readiness else (),
        unseen=tuple(looking.unseen),
    )


def _discoveries(manifest: Manifest) -> Iterator[tuple[Entry, Discovery, set[str]]]:
    """Each chart and workload with what is in it, and what travels of that. Paths that are not there are AGM012."""
    from airgap_bundle.discovery.charts import discover_chart  # noqa: PLC0415 - most checks discover nothing
    from airgap_bundle.discovery.discover import discover_workload  # noqa: PLC0415 - the same

    for chart in manifest.charts:
        path = manifest.directory / chart.chart
        if chart.kind == "local" and chart.images != "none" and path.exists():
            found = discover_chart(path, _values(manifest, chart))
            # What is only guessed is no reason to fail a check.
            certainties = {"rendered", "switch"} if chart.images == "all" else {"rendered"}
            yield chart, found, set() if found.scanned_only else certainties
    for workload in manifest.workloads:
        path = manifest.directory / workload.path
        if path.exists():
            yield workload, discover_workload(workload.kind, path), {"rendered"}


def _values(manifest: Manifest, chart: ChartEntry) -> list[str]:
    return [read_document(manifest.directory / one).decode("utf-8", "replace") for one in chart.values]


def _fetched(manifest: Manifest, chart: ChartEntry, lock: Lock | None, sources: Sources | None) -> Discovery:
    """What is in a chart that is not on the disk, as it was locked; an error where that cannot be said."""
    from airgap_bundle.connected.chart_bytes import packed_chart  # noqa: PLC0415 - most checks discover nothing
    from airgap_bundle.discovery.charts import discover_archive  # noqa: PLC0415 - the same

    if sources is None:
        raise InvalidValueError("it does not lie beside the manifest")
    items = [item for item in (lock.items if lock is not None else ()) if item.kind == "chart"]
    item = next((item for item in items if item.source == chart.source), None)
    if item is None:
        raise InvalidValueError("it is not in the lock")
    sources.directory = manifest.directory
    return discover_archive(packed_chart(chart, item, sources), chart.source, _values(manifest, chart))


@dataclass(kw_only=True, slots=True)
class _Looking:
    manifest: Manifest
    allowed_hosts: Sequence[str]
    images: list[Seen] = field(default_factory=list)
    risks: list[Seen] = field(default_factory=list)
    unseen: list[Seen] = field(default_factory=list)

    def take_remote(self, chart: ChartEntry, lock: Lock | None, sources: Sources | None) -> None:
        """A chart that is not on the disk. Its images are in the lock; what is looked for here is the rest."""
        try:
            found = _fetched(self.manifest, chart, lock, sources)
        except (AirgapError, InvalidValueError) as error:
            self.unseen.append(Seen(entry=chart, name=chart.source, where="", message=str(error)))
        else:
            self.take(chart, found, set())

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
