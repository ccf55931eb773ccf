"""Puts a report together: everything that a state directory, a policy and a served directory say at one moment.

No registry is asked. The clock is an argument: the same state at the same moment gives the same report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle import __version__
from airgap_bundle.boundary.ledger.ledger import Ledger
from airgap_bundle.boundary.lifecycle.overview import overview
from airgap_bundle.boundary.reporting import drift_kept, endings, imports, trail
from airgap_bundle.boundary.tokens.identity_store import IdentityStore
from airgap_bundle.core.inside_report import InsideReport, Login, Unfinished

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from airgap_bundle.boundary.ledger.values import Begun
    from airgap_bundle.boundary.lifecycle.overview import Overview
    from airgap_bundle.boundary.state import StateDirectory
    from airgap_bundle.core.inside_report import Store
    from airgap_bundle.trust.policy_model import Policy

# A login for each job of a busy site; ended ones that were made for one token go by themselves.
MAX_LOGINS = 1000


def collect(
    state: StateDirectory,
    policy: Policy | None,
    now: datetime,
    *,
    store: Store | None = None,
    problems: tuple[str, ...] = (),
) -> InsideReport:
    """What is here. Without a `policy` nothing is said of signers that end.

    Raises `HostError` where ledger, audit trail or identities cannot be read: half a report looks like all is well.
    """
    with Ledger.open(state) as ledger:
        found = overview(ledger, state)
        places = imports.places(ledger, found)
        listed, has_more = imports.look_through(ledger, found)
        heads = ledger.audit_heads()
        problems = (*problems, *ledger.remarks)
    logins = _logins(state.path, now)
    return InsideReport(
        made=now.replace(microsecond=0),
        tool=f"airgap-bundle {__version__}",
        places=places,
        imports=listed,
        has_more=has_more,
        months=imports.months(listed, f"{now:%Y-%m}"),
        unfinished=_unfinished(found),
        trail=trail.read_trail(state.audit_path, heads),
        policy_version=policy.version if policy is not None else None,
        endings=endings.endings(policy, places, logins),
        drift=drift_kept.read_drift(state.path),
        logins=logins,
        store=store,
        problems=problems,
    )


def collect_store(now: datetime, store: Store, problems: tuple[str, ...] = ()) -> InsideReport:
    """What is there where nothing was ever imported from this machine: a directory of images."""
    return InsideReport(
        made=now.replace(microsecond=0), tool=f"airgap-bundle {__version__}", store=store, problems=problems
    )


def _unfinished(found: Overview) -> tuple[Unfinished, ...]:
    def value(begun: Begun, worker: str, tags: int) -> Unfinished:
        return Unfinished(
            kind=begun.kind,
            product=begun.product,
            destination=begun.destination,
            receipt=begun.receipt_id,
            started=begun.started,
            worker=worker,
            tags=tags,
        )

    return tuple(value(one.begun, one.worker, one.may_have_moved) for one in found.unfinished)


def _logins(state: Path, now: datetime) -> tuple[Login, ...]:
    """Identities that can ask for tokens; those that were made for a single one are of no interest afterwards."""
    directory = state / "tokens" / "identities"
    if not directory.is_dir():
        return ()
    store = IdentityStore(directory)
    return tuple(
        Login(
            name=one.name,
            state=one.state(now),
            scopes=tuple(str(grant) for grant in one.grants),
            made=one.made,
            until=one.until,
            last_used=store.last_used(one.name),
            note=one.note,
        )
        for one in store.every()
        if not one.is_once
    )[:MAX_LOGINS]
