"""Charts that are in no OCI registry, from classic repositories, directories and `.tgz`: locked, and made artifacts.

What travels is a function of the package and its provenance file (`chart_package`); the lock names both by digest and
says where they came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.bundle.inventory import Item
from airgap_bundle.connected.chart_package import (
    MAX_PACKED_BYTES,
    chart_document,
    read_chart,
)
from airgap_bundle.connected.chart_parts import open_part, supply_of
from airgap_bundle.connected.chart_verdicts import keyring_verdict
from airgap_bundle.connected.local_files import describe_local, is_local_directory, open_local
from airgap_bundle.connected.stock import read_local
from airgap_bundle.connected.supplies import FromDirectory, Supply
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import AirgapError, DocumentError, InvalidValueError, RegistryError, TrustError
from airgap_bundle.core.oci import check_repository
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.manifest.locked import LockedItem, LockedPart
from airgap_bundle.trust.provenance import (
    CHART_LAYER,
    MAX_PROVENANCE_BYTES,
    PROVENANCE_LAYER,
    check_package,
    parse_provenance,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from airgap_bundle.connected.chart_package import ChartPackage
    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.connected.stock import Stock
    from airgap_bundle.core.oci import Document
    from airgap_bundle.core.report import Place, Reporter
    from airgap_bundle.manifest.entries import ChartEntry

_SUFFIX = ".prov"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartLocking:
    """Makes locked items of charts. `looks_for_provenance` is off where the manifest says `referrers: none`."""

    sources: Sources
    report: Reporter
    now: dt.datetime
    looks_for_provenance: bool = True

    def lock(self, entry: ChartEntry, buffer: memoryview) -> LockedItem:
        """The locked item for a chart from a classic repository or from beside the manifest.

        1. Bring the package here, and look through it.
        2. It is the chart and the version that was asked for.
        3. Find its provenance file; that has to speak of this very package.
        4. Where a keyring is given one of its keys has to have signed the provenance.

        `RegistryError` for what a repository did wrong, `DocumentError` for local charts, `TrustError` for 4.
        """
        stock = self.sources.stock
        # 1.
        package = self._fetch(entry, stock) if entry.repo else self._take(entry, stock, buffer)
        chart = _look_through(entry, package, stock)
        # 2.
        if entry.repo and (chart.name, chart.version) != (entry.chart, entry.version):
            why = f"its package says that it is {chart.name} {chart.version}"
            raise _unusable(entry, why)
        # 3.
        provenance, raw = self._provenance(entry, package, stock)
        verdicts: tuple[Mapping[str, str], ...] = ()
        if raw is not None:
            verdicts = self._check(entry, chart, package.digest, raw)
        elif entry.keyring:
            raise TrustError(
                "AB-CHART-UNSIGNED",
                f"{entry.place}: {entry.source} has no provenance file, and a keyring was given to check it with",
                hint="ask its publisher for the .prov, or leave out 'keyring'",
            )
        if chart.missing:
            self._remark(entry, f"depends on {', '.join(chart.missing)}, which it does not hold: Helm would look for")
        document = chart_document(chart, package.descriptor, provenance.descriptor if provenance else None)
        return LockedItem(
            kind="chart",
            source=entry.source,
            path=_path(entry, chart),
            tag=chart.tag,
            digest=document.descriptor.digest,
            media_type=document.descriptor.media_type,
            size=document.descriptor.size,
            verdicts=verdicts,
            parts=(package, *([provenance] if provenance else [])),
            referrers="" if self.looks_for_provenance else "none",
        )

    def _fetch(self, entry: ChartEntry, stock: Stock) -> LockedPart:
        listed = self.sources.indexes.find(entry.repo, entry.chart, entry.version)
        digest, size = stock.fetch(listed.url, limit=MAX_PACKED_BYTES, expected=listed.digest)
        return LockedPart(source=listed.url, digest=digest, media_type=CHART_LAYER, size=size)

    def _take(self, entry: ChartEntry, stock: Stock, buffer: memoryview) -> LockedPart:
        """A package or a directory from beside the manifest; the source of a directory ends with a slash."""
        if not is_local_directory(stock.directory, entry.chart):
            found = describe_local(stock.directory, entry.chart, entry.place, buffer)
            return LockedPart(source=entry.chart, digest=found.digest, media_type=CHART_LAYER, size=found.size)
        digest, size = stock.pack(FromDirectory(entry.chart, is_chart=True), entry.place)
        return LockedPart(source=f"{entry.chart}/", digest=digest, media_type=CHART_LAYER, size=size)

    def _provenance(
        self, entry: ChartEntry, package: LockedPart, stock: Stock
    ) -> tuple[LockedPart | None, bytes | None]:
        """The provenance file beside the package, and its bytes; none where it is known that there is none."""
        source = f"{package.source}{_SUFFIX}"
        if not self.looks_for_provenance or package.source.endswith("/"):
            return None, None
        if entry.repo:
            raw = stock.web.get(source, limit=MAX_PROVENANCE_BYTES)
            if raw is None:
                return None, None
            with stock.cache.draft() as draft:
                draft.write(raw)
        elif (stock.directory / source).exists():
            raw = read_local(stock.directory, source, entry.place, MAX_PROVENANCE_BYTES)
        else:
            return None, None
        part = LockedPart(source=source, digest=Digest.of(raw), media_type=PROVENANCE_LAYER, size=len(raw))
        return part, raw

    def _check(
        self, entry: ChartEntry, chart: ChartPackage, digest: Digest, raw: bytes
    ) -> tuple[Mapping[str, str], ...]:
        try:
            provenance = parse_provenance(raw, f"{entry.source}{_SUFFIX}")
            check_package(provenance, chart.file_name, digest)
        except InvalidValueError as error:
            raise _unusable(entry, f"its provenance file does not fit: {error}") from error
        return keyring_verdict(entry, provenance, self.sources, now=self.now)

    def _remark(self, entry: ChartEntry, what: str) -> None:
        self.report(
            Remark(
                severity=Severity.WARNING,
                message=f"{entry.place}: {entry.source} {what} them on the network; run `helm dependency build` first",
            )
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class GatheredChart:
    """A chart as the bundle holds it, and where its blobs are."""

    item: Item
    document: Document
    config: bytes
    supplies: dict[Digest, Supply]


def gather_chart(item: LockedItem, sources: Sources, place: Place) -> GatheredChart:
    """Make the artifact that the lock names once more; `DocumentError` where it has become another."""
    stock, package = sources.stock, item.parts[0]
    try:
        with open_part(package, stock, place) as source:
            chart = read_chart(source, item.source)
    except InvalidValueError as error:
        raise _stale(item, str(error)) from error
    provenance = item.parts[1].descriptor if len(item.parts) > 1 else None
    document = chart_document(chart, package.descriptor, provenance)
    if document.descriptor != item.descriptor:
        raise _stale(item, f"it makes {document.descriptor.digest} instead of {item.digest}")
    return GatheredChart(
        item=Item(
            kind="chart",
            source=item.source,
            path=item.path,
            tag=item.tag,
            digest=item.digest,
            media_type=item.media_type,
            size=item.size,
            referrers=item.referrers,
            upstream=item.verdicts,
        ),
        document=document,
        config=chart.config,
        supplies={part.digest: supply_of(part) for part in item.parts},
    )


def _look_through(entry: ChartEntry, package: LockedPart, stock: Stock) -> ChartPackage:
    try:
        if package.source == entry.chart:
            with open_local(stock.directory, entry.chart, entry.place) as source:
                return read_chart(source, entry.source)
        with stock.cache.open(package.digest) as source:
            return read_chart(source, entry.source)
    except InvalidValueError as error:
        raise _unusable(entry, str(error)) from error


def _path(entry: ChartEntry, chart: ChartPackage) -> str:
    path = entry.target[0] or f"charts/{chart.name}"
    try:
        return check_repository(path)
    except InvalidValueError as error:
        raise DocumentError(
            "AB-CHART-PATH",
            f"{entry.place}: {entry.source} cannot go to {path}: {error}",
            hint="say with 'as' where it goes",
        ) from error


def _unusable(entry: ChartEntry, why: str) -> AirgapError:
    if entry.repo:
        return RegistryError(
            "AB-CHART-PACKAGE",
            f"{entry.place}: the chart {entry.source} cannot be carried: {why}",
            hint="ask its publisher to repair it, or take another version",
        )
    return DocumentError(
        "AB-CHART-LOCAL",
        f"{entry.place}: the chart {entry.source} cannot be carried: {why}",
        hint="pack it again with `helm package`",
    )


def _stale(item: LockedItem, why: str) -> DocumentError:
    return DocumentError(
        "AB-LOCK-STALE",
        f"the chart {item.source} is not the one that was locked: {why}",
        hint="make the lock again: airgap-manifest lock",
    )
