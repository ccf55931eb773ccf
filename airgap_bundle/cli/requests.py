"""From the options of `airgap-import` to what was asked for, checked before anything is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.destination import Destination
from airgap_bundle.cli.clients import boundary_options, bundle_access, read_rate
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.transfer.paths import PathMap
from airgap_bundle.transfer.remote.spelling import is_address
from airgap_bundle.trust.decision import Overrides

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.boundary.importing import ImportRequest
    from airgap_bundle.cli.bundle_options import BundleOptions
    from airgap_bundle.cli.options import Connection
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.registry.options import ClientOptions
    from airgap_bundle.trust.policy_model import Policy


def read_request(
    bundle: str,
    dest: str,
    *,
    report: Reporter,
    policy: Path | None,
    state: Path | None,
    path_map: Sequence[str] | None,
    connection: Connection,
    source: BundleOptions,
    jobs: int | None,
    limit_rate: str | None = None,
    allow_older: str | None,
    allow_expired: str | None,
    adopt: bool,
    reason: str,
    wait_seconds: float = 0,
    files_to: Path | None = None,
    hold: bool = False,
    only: Sequence[str] | None = None,
    sign_receipt: str | None = None,
    deep: bool = False,
) -> ImportRequest:
    """Read everything that `plan` and `push` take; `UsageError` for what cannot be meant."""
    from airgap_bundle.boundary.importing import ImportRequest  # noqa: PLC0415 - `verify` needs none of it
    from airgap_bundle.boundary.receipts.signing import find_receipt_key  # noqa: PLC0415 - nor of this

    destination = Destination.parse(dest)
    overrides = read_overrides(allow_older, allow_expired, reason)
    if adopt and not reason.strip():
        raise UsageError(
            "AB-USAGE-REASON", "--adopt needs a --reason, which is kept in receipt and audit", hint="say why"
        )

    if hold and files_to is not None:
        raise UsageError(
            "AB-USAGE-HOLD-FILES",
            "--hold keeps everything back, and --files-to would put files into use",
            hint="leave --files-to out; push the bundle again with it once it was published",
        )
    if limit_rate is not None and destination.directory is not None and not is_address(bundle):
        raise UsageError(
            "AB-USAGE-RATE",
            "--limit-rate is about the network, and dir: is a directory of this machine",
            hint="leave --limit-rate out",
        )
    pacing = read_rate(limit_rate)

    def client(believed: Policy) -> ClientOptions:
        return boundary_options(
            believed,
            destination.host,
            connection,
            report=report,
            pacing=pacing,
        )

    return ImportRequest(
        bundle=bundle,
        destination=destination,
        policy=policy,
        state=state,
        path_map=PathMap.parse(list(path_map or ())),
        options=client,
        jobs=jobs,
        overrides=overrides,
        adopt_reason=reason if adopt else "",
        wait_seconds=wait_seconds,
        files_to=files_to,
        hold=hold,
        only=tuple(only or ()),
        receipt_key=find_receipt_key(sign_receipt),
        deep=deep,
        access=bundle_access(
            source,
            plain_http=connection.plain_http,
            ca_file=connection.ca_file,
            report=report,
            pacing=pacing,
        ),
    )


def read_overrides(allow_older: str | None, allow_expired: str | None, reason: str) -> Overrides:
    """The overrides that were asked for. They are options only: no variable can set them."""
    return Overrides(
        allow_older=read_bundle_id("--allow-older", allow_older) if allow_older is not None else None,
        allow_expired=read_bundle_id("--allow-expired", allow_expired) if allow_expired is not None else None,
        reason=reason,
    )


def read_bundle_id(option: str, text: str) -> Digest:
    """The id of a bundle, as `inspect` shows it."""
    try:
        return Digest(text)
    except InvalidValueError as error:
        raise UsageError(
            "AB-USAGE-BUNDLE-ID",
            f"{option} takes the id of the bundle that is meant, not {text!r}",
            hint="airgap-import inspect shows it: sha256: and 64 digits",
        ) from error
