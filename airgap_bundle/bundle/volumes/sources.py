"""Where further volumes may come from, as a value; `supply` goes and gets them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Reporter, silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaSupply:
    """Where media appear. `directories` are what `--media` names; volumes may lie in them or one level below.

    `wait_seconds`: for how long each further volume is waited for. `ask` shows a sentence to the person and returns
    the directory that they typed, or None for "look again"; without either nobody waits. `report` hears what is waited
    for. `sleep` is the clock's.
    """

    directories: tuple[Path, ...] = ()
    wait_seconds: float = 0
    ask: Callable[[str], Path | None] | None = None
    report: Reporter = silent
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    @property
    def can_wait(self) -> bool:
        """Whether a volume that is not there may come."""
        return self.wait_seconds > 0 or self.ask is not None
