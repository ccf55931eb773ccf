"""Judges again, before a bundle is built, what a lock says of upstream signatures: the file may have been edited.

A verdict goes into the signed inventory, so the one who builds vouches for it. For every item whose signature a rule of
the manifest asks for, the very signatures that the lock names are fetched, judged and have to give the very verdicts
that the lock has; those of charts by their keyring. A verdict that no rule asks for is refused too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airgap_bundle.connected.chart_verdicts import provenance_verdict
from airgap_bundle.connected.packages import packages
from airgap_bundle.connected.upstream import Upstream
from airgap_bundle.connected.upstream_demands import load_demands
from airgap_bundle.core.errors import InvalidValueError, TrustError
from airgap_bundle.core.oci import Reference
from airgap_bundle.manifest.entries import ChartEntry
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.manifest.locked import Lock, LockedItem
    from airgap_bundle.manifest.model import Manifest

    Verdicts = tuple[Mapping[str, str], ...]


def confirm_verdicts(
    manifest: Manifest, lock: Lock, sources: Sources, executor: Executor, workers: int, *, now: dt.datetime
) -> None:
    """Nothing where the lock's verdicts are what its evidence gives; else `TrustError` AB-TRUST-UPSTREAM-LOCK.

    `RegistryError` where a registry cannot tell. Asks nothing for items without rule and verdict.
    """
    upstream = Upstream(demands=load_demands(manifest), sources=sources)
    charts = {entry.source: entry for entry in packages(manifest) if isinstance(entry, ChartEntry)}

    def confirming(item: LockedItem) -> Callable[[memoryview], None]:
        def job(_buffer: memoryview) -> None:
            if item.parts:
                entry = charts.get(item.source)
                proven = _attempt(item, lambda: provenance_verdict(item, entry, sources, now=now)) if entry else ()
            else:
                there = replace(upstream, sources=sources.at(item.origin))
                proven = _attempt(item, lambda: there.prove_again(item, Reference.parse(item.source)).verdicts)
            if _comparable(proven, upstream) != _comparable(item.verdicts, upstream):
                raise _refused(item, "that evidence gives another verdict than the lock has")

        return job

    def is_asked(item: LockedItem) -> bool:
        if item.verdicts:
            return True
        if item.parts:
            return item.source in charts and bool(charts[item.source].keyring)
        return item.kind != "file" and upstream.concerns(Reference.parse(item.source))

    asked = [item for item in lock.items if is_asked(item)]
    if asked:
        run_all(
            [confirming(item) for item in asked],
            executor=executor,
            workers=min(workers, len(asked)),
            cancellation=Cancellation(),
            abort=sources.close,
        )


def _attempt(item: LockedItem, work: Callable[[], Verdicts]) -> Verdicts:
    try:
        return work()
    except (TrustError, InvalidValueError) as error:
        raise _refused(item, str(error)) from error


def _refused(item: LockedItem, why: str) -> TrustError:
    return TrustError(
        "AB-TRUST-UPSTREAM-LOCK",
        f"what the lock says of the upstream signature of {item.source} cannot be confirmed: {why}",
        hint="find out who edited the lock; then make it again: airgap-manifest lock",
    )


def _comparable(verdicts: Verdicts, upstream: Upstream) -> list[list[tuple[str, str]]]:
    """Verdicts in one order, without what may differ between two machines.

    The root of the public Sigstore instance comes with the installed library; another version of it may be newer.
    """
    public = {
        demand.entry.match for demand in upstream.demands if demand.entry.issuer and not demand.entry.trusted_root
    }
    return sorted(
        sorted(
            (key, text) for key, text in verdict.items() if key != "trustedRoot" or verdict.get("rule") not in public
        )
        for verdict in verdicts
    )
