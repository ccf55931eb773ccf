"""`airgap-import verify` as a function, and what every boundary command opens first: the policy and the medium.

Apart from `importing` so that a look at a bundle does not load what only an import needs.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.boundary.verify import Verified, read_blobs, verify_head
from airgap_bundle.bundle.media import FileMedium, Medium, StreamMedium
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.trust.policy_files import load_policy, policy_location

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from airgap_bundle.core.report import Reporter
    from airgap_bundle.trust.decision import Overrides, Step
    from airgap_bundle.trust.policy_model import Policy

STANDARD_INPUT = "-"


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
    bundle: str,
    policy: Policy,
    now: dt.datetime,
    report: Reporter,
    overrides: Overrides | None = None,
    steps: list[Step] | None = None,
) -> tuple[Verified, tuple[Step, ...]]:
    """The full check of a bundle without a destination, and every step of it; `steps` as in `verify_head`."""
    workers = max(2, min(os.cpu_count() or 1, 8))
    with open_medium(bundle) as (medium, path), ThreadPoolExecutor(workers, "airgap") as executor:
        verified = verify_head(medium, policy, now, bundle_path=path, overrides=overrides, steps=steps)
        last = read_blobs(verified, executor, workers, report)
    return verified, (*verified.steps, last)
