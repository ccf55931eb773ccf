"""How the volumes that are not at hand are got: looked for again and again, or asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.volumes.complaints import missing
from airgap_bundle.bundle.volumes.finding import FoundVolumes, find_volumes, media_in
from airgap_bundle.bundle.volumes.naming import volume_name
from airgap_bundle.core.report import Remark, Severity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airgap_bundle.bundle.volumes.sources import MediaSupply

# A person who changes a stick takes longer; a directory is read in less than a millisecond.
POLL_SECONDS = 1.0


class MediaPlaces:
    """The directories in which the volumes of one bundle are looked for; they grow as the person names others."""

    def __init__(self, name: str, own: tuple[Path, ...], supply: MediaSupply) -> None:
        self.name = name
        self.supply = supply
        self._own = list(own)
        self._left = supply.wait_seconds
        self._said = ""

    def directories(self) -> tuple[Path, ...]:
        """All of them, as they are now."""
        return (*self._own, *media_in(self.supply.directories, must_exist=not self.supply.can_wait))

    def find(self, *, only: int | None = None) -> FoundVolumes:
        """The volumes that are in reach now; with `only` that one."""
        return find_volumes(self.name, self.directories(), only=only)

    def wait_for(self, number: int, why: str = "") -> FoundVolumes:
        """What is in reach once volume `number` is; `BundleError` where it does not come in time.

        `why` says what was wrong with the one that was there, so that another is waited for.
        """
        if not why:
            found = self.find(only=number)
            if number in found.files:
                return found
            self._left = self.supply.wait_seconds
        wanted = volume_name(self.name, number)
        sentence = f"{why}; {wanted} is needed" if why else f"{wanted} is needed"
        if self.supply.wait_seconds > 0:
            return self._poll(number, sentence)
        while self.supply.ask is not None:
            self._ask(self.supply.ask, sentence)
            found = self.find(only=number)
            if number in found.files:
                return found
            sentence = f"{wanted} is not there"
        raise missing(self.name, (number,))

    def _ask(self, ask: Callable[[str], Path | None], sentence: str) -> None:
        typed = ask(sentence)
        if typed is not None and typed not in self._own:
            self._own.append(typed)

    def _poll(self, number: int, sentence: str) -> FoundVolumes:
        if sentence != self._said:
            self._said = sentence
            self.supply.report(Remark(severity=Severity.NOTE, message=f"{sentence}: waiting for its medium"))
        while self._left > 0:
            self.supply.sleep(min(POLL_SECONDS, self._left))
            self._left -= POLL_SECONDS
            found = self.find(only=number)
            if number in found.files:
                return found
        raise missing(self.name, (number,), sentence)
