"""Cuts a bundle that exists into volumes, for as many media as it takes: plan first, then one pass over the bundle.

Everything is read and compared with the inventory, whichever volumes are wanted: nobody carries a damaged bundle far.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.bundle.layout import END_BYTES, padding_of
from airgap_bundle.bundle.reader import BundleReader, read_head, read_inventory
from airgap_bundle.bundle.volumes.checking import check_shape
from airgap_bundle.bundle.volumes.cutter import CutPlan, VolumeCutter, plan_cut
from airgap_bundle.bundle.volumes.naming import volume_name, volume_sizes
from airgap_bundle.bundle.volumes.table import VolumeTable
from airgap_bundle.bundle.volumes.turns import Slots
from airgap_bundle.connected.filling import Filling, write_beside
from airgap_bundle.core.content import copy_verified, new_buffer
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.report import BytesMoved, PhaseFinished, PhaseStarted
from airgap_bundle.transfer.opening import STANDARD_INPUT, open_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.bundle.reader import UnverifiedHead
    from airgap_bundle.bundle.volumes.cutter import Placed
    from airgap_bundle.bundle.volumes.sources import MediaSupply
    from airgap_bundle.bundle.volumes.table import VolumeEntry
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.report import Reporter

_RANGE = re.compile(r"([1-9][0-9]{0,2})(?:-([1-9][0-9]{0,2}))?")
_HEAD_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """What a cut has made: the volumes that were wanted and where each lies, of `count` that there are.

    `is_read_back`: all of them were read back from their media, as these were changed on the way.
    """

    name: str
    bundle_id: Digest
    count: int
    total_bytes: int
    placed: tuple[Placed, ...]
    is_read_back: bool = False


def read_range(text: str) -> range | None:
    """The numbers behind `--only`, `3` or `2-4`; None for all."""
    if not text:
        return None
    match = _RANGE.fullmatch(text.strip())
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise UsageError(
            "AB-USAGE-VALUE", f"not numbers of volumes: {text[:40]!r}", hint="write --only 3 or --only 2-4"
        )
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def cut_bundle(
    bundle: str,
    volume_bytes: int,
    directories: Sequence[Path],
    only: range | None,
    report: Reporter,
    media: MediaSupply | None = None,
    turns: MediaSupply | None = None,
) -> Cut:
    """Cut a bundle, a file or volumes of another size, into volumes in `directories`. All of it has to be in reach.

    1. The head, the length, and where it is cut already its volumes.
    2. Which volume goes where, before anything is written: each medium is filled in turn. `HostError` where they do
       not fit, unless `turns` can get further media; `UsageError` where something else has their name.
    3. One pass: every byte compared with the inventory, hashed for its volume, and written if its volume is wanted.
    4. On each medium the table of all volumes, the signatures from beside the bundle, and the sums of what lies there.
    5. What did not fit goes to further media, which are asked for one after another. All of these are read back: they
       leave this machine before the command ends.
    """
    if bundle == STANDARD_INPUT:
        raise UsageError(
            "AB-USAGE-VOLUME-SIZE", "a stream has no name for its volumes", hint="save it to a file, and cut that"
        )
    with open_bundle(bundle, media=media) as opened:
        # 1.
        medium = opened.medium
        name = Path(medium.name).name
        head = read_head(medium)
        reader = BundleReader(medium, head, read_inventory(head, medium.name))
        reader.check_head()
        check_shape(reader, head.bundle_id)
        # 2.
        total = reader.layout.total_bytes
        signatures = opened.read_beside()
        sizes = volume_sizes(total, volume_bytes)
        wanted = only or range(1, len(sizes) + 1)
        extra_bytes = sum(len(one.data) for one in signatures)
        partly = turns is not None and turns.can_wait
        plan = plan_cut(name, sizes, directories, wanted, extra_bytes=extra_bytes, partly=partly)
        # 3.
        report(PhaseStarted(title="Cutting", total_bytes=total, total_items=len(plan.placed)))
        table = VolumeTable(bundle_id=head.bundle_id, entries=_copy(reader, head, plan, report))
        report(PhaseFinished(title="Cutting"))
        # 4.
        write_beside(plan, table, signatures)
        # 5.
        placed, rest = plan.placed, wanted[len(plan.placed) :]
        if rest and turns is not None:
            filling = Filling(
                medium=medium, table=table, signatures=signatures, slots=Slots(directories, turns), report=report
            )
            placed = filling.run(plan, rest, extra_bytes=extra_bytes)
    return Cut(
        name=name,
        bundle_id=head.bundle_id,
        count=len(sizes),
        total_bytes=total,
        placed=placed,
        is_read_back=bool(rest),
    )


def _copy(reader: BundleReader, head: UnverifiedHead, plan: CutPlan, report: Reporter) -> tuple[VolumeEntry, ...]:
    buffer = new_buffer()
    with VolumeCutter(plan) as cutter:

        def moved(count: int) -> None:
            report(BytesMoved(name=volume_name(plan.name, cutter.number), count=count))

        position = 0
        while position < head.head_bytes:
            count = reader.medium.read_at(position, buffer[: min(_HEAD_PIECE_BYTES, head.head_bytes - position)])
            cutter.write(buffer[:count])
            moved(count)
            position += count
        for blob in reader.inventory.blobs:
            cutter.write(memoryview(reader.layout.extents[blob.digest].header))
            with reader.open_blob(blob.digest) as source, reader.damage_of(blob.digest):
                copy_verified(source, cutter, digest=blob.digest, size=blob.size, buffer=buffer, moved=moved)
            cutter.write(memoryview(bytes(padding_of(blob.size))))
        reader.check_end()
        cutter.write(memoryview(bytes(END_BYTES)))
        return cutter.finish()
