"""`airgap-import report` as functions: the policy if there is one, a drift where that was asked for, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.inside import named_places
from airgap_bundle.boundary.lifecycle.reconcile import find_drift
from airgap_bundle.boundary.reporting.drift_kept import keep_drift
from airgap_bundle.boundary.verifying import find_policy
from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core.errors import TrustError
from airgap_bundle.core.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from airgap_bundle.boundary.inside import Inside
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.trust.policy_model import Policy

_NO_POLICY = "AB-TRUST-NO-POLICY"


def known_policy(option: Path | None, report: Reporter) -> Policy | None:
    """The policy of this machine, or the one that is named; None where there is none. One that is bad is an error."""
    try:
        return find_policy(option, report)
    except TrustError as error:
        if error.code == _NO_POLICY:
            return None
        raise


def ask_for_drift(inside: Inside, destinations: Iterable[str]) -> int:
    """Ask the registries of these destinations what they hold, and note it; how much of it drifted.

    `UsageError` for a destination that nothing was imported to, `RegistryError` where one cannot be asked.
    """
    # Every name is looked up before the first registry is asked.
    places = [named_places(inside.ledger, "", one) for one in destinations]
    wanted = dict.fromkeys(place for some in places for place in some)
    found = find_drift(inside, wanted)
    keep_drift(inside.state, found, at=inside.now(), deep=False, tell=inside.report)
    return len(found.drifted)


def write_text(path: Path, text: str) -> None:
    """Write a file, complete or not at all, in place of what had the name: a collector may read at any moment.

    `HostError` where the system refuses.
    """
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise cannot_write(path, error) from error
