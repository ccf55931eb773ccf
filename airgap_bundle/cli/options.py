"""The options that several commands share, as annotated types: one name, one help text, one variable for each.

Every one that names its variable in the help can come from it; the command line wins. Overrides and secrets have no
variable: an override is meant once, and a secret does not belong where every child process sees it.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli.groups import option_group


class OutputFormat(StrEnum):
    """What standard output holds."""

    TEXT = "text"
    JSON = "json"


class InspectFormat(StrEnum):
    """What standard output holds when a bundle is looked at: two bills of materials besides."""

    TEXT = "text"
    JSON = "json"
    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"


# Injected into every command by `frame.command`.
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", envvar="AIRGAP_QUIET", help="Say nothing but warnings and errors.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", envvar="AIRGAP_VERBOSE", help="Say one line for each thing that is done.")
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show where in the program an error came from; for reporting a bug.")
]

# Trust and state of the inside.
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        envvar="AIRGAP_POLICY",
        metavar="FILE",
        help="What the inside trusts. /etc/airgap-bundle/policy.yaml wins where it exists.",
    ),
]
StateDirectory = Annotated[
    Path | None,
    typer.Option(
        "--state",
        envvar="AIRGAP_STATE",
        metavar="DIR",
        help="Where ledger, receipts and audit trail are kept, instead of the user's own state directory.",
    ),
]

# What travels.
Overlay = Annotated[
    Path | None,
    typer.Option(
        "--overlay",
        envvar="AIRGAP_OVERLAY",
        metavar="FILE",
        help="What differs for one customer, merged into the manifest; has a lock of its own.",
    ),
]

# Registries.
AuthFile = Annotated[
    Path | None,
    typer.Option(
        "--authfile",
        envvar="AIRGAP_AUTHFILE",
        metavar="FILE",
        help="Registry credentials in Docker's format, instead of what docker, podman and helm logins left.",
    ),
]
PlainHttp = Annotated[
    list[str] | None,
    typer.Option(
        "--plain-http",
        envvar="AIRGAP_PLAIN_HTTP",
        metavar="HOST",
        help="Speak HTTP without TLS to this HOST[:PORT]; repeatable. Loopback needs no permission.",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file", envvar="AIRGAP_CA_FILE", metavar="FILE", help="Certificates (PEM) that servers are checked with."
    ),
]
CertFile = Annotated[
    Path | None,
    typer.Option("--cert-file", envvar="AIRGAP_CERT_FILE", metavar="FILE", help="Client certificate (PEM)."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", envvar="AIRGAP_KEY_FILE", metavar="FILE", help="Key of the client certificate (PEM)."),
]
TokenHost = Annotated[
    list[str] | None,
    typer.Option(
        "--token-host",
        envvar="AIRGAP_TOKEN_HOST",
        metavar="HOST",
        help="Let this HOST[:PORT] see a registry's login to hand out tokens for it; repeatable.",
    ),
]
Mirror = Annotated[
    list[str] | None,
    typer.Option(
        "--mirror",
        envvar="AIRGAP_MIRROR",
        metavar="HOST=PLACE",
        help="Fetch what is named HOST from HOST[:PORT][/PATH] instead; repeatable. Names stay as they are.",
    ),
]
PathMap = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        envvar="AIRGAP_MAP",
        metavar="FROM=TO",
        help="Where repositories go below DEST, such as 'docker.io/**=infra/**'; repeatable. The receipt keeps it.",
    ),
]

# How the work is done.
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", envvar="AIRGAP_JOBS", min=1, max=64, metavar="N", help="Transfers at the same time."),
]
LimitRate = Annotated[
    str | None,
    typer.Option(
        "--limit-rate",
        envvar="AIRGAP_LIMIT_RATE",
        metavar="RATE",
        help="Bytes a second for all transfers together: 10MB, 500kB.",
    ),
]
SignReceipt = Annotated[
    str | None,
    typer.Option("--sign-receipt", metavar="gpg:KEY", help="Sign the receipt with the site's own OpenPGP key."),
]
WaitLock = Annotated[
    float,
    typer.Option("--wait-lock", metavar="SECONDS", min=0, help="Wait for other work on the product to end."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan that would be carried out, and stop.")]


@option_group
@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """How registries may be spoken to."""

    authfile: AuthFile = None
    plain_http: PlainHttp = None
    ca_file: CaFile = None
    cert_file: CertFile = None
    key_file: KeyFile = None


@option_group
@dataclass(frozen=True, kw_only=True, slots=True)
class SourceConnection(Connection):
    """How registries may be spoken to outside, where there are mirrors and token hosts of others."""

    token_host: TokenHost = None
    mirror: Mirror = None
