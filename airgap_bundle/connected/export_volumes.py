"""Builds a bundle straight into volumes: the very bytes that one file would have, cut where the medium demands it.

Design section 6, FORMAT.md section 8. Nothing is written twice, and nothing is joined on the way.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from airgap_bundle.bundle.beside import read_beside
from airgap_bundle.bundle.signing import add_beside
from airgap_bundle.bundle.volumes.beside import write_table_and_sums
from airgap_bundle.bundle.volumes.finding import find_volumes
from airgap_bundle.bundle.volumes.growing import PartialVolumes, check_no_strangers, remove_leftovers, take_back
from airgap_bundle.bundle.volumes.naming import table_name, volume_name, volume_sizes
from airgap_bundle.bundle.volumes.table import VolumeEntry, VolumeTable
from airgap_bundle.connected.export import Built, journal_path, write_growing
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.report import BytesMoved, PhaseFinished, PhaseStarted
from airgap_bundle.transfer.journal import Journal
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from airgap_bundle.connected.export import ExportPlan
    from airgap_bundle.connected.fetching import Fetcher
    from airgap_bundle.connected.signing import Signer
    from airgap_bundle.core.report import Reporter


def build_volumes(
    plan: ExportPlan,
    out: Path,
    volume_bytes: int,
    fetcher: Fetcher,
    signers: Sequence[Signer],
    *,
    executor: Executor,
    workers: int,
) -> Built:
    """Write the bundle into new volumes `OUT.001` and so on, then `OUT.volumes.json` and `OUT.sha256`.

    1. Volumes of this very bundle, whole and cut alike, only get the signatures, beside them; anything else is refused.
    2. As for one file: space, what an earlier run left, head, blobs, signatures.
    3. The digests of the volumes: what was written in order is hashed already, the rest is read once, all at the same
       time as it is flushed.
    4. Only then the names; the table and the sums come last.
    """
    sizes = volume_sizes(plan.layout.total_bytes, volume_bytes)
    # 1.
    if _is_there(plan, out, sizes):
        earlier = tuple(one.name for one in read_beside(out))
        for signer in signers:
            add_beside(out, signer.sign(plan.inventory_raw))
        if signers or journal_path(out).exists():
            # New signatures, or a run that was killed after the table and before its very end.
            _write_beside_again(plan, out)
            remove_leftovers(out, len(sizes))
            journal_path(out).unlink(missing_ok=True)
        return Built(plan=plan, existed=True, unverified_signatures=earlier, volumes=len(sizes))
    with ExitStack() as stack:
        # 2.
        journal_file = journal_path(out)
        if journal_file.exists():
            take_back(out, len(sizes))
        file = stack.enter_context(closing(PartialVolumes(out, plan.layout.total_bytes, volume_bytes)))
        journal = stack.enter_context(
            closing(
                Journal(
                    journal_file,
                    plan.bundle_id,
                    plan.layout.total_bytes,
                    held_bytes=file.size,
                    volume_bytes=volume_bytes,
                )
            )
        )
        resumed = write_growing(plan, file, journal, fetcher, signers, executor=executor, workers=workers)
        # 3.
        entries = _finish_all(file, fetcher.report, executor=executor, workers=workers)
        # 4.
        file.publish()
        write_table_and_sums(out.parent, VolumeTable(bundle_id=plan.bundle_id, entries=entries), out.name)
        remove_leftovers(out, len(sizes))
        journal.path.unlink(missing_ok=True)
    return Built(plan=plan, resumed_bytes=resumed, volumes=len(sizes))


def _finish_all(file: PartialVolumes, report: Reporter, *, executor: Executor, workers: int) -> tuple[VolumeEntry, ...]:
    count = len(file.sizes)
    entries: dict[int, VolumeEntry] = {}

    def finishing(index: int) -> Callable[[memoryview], None]:
        def job(buffer: memoryview) -> None:
            entries[index] = file.finish(index, buffer)
            report(BytesMoved(name=volume_name(file.out.name, index + 1), count=file.sizes[index]))

        return job

    title = "Summing"
    report(PhaseStarted(title=title, total_bytes=sum(file.sizes), total_items=count))
    run_all(
        (finishing(index) for index in range(count)),
        executor=executor,
        workers=min(workers, count),
        cancellation=Cancellation(),
    )
    report(PhaseFinished(title=title))
    return tuple(entries[index] for index in range(count))


def _is_there(plan: ExportPlan, out: Path, sizes: tuple[int, ...]) -> bool:
    """Whether these very volumes are there; `UsageError` where others have their names."""
    check_no_strangers(out, len(sizes))
    if not os.path.lexists(out.with_name(table_name(out.name))):
        if journal_path(out).exists():
            return False
        for number in range(1, len(sizes) + 1):
            _check_absent(out.with_name(volume_name(out.name, number)))
        return False
    found = find_volumes(out.name, (out.parent,))
    table = found.unverified_table()
    same = table is not None and table.bundle_id == plan.bundle_id
    lengths = [found.files[number].stat().st_size for number in sorted(found.files)]
    if same and sorted(found.files) == list(range(1, len(sizes) + 1)) and tuple(lengths) == sizes:
        return True
    raise _exists(out.with_name(table_name(out.name)))


def _check_absent(path: Path) -> None:
    if os.path.lexists(path):
        raise _exists(path)


def _exists(path: Path) -> UsageError:
    return UsageError(
        "AB-USAGE-OUTPUT-EXISTS",
        f"{path} exists and is not of this bundle in volumes of this size",
        hint="move it away or choose another name: a bundle is never overwritten",
    )


def _write_beside_again(plan: ExportPlan, out: Path) -> None:
    table = find_volumes(out.name, (out.parent,)).unverified_table()
    if table is not None and table.bundle_id == plan.bundle_id:
        write_table_and_sums(out.parent, table, out.name)
