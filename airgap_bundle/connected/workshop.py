"""What all connected work shares while it asks registries: connections, workers, and somebody to tell."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.registry.options import ClientOptions

# Four transfers fill two cores and most links; more only make each of them slower.
DEFAULT_JOBS = 4
# Asking is waiting: eight questions at a time hide the round trips without offending a registry.
ASKING_JOBS = 8


@dataclass(kw_only=True, slots=True)
class Workshop:
    """What all connected work shares: registries, workers, and somebody to tell."""

    sources: Sources
    executor: Executor
    jobs: int
    report: Reporter


@contextmanager
def workshop(options: ClientOptions, jobs: int | None, report: Reporter) -> Iterator[Workshop]:
    """Workers and connections that are let go of at the end, whatever happens."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - whoever asks no registry needs none of it

    from airgap_bundle.connected.sources import Sources  # noqa: PLC0415 - the same

    sources = Sources(options)
    try:
        with ThreadPoolExecutor(max(jobs or DEFAULT_JOBS, ASKING_JOBS), thread_name_prefix="airgap") as executor:
            yield Workshop(sources=sources, executor=executor, jobs=jobs or DEFAULT_JOBS, report=report)
    finally:
        sources.close()
