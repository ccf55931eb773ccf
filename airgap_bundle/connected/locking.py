"""Makes the lock of a manifest: each entry resolved, many at a time, and the file written whole.

What an earlier lock says of an entry that has not changed stays, so that a lock changes only where something else did;
`update` and `update_all` ask again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.connected.brought import Bringing
from airgap_bundle.connected.losses import losses
from airgap_bundle.connected.packages import Packages, packages
from airgap_bundle.connected.resolve import Wish, resolve
from airgap_bundle.connected.upstream import Upstream
from airgap_bundle.connected.upstream_demands import load_demands, unused
from airgap_bundle.connected.weight import Weight
from airgap_bundle.core.errors import DocumentError, UsageError
from airgap_bundle.core.report import ItemFinished, ItemStarted, PhaseFinished, PhaseStarted, Remark, Severity
from airgap_bundle.core.whole_files import write_whole
from airgap_bundle.manifest.locked import Lock, LockedItem
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.manifest.model import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Refresh:
    """Which entries are asked for anew although the lock has them: by source or name without tag, or all."""

    names: tuple[str, ...] = ()
    everything: bool = False

    def covers(self, source: str) -> bool:
        """Whether this one is."""
        return self.everything or any(
            source == name or source.startswith((f"{name}:", f"{name}@")) for name in self.names
        )


@dataclass(kw_only=True, slots=True)
class Locking:
    """One making of a lock, with all it needs."""

    manifest: Manifest
    sources: Sources
    executor: Executor
    workers: int
    report: Reporter
    earlier: Lock | None = None
    refresh: Refresh = Refresh()

    def run(self, now: dt.datetime) -> Lock:
        """The lock as of `now`; the earlier one, unchanged, where nothing else has changed and it still has time.

        1. Refuse what this version cannot carry, before anything is asked.
        2. Keep what the earlier lock has and nobody wants anew; resolve the rest in parallel; look at local files.
           Where a `verify` rule is about an entry its signature is checked, kept or not.
        3. Look for the images that charts and workloads need (`brought`), and resolve them likewise.
        4. Refuse two items for one name.
        5. Time and sequence move on only if something else did, or the earlier lock nears its end.
        """
        self._refuse_unsupported()
        self._check_refresh()
        upstream = Upstream(demands=load_demands(self.manifest), sources=self.sources)
        items: list[LockedItem] = []
        wishes = list(_wishes(self.manifest))
        self._run(self._jobs(wishes, items, upstream) + self._packages(items, now))
        brought = Bringing(
            manifest=self.manifest,
            sources=self.sources,
            executor=self.executor,
            report=self.report,
            earlier=self.earlier,
        )
        brought.run(items)
        self._run(self._jobs(brought.wishes, items, upstream))
        self._check_rules(upstream, [*wishes, *brought.wishes])
        return self._sealed(tuple(brought.attach(items)), now)

    def _jobs(
        self, wishes: list[Wish], items: list[LockedItem], upstream: Upstream
    ) -> list[Callable[[memoryview], None]]:
        """What has to be asked for these wishes; items that stay as they are go to `items` at once."""
        kept = self._kept()
        jobs: list[Callable[[memoryview], None]] = []
        for wish in wishes:
            if wish.source not in kept or not _fits(wish, kept):
                jobs.append(self._resolving(wish, items, upstream))
            elif upstream.concerns(wish.reference):
                jobs.append(self._proving(wish, kept[wish.source], items, upstream))
            else:
                items.append(replace(kept[wish.source], verdicts=()))
        return jobs

    def _run(self, jobs: list[Callable[[memoryview], None]]) -> None:
        if not jobs:
            return
        self.report(PhaseStarted(title="Resolving", total_items=len(jobs)))
        run_all(
            jobs,
            executor=self.executor,
            workers=min(self.workers, max(1, len(jobs))),
            cancellation=Cancellation(),
            abort=self.sources.close,
        )
        self.report(PhaseFinished(title="Resolving"))

    def _kept(self) -> dict[str, LockedItem]:
        if self.earlier is None:
            return {}
        return {
            item.source: item
            for item in self.earlier.items
            if item.kind != "file" and not self.refresh.covers(item.source)
        }

    def _check_refresh(self) -> None:
        known = [wish.source for wish in _wishes(self.manifest)]
        known += [entry.source for entry in packages(self.manifest)]
        # What charts and workloads brought along last time.
        known += [one.image for item in (self.earlier.items if self.earlier else ()) for one in item.images]
        for name in self.refresh.names:
            if not any(Refresh(names=(name,)).covers(source) for source in known):
                raise UsageError(
                    "AB-USAGE-UPDATE",
                    f"{self.manifest.file} names nothing like {name}",
                    hint="write the reference in full, with or without its tag: docker.io/library/redis",
                )

    def _check_rules(self, upstream: Upstream, wishes: list[Wish]) -> None:
        """A `verify` rule that is about nothing is probably misspelt, and said so."""
        for demand in unused(upstream.demands, [wish.reference for wish in wishes]):
            message = f"{demand.entry.place}: the verify rule for {demand.entry.match} is about nothing in the manifest"
            self.report(Remark(severity=Severity.WARNING, message=message))

    def _resolving(self, wish: Wish, items: list[LockedItem], upstream: Upstream) -> Callable[[memoryview], None]:
        def job(_buffer: memoryview) -> None:
            self.report(ItemStarted(name=wish.source))
            sources = self.sources.at(wish.origin)
            item = resolve(wish, sources)
            if wish.referrers and (lost := losses(item, wish, sources)):
                self.report(Remark(severity=Severity.WARNING, message=lost))
            items.append(replace(upstream, sources=sources).prove(item, wish.reference))
            self.report(ItemFinished(name=wish.source, outcome="resolved"))

        return job

    def _proving(
        self, wish: Wish, kept: LockedItem, items: list[LockedItem], upstream: Upstream
    ) -> Callable[[memoryview], None]:
        def job(_buffer: memoryview) -> None:
            self.report(ItemStarted(name=wish.source))
            there = replace(upstream, sources=self.sources.at(wish.origin))
            items.append(there.prove(kept, wish.reference))
            self.report(ItemFinished(name=wish.source, outcome="signature checked"))

        return job

    def _packages(self, items: list[LockedItem], now: dt.datetime) -> list[Callable[[memoryview], None]]:
        """Charts that are in no OCI registry, and files."""
        entries = Packages(
            manifest=self.manifest,
            sources=self.sources,
            report=self.report,
            now=now,
            earlier=self.earlier,
            is_refreshed=self.refresh.covers,
        )
        items += entries.kept()
        return [self._doing(name, items, work) for name, work in entries.works()]

    def _doing(
        self, name: str, items: list[LockedItem], work: Callable[[memoryview], LockedItem]
    ) -> Callable[[memoryview], None]:
        def job(buffer: memoryview) -> None:
            self.report(ItemStarted(name=name))
            items.append(work(buffer))
            self.report(ItemFinished(name=name, outcome="locked"))

        return job

    def _sealed(self, items: tuple[LockedItem, ...], now: dt.datetime) -> Lock:
        weight = Weight()
        for item in items:
            for digest, size in item.documents:
                weight.add(digest, size)
        moment = int(now.timestamp())
        lifetime = self.manifest.expires_seconds
        lock = Lock(
            name=self.manifest.name,
            version=self.manifest.version,
            created=moment,
            sequence=max(moment, self.earlier.sequence + 1 if self.earlier else 0),
            manifest_digest=self.manifest.digest,
            audience=self.manifest.audience,
            expires=moment + lifetime if lifetime else 0,
            items=items,
        )
        earlier = self.earlier
        if earlier is None or earlier.is_ending(moment):
            return lock
        same = replace(
            lock,
            created=earlier.created,
            sequence=earlier.sequence,
            expires=earlier.created + lifetime if lifetime else 0,
        )
        return earlier if earlier == same else lock

    def _refuse_unsupported(self) -> None:
        """What this version cannot carry is refused by name, never left out silently."""
        complaints = list(_unsupported(self.manifest))
        if complaints:
            more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
            raise DocumentError(
                "AB-LOCK-UNSUPPORTED", complaints[0] + more, hint="take it out, or bring it along in another form"
            )


def _unsupported(manifest: Manifest) -> Iterator[str]:
    for chart in manifest.charts:
        if chart.is_range:
            yield f"{chart.place}: a chart needs one exact version, not a range"
        elif chart.kind == "oci" and chart.keyring:
            yield f"{chart.place}: 'keyring' is for charts that come as files; for a chart from a registry use 'verify'"


def write_lock(path: Path, raw: bytes) -> None:
    """Put the lock in place: whole or not at all."""
    try:
        write_whole(path, raw)
    except OSError as error:
        raise cannot_write(path, error) from error


def _wishes(manifest: Manifest) -> Iterator[Wish]:
    referrers = manifest.referrers != "none"
    foreign = manifest.foreign_layers == "carry"
    for image in manifest.images:
        yield Wish(
            kind="image",
            reference=image.reference,
            path=image.target[0],
            place=image.place,
            platforms=manifest.platforms_of(image),
            referrers=referrers,
            foreign_layers=foreign,
            origin=image.origin,
        )
    for chart in manifest.charts:
        if chart.reference is not None:
            yield Wish(
                kind="chart", reference=chart.reference, path=chart.target[0], place=chart.place, referrers=referrers
            )
    for artifact in manifest.artifacts:
        yield Wish(
            kind="artifact",
            reference=artifact.reference,
            path=artifact.target[0],
            place=artifact.place,
            referrers=referrers,
        )


def _fits(wish: Wish, kept: dict[str, LockedItem]) -> bool:
    """Whether the locked item is still what the entry asks for."""
    item = kept[wish.source]
    if wish.origin or item.origin:
        return False  # a file may be another one by now
    if (item.kind, item.path) != (wish.kind, wish.path) or (item.referrers == "none") == wish.referrers:
        return False
    runnable = [entry.platform for entry in item.platforms if not entry.platform.is_unknown]
    if not wish.platforms:
        return item.original is None
    return all(any(platform.serves(wanted) for platform in runnable) for wanted in wish.platforms) and all(
        any(platform.serves(wanted) for wanted in wish.platforms) for platform in runnable
    )
