"""`airgap-import verify` as a function, and what every boundary command reads first: the policy.

Apart from `importing` so that a look at a bundle does not load what only an import needs.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.boundary.judging.verify import Verified, judge_upstream, read_blobs, verify_head
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.transfer.opening import open_bundle
from airgap_bundle.trust.policy_files import load_policy, policy_location

if TYPE_CHECKING:
    import datetime as dt
    from concurrent.futures import Executor

    from airgap_bundle.core.report import Reporter
    from airgap_bundle.transfer.access import Access
    from airgap_bundle.trust.decision import Overrides, Step
    from airgap_bundle.trust.policy_model import Policy

# Hashed by one core in the time that it takes to load and start threads.
_ALONE_BYTES = 8 * 1024 * 1024


def find_policy(option: Path | None, report: Reporter) -> Policy:
    """The policy that counts on this machine; `TrustError` where there is none."""
    location = policy_location(str(option) if option else None, os.environ)
    if option is not None and Path(location) != option:
        message = f"{location} is the policy of this machine, so {option} is not looked at"
        report(Remark(severity=Severity.WARNING, message=message))
    return load_policy(location)


def verify_bundle(
    bundle: str,
    policy: Policy,
    now: dt.datetime,
    report: Reporter,
    overrides: Overrides | None = None,
    steps: list[Step] | None = None,
    access: Access | None = None,
) -> tuple[Verified, tuple[Step, ...]]:
    """The full check of a bundle without a destination, and every step of it; `steps` as in `verify_head`."""
    workers = max(2, min(os.cpu_count() or 1, 8))
    with open_bundle(bundle, access) as opened, ExitStack() as crew:
        verified = verify_head(
            opened.medium, policy, now, read_beside=opened.read_beside, overrides=overrides, steps=steps
        )
        is_short = isinstance(opened.medium, FileMedium) and verified.inventory.total_bytes <= _ALONE_BYTES
        executor = None if is_short else crew.enter_context(_threads(workers))
        last = read_blobs(verified, executor, workers, report)
        if steps is not None:
            steps.append(last)
        verified = judge_upstream(verified, steps)
    return verified, tuple(sorted((*verified.steps, last), key=lambda step: step.number))


def _threads(workers: int) -> Executor:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 5 ms, and small bundles need none

    return ThreadPoolExecutor(workers, "airgap")
