"""What an import has decided to do, and what it has done: the values that `boundary.push` answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airgap_bundle.boundary.judging.verify import Verified
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.boundary.sending.upload import Sent
    from airgap_bundle.transfer.plan import PushPlan, Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A bundle that may come in, and what bringing it in will do. `skipped` are items that `--only` leaves out."""

    verified: Verified
    plan: PushPlan
    skipped: tuple[Target, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """What an import did. `tags_moved` counts tags that name something else now, `files` are those of `--files-to`."""

    prepared: Prepared
    receipt: Receipt
    sent: Sent
    tags_moved: int
    files: tuple[str, ...] = ()
    held: bool = False
