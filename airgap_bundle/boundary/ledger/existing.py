"""The ledger of this machine for commands that can do without: nothing is made where there is none."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airgap_bundle.boundary.ledger.ledger import Ledger
from airgap_bundle.boundary.state import StateDirectory, default_path
from airgap_bundle.core.errors import HostError
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.core.report import Reporter


@contextmanager
def existing_ledger(state: Path | None, report: Reporter) -> Iterator[Ledger | None]:
    """The ledger in `state`, or in the state directory of this user; `None` where this user has none.

    Where one was named and is not there, that is remarked on. `HostError` where it is there and cannot be used: what it
    would have said is then not known.
    """
    place = StateDirectory(path=state or default_path())
    try:
        is_there = place.ledger_path.exists()
    except OSError as error:
        message = f"the ledger {place.ledger_path} cannot be looked at: {error.strerror}"
        raise HostError("AB-HOST-READ", message, hint="run as the user who imports") from error
    if not is_there:
        if state is not None:
            message = f"there is no ledger in {printable(str(state))}: name the state directory that imports use"
            report(Remark(severity=Severity.WARNING, message=message))
        yield None
        return
    with Ledger.open(StateDirectory.open(state)) as ledger:
        for remark in ledger.remarks:
            report(Remark(severity=Severity.WARNING, message=remark))
        yield ledger
