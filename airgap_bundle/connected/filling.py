"""Fills one medium after another with the volumes of a bundle that was hashed already, and reads each of them back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airgap_bundle.bundle.signing import add_beside
from airgap_bundle.bundle.volumes.beside import write_table_and_sums
from airgap_bundle.bundle.volumes.cutter import check_held, plan_cut, read_back, write_volume
from airgap_bundle.bundle.volumes.naming import volume_name
from airgap_bundle.core.errors import HostError
from airgap_bundle.core.report import BytesMoved, PhaseFinished, PhaseStarted, Remark, Severity
from airgap_bundle.core.text import size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airgap_bundle.bundle.media import Medium
    from airgap_bundle.bundle.signatures import SignatureFile
    from airgap_bundle.bundle.volumes.cutter import CutPlan, Placed
    from airgap_bundle.bundle.volumes.table import VolumeTable
    from airgap_bundle.bundle.volumes.turns import Slots
    from airgap_bundle.core.report import Reporter


@dataclass(frozen=True, kw_only=True, slots=True)
class Filling:
    """What further media are filled from: `medium` holds the bundle, `table` says what each volume of it is."""

    medium: Medium
    table: VolumeTable
    signatures: Sequence[SignatureFile]
    slots: Slots
    report: Reporter

    def run(self, first: CutPlan, rest: range, *, extra_bytes: int) -> tuple[Placed, ...]:
        """Read back what `first` has put on the first media, and write the `rest` to further ones; where all of it is.

        1. Read the medium back, and say what is on it and that it may go.
        2. Get the next one; as many volumes as fit go on it, with table, signatures and sums.

        `HostError` and `UsageError` say how to go on.
        """
        plan, turn, last = first, 1, rest[-1]
        done: list[Placed] = []
        try:
            while True:
                # 1.
                self._finish(plan)
                done += plan.placed
                rest = range(plan.placed[-1].number + 1, last + 1)
                if not rest:
                    return tuple(done)
                # 2.
                turn += 1
                fit = partial(
                    plan_cut, first.name, first.sizes, wanted=rest, extra_bytes=extra_bytes, partly=True, turn=turn
                )
                plan = self.slots.next(_needed(first.name, first.sizes, rest), fit)
                self._write(plan)
        except HostError as error:
            begin = done[-1].number + 1 if done else first.placed[0].number
            hint = f"the same command goes on with --only {begin}-{last}"
            raise HostError(error.code, error.message, hint=hint) from error

    def _write(self, plan: CutPlan) -> None:
        total, title = sum(one.size for one in plan.placed), "Writing"
        self.report(PhaseStarted(title=title, total_bytes=total, total_items=len(plan.placed)))
        for one in plan.placed:
            entry = self.table.entries[one.number - 1]
            if one.existed:
                check_held(one, entry)
            else:
                start = sum(plan.sizes[: one.number - 1])
                write_volume(self.medium, start, one, entry, self._moving(entry.name))
        write_beside(plan, self.table, self.signatures)
        self.report(PhaseFinished(title=title))

    def _moving(self, name: str) -> Callable[[int], None]:
        return lambda count: self.report(BytesMoved(name=name, count=count))

    def _finish(self, plan: CutPlan) -> None:
        """Read back what is on these media, and say that they may go."""
        title = "Reading back"
        total = sum(one.size for one in plan.placed)
        self.report(PhaseStarted(title=title, total_bytes=total, total_items=len(plan.placed)))
        for one in plan.placed:
            read_back(one, self.table.entries[one.number - 1])
            self.report(BytesMoved(name=one.path.name, count=one.size))
        self.report(PhaseFinished(title=title))
        self.slots.fill(plan.placed)
        for directory in dict.fromkeys(one.directory for one in plan.placed):
            names = _names(plan.name, [one.number for one in plan.placed if one.directory == directory])
            message = f"{directory} has {names}, read back and right: unmount it, and take it out"
            self.report(Remark(severity=Severity.NOTE, message=message))


def write_beside(plan: CutPlan, table: VolumeTable, signatures: Sequence[SignatureFile]) -> None:
    """On each medium: the signatures from beside the bundle, the table of all volumes, the sums of what lies there."""
    for directory in dict.fromkeys(placed.directory for placed in plan.placed):
        for signature in signatures:
            add_beside(directory / plan.name, signature)
        write_table_and_sums(directory, table, plan.name)


def _needed(name: str, sizes: Sequence[int], rest: Sequence[int]) -> str:
    size = size_text(sum(sizes[number - 1] for number in rest))
    return f"{_names(name, rest)} ({size}) {'needs' if len(rest) == 1 else 'need'} another medium"


def _names(name: str, numbers: Sequence[int]) -> str:
    first = volume_name(name, numbers[0])
    return first if len(numbers) == 1 else f"{first} to {volume_name('', numbers[-1])}"
