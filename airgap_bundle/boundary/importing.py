"""The boundary commands as functions: policy, state, medium and destination opened together, and closed again."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airgap_bundle.boundary.audit.trail import Audit
from airgap_bundle.boundary.ledger.ledger import Ledger
from airgap_bundle.boundary.push import Push
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.boundary.unfinished import UnfinishedUploads
from airgap_bundle.boundary.verifying import find_policy
from airgap_bundle.core.errors import AirgapError, TrustError
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.transfer.opening import open_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airgap_bundle.boundary.destination import Destination
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.registry.options import ClientOptions
    from airgap_bundle.transfer.access import Access
    from airgap_bundle.transfer.paths import PathMap
    from airgap_bundle.trust.overrides import Overrides
    from airgap_bundle.trust.policy_model import Policy

# Reading, hashing and sending overlap: more than the cores, as some always wait for the disk or the network.
DEFAULT_JOBS = 4
# Asking is waiting: sixteen questions at a time hide the round trips of a slow line and offend no registry.
ASKING_JOBS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportRequest:
    """What the person asked for. `options` says how the destination may be spoken to."""

    bundle: str
    destination: Destination
    policy: Path | None
    state: Path | None
    path_map: PathMap
    options: Callable[[Policy], ClientOptions]
    jobs: int | None = None
    overrides: Overrides | None = None
    adopt_reason: str = ""
    wait_seconds: float = 0
    files_to: Path | None = None
    hold: bool = False
    only: tuple[str, ...] = ()
    receipt_key: str = ""
    deep: bool = False
    access: Access | None = None


@contextmanager
def open_push(request: ImportRequest, report: Reporter) -> Iterator[Push]:
    """Everything that an import needs, open: policy first, as without it nothing else matters."""
    try:
        policy = find_policy(request.policy, report)
    except TrustError as error:
        _note_refusal(request, error)
        raise
    with ExitStack() as stack:
        state = StateDirectory.open(request.state)
        ledger = stack.enter_context(Ledger.open(state))
        for remark in ledger.remarks:
            report(Remark(severity=Severity.WARNING, message=remark))
        opened = stack.enter_context(open_bundle(request.bundle, request.access))
        options = replace(request.options(policy), uploads=UnfinishedUploads(state.path / "uploads"))
        registry = stack.enter_context(closing(request.destination.open(options)))
        # Whoever says how many transfers there may be means connections too.
        jobs, askers = (request.jobs or DEFAULT_JOBS), (request.jobs or ASKING_JOBS)
        executor = stack.enter_context(ThreadPoolExecutor(askers, thread_name_prefix="airgap"))
        yield Push(
            bundle=opened,
            destination=request.destination,
            registry=registry,
            policy=policy,
            ledger=ledger,
            audit=Audit(path=state.audit_path),
            state=state,
            path_map=request.path_map,
            executor=executor,
            workers=jobs,
            askers=askers,
            report=report,
            overrides=request.overrides,
            adopt_reason=request.adopt_reason,
            wait_seconds=request.wait_seconds,
            files_to=request.files_to,
            hold=request.hold,
            only=request.only,
            receipt_key=request.receipt_key,
            deep=request.deep,
        )


def _note_refusal(request: ImportRequest, error: TrustError) -> None:
    """In the audit trail, as every refusal; where that cannot be written, why it was refused is still what is said."""
    with suppress(AirgapError):
        audit = Audit(path=StateDirectory.open(request.state).audit_path)
        details = {"code": error.code, "reason": error.message}
        audit.append("refused", at=dt.datetime.now(dt.UTC), destination=str(request.destination), details=details)
