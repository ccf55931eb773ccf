"""Media that are filled one after another in the same places: which of them is a fresh one, and how it is got."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airgap_bundle.bundle.volumes.supply import POLL_SECONDS
from airgap_bundle.core.errors import AirgapError, HostError
from airgap_bundle.core.report import Remark, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from airgap_bundle.bundle.volumes.cutter import CutPlan, Placed
    from airgap_bundle.bundle.volumes.sources import MediaSupply


class Slots:
    """The places of the media, and what was put on those that were in them.

    A place is fresh when what we wrote there is gone. Where a medium was mounted, one has to be again: with the old one
    taken out, the place is an empty directory of the disk behind it, and nobody wants volumes there.
    """

    def __init__(self, directories: Sequence[Path], supply: MediaSupply) -> None:
        self._supply = supply
        self._mounts = {directory: _mount_of(directory) for directory in directories}
        self._filled: dict[Path, Path] = {}
        self._said = ""

    def fill(self, placed: Iterable[Placed]) -> None:
        """These were written: the media that they are on are no fresh ones any more."""
        self._filled |= {one.directory: one.path for one in placed}

    def next(self, needed: str, plan: Callable[[Sequence[Path]], CutPlan]) -> CutPlan:
        """The plan for the next medium, once one is there that has room; `needed` says for what.

        `plan` makes one for some places, or says why it cannot. `HostError` where no medium comes in time.
        """
        sentence, left = needed, self._supply.wait_seconds
        while True:
            if self._supply.ask is not None and not self._supply.wait_seconds:
                typed = self._supply.ask(sentence)
                if typed is not None and typed not in self._mounts:
                    self._mounts[typed] = _mount_of(typed)
            else:
                left = self._poll(sentence, left)
            try:
                return plan(self._fresh())
            except AirgapError as error:
                sentence = f"{error.message}; {needed}"

    def _poll(self, sentence: str, left: float) -> float:
        if sentence != self._said:
            self._said = sentence
            self._supply.report(Remark(severity=Severity.NOTE, message=f"{sentence}: waiting for it"))
        if left <= 0:
            raise HostError("AB-HOST-SPACE", f"{sentence}, and none came in time", hint="put media in sooner")
        self._supply.sleep(min(POLL_SECONDS, left))
        return left - POLL_SECONDS

    def _fresh(self) -> list[Path]:
        """The places that something can be written to; `HostError` says what is wrong where there is none."""
        complaints, fresh = [], []
        for directory, mount in self._mounts.items():
            volume = self._filled.get(directory)
            if mount != mount.parent and not os.path.ismount(mount):
                complaints.append(f"nothing is mounted at {mount}")
            elif volume is not None and os.path.lexists(volume):
                complaints.append(f"{directory} still holds {volume.name}")
            else:
                fresh.append(directory)
        if not fresh:
            raise HostError("AB-HOST-SPACE", " and ".join(complaints), hint="put in another medium")
        return fresh


def _mount_of(directory: Path) -> Path:
    """The directory that its file system is mounted at."""
    place = directory.resolve()
    while not os.path.ismount(place):
        place = place.parent
    return place
