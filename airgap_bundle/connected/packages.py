"""Entries of a manifest that are in no registry: what the earlier lock may keep of them, and how to lock the rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airgap_bundle.connected.charts import ChartLocking
from airgap_bundle.connected.files import lock_file
from airgap_bundle.manifest.entries import ChartEntry, FileEntry

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.manifest.locked import Lock, LockedItem
    from airgap_bundle.manifest.model import Manifest

    Work = Callable[[memoryview], LockedItem]


@dataclass(frozen=True, kw_only=True, slots=True)
class Packages:
    """Charts from repositories and files, and files, of one manifest.

    `earlier` is the lock that was there, `is_refreshed` says of a source whether it is asked for anew all the same.
    """

    manifest: Manifest
    sources: Sources
    report: Reporter
    now: dt.datetime
    earlier: Lock | None
    is_refreshed: Callable[[str], bool]

    def kept(self) -> tuple[LockedItem, ...]:
        """What stays as the earlier lock has it: what came from the web and is still what the entry asks for."""
        return tuple(item for entry in packages(self.manifest) if (item := self._kept(entry)) is not None)

    def works(self) -> tuple[tuple[str, Work], ...]:
        """Name and work for each of the others; the work gives the locked item."""
        charts = ChartLocking(
            sources=self.sources,
            report=self.report,
            now=self.now,
            looks_for_provenance=self.manifest.referrers != "none",
        )
        return tuple(
            (
                entry.source,
                partial(charts.lock, entry)
                if isinstance(entry, ChartEntry)
                else partial(lock_file, entry, self.sources.stock),
            )
            for entry in packages(self.manifest)
            if self._kept(entry) is None
        )

    def _kept(self, entry: ChartEntry | FileEntry) -> LockedItem | None:
        """What lies beside the manifest is always looked at anew, and so is a chart whose signature is checked."""
        if self.earlier is None or self.is_refreshed(entry.source) or "://" not in entry.source:
            return None
        for item in self.earlier.items:
            if (item.source, item.path) != (entry.source, entry.target[0]):
                continue
            if isinstance(entry, FileEntry):
                if item.kind == "file" and entry.sha256 in {None, item.digest}:
                    return item
            elif item.kind == "chart" and not entry.keyring and not item.verdicts:
                return item if (item.referrers == "none") == (self.manifest.referrers == "none") else None
        return None


def packages(manifest: Manifest) -> Iterable[ChartEntry | FileEntry]:
    """The charts that are in no OCI registry, and the files."""
    return (*(chart for chart in manifest.charts if chart.kind != "oci"), *manifest.files)
