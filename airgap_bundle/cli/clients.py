"""From the options of a command to how a registry may be spoken to."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from airgap_bundle.cli.media import media_supply
from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.core.oci import check_host
from airgap_bundle.core.text import parse_size
from airgap_bundle.registry.options import ClientOptions
from airgap_bundle.registry.pacing import Pacing
from airgap_bundle.transfer.access import Access, StoreOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.cli.bundle_options import BundleOptions, LoneBundleOptions
    from airgap_bundle.cli.options import Connection, SourceConnection
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.trust.policy_model import Policy


def connected_options(
    connection: SourceConnection, *, report: Reporter, limit_rate: str | None = None
) -> ClientOptions:
    """For the outside: proxies of the environment are used, and content may come from where a registry points."""
    return ClientOptions(
        side="source",
        authfile=connection.authfile,
        plain_http=frozenset(connection.plain_http or ()),
        ca_file=connection.ca_file,
        cert_file=connection.cert_file,
        key_file=connection.key_file,
        token_hosts=frozenset(connection.token_host or ()),
        mirrors=MappingProxyType(dict(_mirror(text) for text in connection.mirror or ())),
        proxies=True,
        follow_redirects_elsewhere=True,
        pacing=read_rate(limit_rate),
        reporter=report,
    )


def boundary_options(
    policy: Policy, host: str, connection: Connection, *, report: Reporter, pacing: Pacing | None = None
) -> ClientOptions:
    """For the inside: the destination and the token hosts that the policy names for it, and nobody else."""
    return ClientOptions(
        side="destination",
        authfile=connection.authfile,
        plain_http=frozenset(connection.plain_http or ()),
        ca_file=connection.ca_file,
        cert_file=connection.cert_file,
        key_file=connection.key_file,
        token_hosts=frozenset(policy.token_hosts.get(host, ())),
        pacing=pacing or Pacing(),
        reporter=report,
    )


def bundle_access(
    given: BundleOptions,
    *,
    plain_http: Sequence[str] | None,
    ca_file: Path | None,
    report: Reporter,
    pacing: Pacing | None = None,
) -> Access:
    """For the address of a bundle: that host alone, with no login and no certificate of a registry."""
    if given.bundle_key is not None and given.bundle_cert is None:
        raise UsageError(
            "AB-REGISTRY-OPTIONS",
            "a client key was given without its certificate",
            hint="give both --bundle-cert and --bundle-key",
        )
    options = ClientOptions(
        side="bundle address",
        plain_http=frozenset(plain_http or ()),
        ca_file=ca_file,
        cert_file=given.bundle_cert,
        key_file=given.bundle_key,
        pacing=pacing or Pacing(),
        reporter=report,
    )
    store = StoreOptions(endpoint=given.s3_endpoint or "", ambient=given.s3_ambient)
    return Access(
        options=options,
        netrc=given.netrc,
        store=store,
        signatures=given.signatures,
        media=media_supply(given.media, given.wait_media, report),
    )


def lone_bundle_access(given: LoneBundleOptions, report: Reporter) -> Access:
    """The same for a command that speaks to nobody else."""
    return bundle_access(given, plain_http=given.plain_http, ca_file=given.ca_file, report=report)


def read_rate(text: str | None) -> Pacing:
    """What `--limit-rate` asks for; `UsageError` where it is no rate."""
    if text is None:
        return Pacing()
    try:
        return Pacing(parse_size(text.removesuffix("/s")))
    except InvalidValueError as error:
        raise UsageError(
            "AB-USAGE-RATE", f"not a rate for --limit-rate: {text!r}", hint="write bytes a second: 10MB, 500kB, 1.5MiB"
        ) from error


def _mirror(text: str) -> tuple[str, str]:
    host, equals, place = text.partition("=")
    try:
        if equals and place:
            return check_host(host), place
        why = "HOST=PLACE is needed"
    except InvalidValueError as error:
        why = str(error)
    raise UsageError("AB-USAGE-MIRROR", f"not a mirror: {text!r} ({why})", hint="write docker.io=cache.example.com/hub")
