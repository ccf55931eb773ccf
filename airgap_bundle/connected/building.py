"""From a manifest on disk to a lock on disk, and to a bundle: the connected commands as functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.ordered import StreamFile
from airgap_bundle.bundle.volumes.naming import check_output_name
from airgap_bundle.connected.at_hand import documents_of
from airgap_bundle.connected.contents import gather
from airgap_bundle.connected.delta import leave_out
from airgap_bundle.connected.export import Built, ExportPlan, build_file, build_stream, plan_export
from airgap_bundle.connected.fetching import Fetcher
from airgap_bundle.connected.workshop import ASKING_JOBS
from airgap_bundle.core.errors import DocumentError, UsageError
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.core.text import count_text
from airgap_bundle.manifest.lock import dump_lock
from airgap_bundle.manifest.words import timestamp_text
from airgap_bundle.transfer.scheduler import Cancellation

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.connected.locking import Refresh
    from airgap_bundle.connected.project import Project
    from airgap_bundle.connected.signing import Signer
    from airgap_bundle.connected.workshop import Workshop
    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.manifest.model import Manifest
    from airgap_bundle.transfer.bases import Base


def make_lock(project: Project, shop: Workshop, now: dt.datetime, refresh: Refresh | None = None) -> tuple[Lock, bool]:
    """Make the lock and write it beside the manifest; it, and whether the file changed.

    `DocumentError` where the manifest has what `check` calls errors, so that no lock is made of a mistake.
    """
    # A build from a lock needs none of what makes one: the rules, the charts, the readers of deployments.
    from airgap_bundle.connected.locking import Locking, Refresh, write_lock  # noqa: PLC0415 - see above
    from airgap_bundle.manifest.rules import check_manifest  # noqa: PLC0415 - see above

    errors = [
        finding
        for finding in check_manifest(project.manifest, now=int(now.timestamp()))
        if finding.severity is Severity.ERROR
    ]
    if errors:
        raise DocumentError(
            "AB-MANIFEST-ERRORS",
            f"{project.path} has {count_text(len(errors), 'error')}, so no lock was made",
            hint="airgap-manifest check says the same, and more",
            findings=errors,
        )
    shop.sources.directory = project.manifest.directory
    locking = Locking(
        manifest=project.manifest,
        sources=shop.sources,
        executor=shop.executor,
        workers=ASKING_JOBS,
        report=shop.report,
        earlier=project.lock,
        refresh=refresh or Refresh(),
    )
    lock = locking.run(now)
    if lock == project.lock:
        return lock, False
    write_lock(project.lock_path, dump_lock(lock))
    return lock, True


def _ending(project: Project, lock: Lock) -> str:
    place, end = project.lock_path, timestamp_text(lock.expires)
    return (
        f"{place} ends on {end}, and so does what is built from it: inside it is refused then (--relock makes it anew)"
    )


def current_lock(project: Project, shop: Workshop, now: dt.datetime, *, relock: bool) -> Lock:
    """The lock to build from: the one that is there, or a new one where it is missing or may be made anew.

    `DocumentError` where it is stale: what was reviewed is not what the manifest says now. One that has expired or soon
    will is used with a warning: whoever makes an old bundle again to compare it needs that very lock.
    """
    if project.lock is None:
        return make_lock(project, shop, now)[0]
    findings, is_ending = project.staleness(), project.lock.is_ending(int(now.timestamp()))
    if relock and (findings or is_ending):
        return make_lock(project, shop, now)[0]
    if not findings:
        if is_ending:
            shop.report(Remark(severity=Severity.WARNING, message=_ending(project, project.lock)))
        return project.lock
    raise DocumentError(
        "AB-LOCK-STALE",
        f"{project.lock_path} does not fit {project.path} any more",
        hint=f"make the lock again and have it reviewed: {project.lock_command} (or build with --relock)",
        findings=findings,
    )


def plan_build(
    project: Project,
    lock: Lock,
    shop: Workshop,
    *,
    docker_manifest: bool,
    now: dt.datetime,
    bases: Sequence[Base] = (),
    out: Path | None = None,
) -> ExportPlan:
    """Fetch the image documents that the lock names, and lay out the bundle; without what the bases say is inside.

    Those that a bundle `out` holds already are taken from there, so that building it once more asks nobody.
    What a lock from a file says of upstream signatures is judged again first: `TrustError` where that is not so.
    """
    shop.sources.directory = project.manifest.directory
    if lock is project.lock and _speaks_of_signatures(project.manifest, lock):
        from airgap_bundle.connected.upstream_confirming import confirm_verdicts  # noqa: PLC0415 - few ask for any

        confirm_verdicts(project.manifest, lock, shop.sources, shop.executor, ASKING_JOBS, now=now)
    with documents_of(out) as held:
        shop.sources.held = held
        contents = gather(lock, shop.sources, shop.executor, ASKING_JOBS)
    shop.sources.held = None
    if not contents.items:
        raise UsageError(
            "AB-USAGE-NOTHING", f"{project.path} names nothing that travels", hint="add images, charts or files to it"
        )
    contents, delta = leave_out(contents, lock, bases, shop.report)
    return plan_export(project.raw, lock, contents, docker_manifest=docker_manifest, delta=delta)


def _speaks_of_signatures(manifest: Manifest, lock: Lock) -> bool:
    """Whether there is anything to confirm: a rule, a keyring, or a verdict that somebody wrote into the lock."""
    return bool(
        manifest.verify or any(chart.keyring for chart in manifest.charts) or any(item.verdicts for item in lock.items)
    )


def build(
    project: Project,
    plan: ExportPlan,
    shop: Workshop,
    out: Path | StreamFile,
    signers: Sequence[Signer],
    *,
    volume_bytes: int = 0,
) -> Built:
    """Write the bundle to a file, into volumes of `volume_bytes` where that is not 0, or down a stream."""
    fetcher = Fetcher(
        supplies=plan.contents.supplies,
        sources=shop.sources,
        directory=project.manifest.directory,
        place=project.manifest.place,
        report=shop.report,
        cancellation=Cancellation(),
    )
    if isinstance(out, StreamFile):
        return build_stream(plan, out, fetcher, signers, executor=shop.executor, workers=shop.jobs)
    check_output_name(out.name)
    if volume_bytes:
        from airgap_bundle.connected.export_volumes import build_volumes  # noqa: PLC0415 - most builds make one file

        return build_volumes(plan, out, volume_bytes, fetcher, signers, executor=shop.executor, workers=shop.jobs)
    return build_file(plan, out, fetcher, signers, executor=shop.executor, workers=shop.jobs)
