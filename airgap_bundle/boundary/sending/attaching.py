"""Attaches signatures, attestations and SBOMs to what they speak of. What the site has attached itself stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.sending.presence import conflict
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.transfer.plan import PushPlan, Target


def attach_all(plan: PushPlan, registry: Registry, *, executor: Executor | None = None, workers: int = 1) -> None:
    """Put what is attached, under its tag or by its digest, unless it is there and can be found.

    Repositories side by side, but one after another within each: some registries keep one list of what is attached.
    `RegistryError` where the site has something else under the tag, even if it appeared a moment ago.
    """
    by_repository: dict[str, list[Target]] = {}
    for target in plan.attached:
        by_repository.setdefault(target.repository, []).append(target)

    def attaching(targets: list[Target]) -> Callable[[memoryview], None]:
        def job(_buffer: memoryview) -> None:
            for target in targets:
                _attach(plan, target, registry)

        return job

    if executor is None:
        for targets in by_repository.values():
            for target in targets:
                _attach(plan, target, registry)
        return
    jobs = [attaching(targets) for targets in by_repository.values()]
    run_all(jobs, executor=executor, workers=min(workers, len(jobs)), cancellation=Cancellation(), abort=registry.close)


def _attach(plan: PushPlan, target: Target, registry: Registry) -> None:
    if not _is_attached(plan, target, registry):
        for document in target.documents[:-1]:
            registry.put_manifest(target.repository, document.descriptor.digest, document)
        registry.put_manifest(target.repository, target.item.tag or target.top.descriptor.digest, target.top)


def _is_attached(plan: PushPlan, target: Target, registry: Registry) -> bool:
    digest = target.top.descriptor.digest
    present = registry.head_manifest(target.repository, target.item.tag or digest)
    if present is None:
        return False
    if present.digest != digest:
        raise conflict(plan.destination, target, present)
    # A run that was killed may have put it without attaching it, where a registry leaves that to its clients.
    subject = target.top.subject
    return subject is None or any(
        each.digest == digest for each in registry.list_referrers(target.repository, subject.digest)
    )
