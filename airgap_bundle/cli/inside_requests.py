"""From the options of the commands that work with what was imported to what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.inside import InsideRequest
from airgap_bundle.boundary.receipts.signing import find_receipt_key
from airgap_bundle.cli.clients import boundary_options

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.cli.options import Connection
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.registry.options import ClientOptions
    from airgap_bundle.trust.policy_model import Policy


def inside_request(
    command: str,
    *,
    report: Reporter,
    policy: Path | None,
    state: Path | None,
    connection: Connection,
    jobs: int | None,
    locks: bool = False,
    wait_seconds: float = 0,
    sign_receipt: str | None = None,
) -> InsideRequest:
    """What every command takes that works with what was imported."""

    def client(believed: Policy, host: str) -> ClientOptions:
        return boundary_options(
            believed,
            host,
            connection,
            report=report,
        )

    return InsideRequest(
        command=command,
        policy=policy,
        state=state,
        options=client,
        jobs=jobs,
        locks=locks,
        wait_seconds=wait_seconds,
        receipt_key=find_receipt_key(sign_receipt),
    )
