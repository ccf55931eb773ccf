"""From the options of a command to how a registry may be spoken to."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.core.oci import check_host
from airgap_bundle.registry.options import ClientOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.core.report import Reporter
    from airgap_bundle.trust.policy_model import Policy


def connected_options(
    *,
    report: Reporter,
    authfile: Path | None,
    plain_http: Sequence[str] | None,
    ca_file: Path | None,
    mirrors: Sequence[str] | None,
) -> ClientOptions:
    """For the outside: proxies of the environment are used, and content may come from where a registry points."""
    return ClientOptions(
        side="source",
        authfile=authfile,
        plain_http=frozenset(plain_http or ()),
        ca_file=ca_file,
        mirrors=MappingProxyType(dict(_mirror(text) for text in mirrors or ())),
        proxies=True,
        follow_redirects_elsewhere=True,
        reporter=report,
    )


def boundary_options(
    policy: Policy,
    host: str,
    *,
    report: Reporter,
    authfile: Path | None,
    plain_http: Sequence[str] | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
) -> ClientOptions:
    """For the inside: the destination and the token hosts that the policy names for it, and nobody else."""
    return ClientOptions(
        side="destination",
        authfile=authfile,
        plain_http=frozenset(plain_http or ()),
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        token_hosts=frozenset(policy.token_hosts.get(host, ())),
        reporter=report,
    )


def _mirror(text: str) -> tuple[str, str]:
    host, equals, place = text.partition("=")
    try:
        if equals and place:
            return check_host(host), place
        why = "HOST=PLACE is needed"
    except InvalidValueError as error:
        why = str(error)
    raise UsageError("AB-USAGE-MIRROR", f"not a mirror: {text!r} ({why})", hint="write docker.io=cache.example.com/hub")
