"""The images that charts and workloads bring along: found while the lock is made, and wished for like any other.

What is written by hand wins: an image that the manifest lists is not asked for twice, and `exclude` leaves out what was
found. A chart that cannot be rendered here keeps what the earlier lock says of the same chart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airgap_bundle.connected.chart_bytes import packed_chart
from airgap_bundle.connected.confirming import confirm
from airgap_bundle.connected.resolve import Wish
from airgap_bundle.connected.stock import read_local
from airgap_bundle.core.errors import DocumentError
from airgap_bundle.core.oci import Reference
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.core.text import count_text
from airgap_bundle.discovery import archive
from airgap_bundle.discovery.chart import make_chart
from airgap_bundle.discovery.charts import discover_archive
from airgap_bundle.discovery.discover import discover_workload
from airgap_bundle.discovery.finds import Certainty, Discovery, Find
from airgap_bundle.discovery.key_trials import find_settings
from airgap_bundle.manifest.entries import ImageEntry
from airgap_bundle.manifest.locked import LockedDiscovery
from airgap_bundle.manifest.patterns import matches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.report import Place, Reporter
    from airgap_bundle.manifest.entries import ChartEntry, WorkloadEntry
    from airgap_bundle.manifest.locked import Lock, LockedItem
    from airgap_bundle.manifest.model import Manifest
    from airgap_bundle.manifest.settings import Setting

_MAX_VALUES_BYTES = 4 * 1024 * 1024
# Places that the lock names for one image; the first ones tell enough.
_MAX_PLACES = 3
_MAX_SERVICES = 200


@dataclass(kw_only=True, slots=True)
class Bringing:
    """One search. `wishes` are the images to resolve; `evidence` says for charts and images where they were found.

    `settings` says for charts, by source, which of their values name images.
    """

    manifest: Manifest
    sources: Sources
    executor: Executor
    report: Reporter
    earlier: Lock | None
    wishes: list[Wish] = field(default_factory=list)
    evidence: dict[tuple[str, str], list[LockedDiscovery]] = field(default_factory=dict)
    settings: dict[str, tuple[Setting, ...]] = field(default_factory=dict)

    def run(self, items: Sequence[LockedItem]) -> None:
        """Look through every chart that was locked, and every workload."""
        by_source = {item.source: item for item in items if item.kind == "chart"}
        for chart in self.manifest.charts:
            item = by_source.get(chart.source)
            if item is not None and chart.images != "none":
                self._chart(chart, item)
        for workload in self.manifest.workloads:
            self._workload(workload)

    def attach(self, items: Sequence[LockedItem]) -> list[LockedItem]:
        """The items with what was found about them."""
        return [
            replace(
                item,
                images=tuple(self.evidence.get((item.kind, item.source), ())),
                settings=self.settings.get(item.source, ()) if item.kind == "chart" else (),
            )
            for item in items
        ]

    def _chart(self, chart: ChartEntry, item: LockedItem) -> None:
        directory = self.sources.directory
        values = [
            read_local(directory, name, chart.place, _MAX_VALUES_BYTES).decode("utf-8", "replace")
            for name in chart.values
        ]
        package = packed_chart(chart, item, self.sources)
        found = discover_archive(package, chart.source, values)
        if found.scanned_only and (kept := self._earlier(item)) is not None and kept.images:
            self._warn(chart.place, f"{chart.source} cannot be rendered here; its images stay as they were locked")
            self.settings[item.source] = kept.settings
            for discovery in kept.images:
                self._wish(_reference(discovery), chart.place, ("chart", chart.source), discovery.found)
            return
        wanted = {Certainty.RENDERED} | ({Certainty.SWITCH} if chart.images == "all" else set())
        finds = [find for find in found.finds if find.certainty in wanted]
        if found.scanned_only:
            finds += self._confirmed(found)
        left = sum(find.certainty is Certainty.SWITCH for find in found.finds) if chart.images != "all" else 0
        if left:
            what = count_text(left, "more image comes", "more images come")
            self.report(
                Remark(
                    severity=Severity.NOTE,
                    message=f"{chart.place}: {what} with switches of {chart.source}; `images: all` takes them along",
                )
            )
        self._take(finds, found, chart.place, ("chart", chart.source))
        travelling = {find.reference for find in finds} | {image.reference for image in self.manifest.images}
        self.settings[item.source] = find_settings(make_chart(archive.unpack(package)), values, travelling)

    def _workload(self, workload: WorkloadEntry) -> None:
        base = self.sources.directory.resolve()
        path = (base / workload.path).resolve()
        if not path.is_relative_to(base):
            raise DocumentError(
                "AB-MANIFEST-LOCAL-FILE",
                f"{workload.place}: {workload.path} leads out of the directory of the manifest",
                hint="put it beside the manifest",
            )
        found = discover_workload(workload.kind, self.sources.directory / workload.path)
        finds = [find for find in found.finds if find.certainty is Certainty.RENDERED]
        # Every service is told inside where its image is.
        most = _MAX_SERVICES if workload.kind == "compose" else _MAX_PLACES
        self._take(finds, found, workload.place, None, most)

    def _take(
        self,
        finds: Sequence[Find],
        found: Discovery,
        place: Place,
        owner: tuple[str, str] | None,
        most: int = _MAX_PLACES,
    ) -> None:
        for remark in found.remarks:
            self._warn(place, remark)
        for one in found.unresolved:
            self._warn(place, f"{one.where}: {one.message}")
        # Relative to the manifest: the lock is the same wherever the checkout lies.
        base = f"{self.sources.directory}/"
        for find in finds:
            for where in find.found[:most]:
                self._wish(find.reference, place, owner, where.removeprefix(base))

    def _wish(self, reference: Reference, place: Place, owner: tuple[str, str] | None, where: str) -> None:
        name = str(reference)
        if any(matches(one.pattern, reference.name) or one.pattern == name for one in self.manifest.exclude):
            return
        source = self._written(reference) or name
        discovery = LockedDiscovery(image=source, found=where)
        self.evidence.setdefault(owner or ("image", source), []).append(discovery)
        if source == name and not any(wish.source == name for wish in self.wishes) and not self._written(reference):
            self.wishes.append(_wish(self.manifest, reference, place))

    def _written(self, reference: Reference) -> str:
        """The entry that means the same image: the same reference, or the same name and tag with a digest added."""
        for image in self.manifest.images:
            other = image.reference
            if other == reference or (
                (other.name, other.tag) == (reference.name, reference.tag)
                and (reference.digest is None or other.digest in {None, reference.digest})
            ):
                return image.source
        return ""

    def _confirmed(self, found: Discovery) -> list[Find]:
        """What a registry has of what could only be guessed."""
        guesses = [find for find in found.finds if find.certainty is Certainty.GUESS]
        answers: Mapping[str, bool | None] = confirm(
            [find.reference for find in guesses], self.sources, self.executor, self.report
        )
        return [find for find in guesses if answers.get(find.image)]

    def _earlier(self, item: LockedItem) -> LockedItem | None:
        for other in self.earlier.items if self.earlier is not None else ():
            if (other.kind, other.source, other.digest) == (item.kind, item.source, item.digest):
                return other
        return None

    def _warn(self, place: Place, message: str) -> None:
        self.report(Remark(severity=Severity.WARNING, message=f"{place}: {message}"))


def _wish(manifest: Manifest, reference: Reference, place: Place) -> Wish:
    entry = ImageEntry(reference=reference, written=str(reference), place=place)
    return Wish(
        kind="image",
        reference=reference,
        path=entry.target[0],
        place=place,
        platforms=manifest.platforms_of(entry),
        referrers=manifest.referrers != "none",
        foreign_layers=manifest.foreign_layers == "carry",
    )


def _reference(discovery: LockedDiscovery) -> Reference:
    return Reference.parse(discovery.image)
