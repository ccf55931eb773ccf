"""Asks the registries whether guessed images exist: the guess that a registry has is found, the others were none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.errors import RegistryError
from airgap_bundle.core.report import ItemFinished, ItemStarted
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.oci import Reference
    from airgap_bundle.core.report import Reporter

_WORKERS = 8


def confirm(
    references: Iterable[Reference], sources: Sources, executor: Executor, report: Reporter
) -> dict[str, bool | None]:
    """For each reference in full whether its registry has it; None where that could not be learned."""
    wanted = {str(reference): reference for reference in references}
    answers: dict[str, bool | None] = {}
    jobs = [_asking(reference, sources, answers, report) for reference in wanted.values()]
    run_all(
        jobs,
        executor=executor,
        workers=min(_WORKERS, max(1, len(jobs))),
        cancellation=Cancellation(),
        abort=sources.close,
    )
    return answers


def _asking(
    reference: Reference, sources: Sources, answers: dict[str, bool | None], report: Reporter
) -> Callable[[memoryview], None]:
    def job(_buffer: memoryview) -> None:
        name = str(reference)
        report(ItemStarted(name=name))
        try:
            registry = sources.registry(reference.host)
            answers[name] = registry.head_manifest(reference.repository, reference.asked) is not None
        except RegistryError:
            # A host that does not exist, or does not let us in, proves nothing about the image.
            answers[name] = None
        report(ItemFinished(name=name, outcome={True: "found", False: "not there"}.get(answers[name] or False, "")))

    return job
