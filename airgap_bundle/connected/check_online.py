"""What registries say about a manifest today, for the rules of `check --online`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.connected.contents import gather
from airgap_bundle.connected.workshop import ASKING_JOBS
from airgap_bundle.core.errors import AirgapError, RegistryError
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airgap_bundle.connected.workshop import Workshop
    from airgap_bundle.core.oci import Reference
    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.manifest.model import Manifest


def answers(manifest: Manifest, shop: Workshop) -> dict[str, str | None]:
    """By source the digest that it names today, "" where there is nothing, None where that could not be learned."""
    result: dict[str, str | None] = {}

    def asking(reference: Reference) -> Callable[[memoryview], None]:
        def job(_buffer: memoryview) -> None:
            try:
                found = shop.sources.registry(reference.host).head_manifest(reference.repository, reference.asked)
            except RegistryError:
                result[str(reference)] = None
            else:
                result[str(reference)] = str(found.digest) if found is not None else ""

        return job

    jobs = [asking(reference) for reference in _references(manifest)]
    run_all(
        jobs,
        executor=shop.executor,
        workers=min(ASKING_JOBS, max(1, len(jobs))),
        cancellation=Cancellation(),
        abort=shop.sources.close,
    )
    return result


def total_bytes(lock: Lock, shop: Workshop) -> int:
    """The bytes of everything that the lock names; 0 where that cannot be learned."""
    try:
        contents = gather(lock, shop.sources, shop.executor, ASKING_JOBS)
    except AirgapError:
        return 0
    return sum(blob.size for blob in contents.blobs)


def _references(manifest: Manifest) -> Iterator[Reference]:
    for image in manifest.images:
        if not image.origin:
            yield image.reference
    for artifact in manifest.artifacts:
        yield artifact.reference
    for chart in manifest.charts:
        if chart.reference is not None:
            yield chart.reference
