"""Whether what is planned has room where it would be written: asked before anything is fetched."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from airgap_bundle.bundle.room import allocated_bytes, bundle_files
from airgap_bundle.bundle.volumes.growing import check_no_strangers
from airgap_bundle.bundle.volumes.naming import check_output_name, volume_name
from airgap_bundle.bundle.writer import PartialFile, partial_path
from airgap_bundle.connected.placing import journal_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.connected.export import ExportPlan


def check_room(out: Path, plan: ExportPlan, volumes: tuple[int, ...]) -> None:
    """Nothing, where a build of `plan`, in `volumes` of these lengths if there are any, would find room.

    `HostError` as the build would raise it: no space, a file system for shorter files, a place that is not writable, a
    build that is under way. What an earlier run left counts as there. Nothing stays on the medium.
    """
    check_output_name(out.name)
    names = [out.with_name(volume_name(out.name, number)) for number in range(1, len(volumes) + 1)] or [out]
    if volumes:
        check_no_strangers(out, len(volumes))
    total_bytes = plan.layout.total_bytes
    files = [*bundle_files(total_bytes, volumes), journal_bytes(len(plan.inventory.blobs), total_bytes)]
    held = sum(allocated_bytes(path) + allocated_bytes(partial_path(path)) for path in names)
    with closing(PartialFile(names[0])) as probe:
        try:
            probe.check_size(max(volumes, default=total_bytes))
            probe.check_files(out, files, held)
        finally:
            if not probe.size:
                probe.discard()
