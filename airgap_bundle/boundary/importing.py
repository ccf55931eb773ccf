"""The boundary commands as functions: policy, state, medium and destination opened together, and closed again."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.boundary.audit import Audit
from airgap_bundle.boundary.ledger import Ledger
from airgap_bundle.boundary.push import Push
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.boundary.unfinished import UnfinishedUploads
from airgap_bundle.boundary.verify import Verified, read_blobs, verify_head
from airgap_bundle.bundle.media import FileMedium, Medium, StreamMedium
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.trust.policy_files import load_policy, policy_location

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from airgap_bundle.boundary.destination import Destination
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.registry.options import ClientOptions
    from airgap_bundle.transfer.paths import PathMap
    from airgap_bundle.trust.decision import Overrides, Step
    from airgap_bundle.trust.policy_model import Policy

STANDARD_INPUT = "-"
# Reading, hashing and sending overlap: more than the cores, as some always wait for the disk or the network.
DEFAULT_JOBS = 4
# Asking is waiting: sixteen questions at a time hide the round trips of a slow line and offend no registry.
ASKING_JOBS = 16


def find_policy(option: Path | None, report: Reporter) -> Policy:
    """The policy that counts on this machine; `TrustError` where there is none."""
    location = policy_location(str(option) if option else None, os.environ)
    if option is not None and Path(location) != option:
        message = f"{location} is the policy of this machine, so {option} is not looked at"
        report(Remark(severity=Severity.WARNING, message=message))
    return load_policy(location)


@contextmanager
def open_medium(bundle: str) -> Iterator[tuple[Medium, Path | None]]:
    """What BUNDLE names, and its path if it is a file: a file, or `-` for standard input."""
    if bundle == STANDARD_INPUT:
        yield StreamMedium(_standard_input()), None
        return
    path = Path(bundle)
    with closing(FileMedium(path)) as medium:
        yield medium, path


def _standard_input() -> int:
    # None where whoever started us closed it.
    if sys.stdin is None or sys.stdin.isatty():
        what = "is closed" if sys.stdin is None else "is a terminal, which holds no bundle"
        raise UsageError(
            "AB-USAGE-STDIN",
            f"standard input {what}",
            hint="name the file, or pipe the bundle in behind -",
        )
    return sys.stdin.fileno()


def verify_bundle(
    bundle: str, policy: Policy, now: dt.datetime, report: Reporter, overrides: Overrides | None = None
) -> tuple[Verified, tuple[Step, ...]]:
    """The full check of a bundle without a destination, and every step of it."""
    workers = max(2, min(os.cpu_count() or 1, 8))
    with open_medium(bundle) as (medium, path), ThreadPoolExecutor(workers, "airgap") as executor:
        verified = verify_head(medium, policy, now, bundle_path=path, overrides=overrides)
        last = read_blobs(verified, executor, workers, report)
    return verified, (*verified.steps, last)


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


@contextmanager
def open_push(request: ImportRequest, report: Reporter) -> Iterator[Push]:
    """Everything that an import needs, open: policy first, as without it nothing else matters."""
    policy = find_policy(request.policy, report)
    with ExitStack() as stack:
        state = StateDirectory.open(request.state)
        ledger = stack.enter_context(Ledger.open(state))
        for remark in ledger.remarks:
            report(Remark(severity=Severity.WARNING, message=remark))
        medium, path = stack.enter_context(open_medium(request.bundle))
        options = replace(request.options(policy), uploads=UnfinishedUploads(state.path / "uploads"))
        registry = stack.enter_context(closing(request.destination.open(options)))
        # Whoever says how many transfers there may be means connections too.
        jobs, askers = (request.jobs or DEFAULT_JOBS), (request.jobs or ASKING_JOBS)
        executor = stack.enter_context(ThreadPoolExecutor(askers, thread_name_prefix="airgap"))
        yield Push(
            medium=medium,
            bundle_path=path,
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
        )
