"""Options about where BUNDLE comes from: the signatures that do not lie beside it, and how its address is spoken to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli.groups import option_group
from airgap_bundle.cli.options import CaFile, PlainHttp

Signatures = Annotated[
    Path | None,
    typer.Option(
        "--signatures",
        metavar="DIR",
        help="More signatures of the bundle (its NAME.signatures), for a stream or a URL, which have nothing beside.",
    ),
]
Netrc = Annotated[
    Path | None,
    typer.Option(
        "--netrc", envvar="AIRGAP_NETRC", metavar="FILE", help="Login for the URL of a bundle, instead of ~/.netrc."
    ),
]
BundleCert = Annotated[
    Path | None,
    typer.Option(
        "--bundle-cert",
        envvar="AIRGAP_BUNDLE_CERT",
        metavar="FILE",
        help="Client certificate (PEM) for the URL of a bundle; the registry never sees it.",
    ),
]
BundleKey = Annotated[
    Path | None,
    typer.Option(
        "--bundle-key",
        envvar="AIRGAP_BUNDLE_KEY",
        metavar="FILE",
        help="Key of --bundle-cert (PEM), if it is not in the same file.",
    ),
]
Media = Annotated[
    list[Path] | None,
    typer.Option(
        "--media",
        metavar="DIR",
        help="Where more volumes are, in DIR or directly below it; repeatable.",
    ),
]
WaitMedia = Annotated[
    float,
    typer.Option(
        "--wait-media", metavar="SECONDS", min=0, help="Wait so long for each volume that is not there, without asking."
    ),
]
S3Endpoint = Annotated[
    str | None,
    typer.Option(
        "--s3-endpoint",
        envvar="AIRGAP_S3_ENDPOINT",
        metavar="URL",
        help="Where s3:// is, if not at Amazon; AWS_ENDPOINT_URL is known too.",
    ),
]
S3Ambient = Annotated[
    bool,
    typer.Option(
        "--s3-ambient",
        envvar="AIRGAP_S3_AMBIENT",
        help="Let services (instance, container, STS, SSO) be asked for credentials for s3://.",
    ),
]


@option_group
@dataclass(frozen=True, kw_only=True, slots=True)
class BundleOptions:
    """What is given along with BUNDLE."""

    media: Media = None
    wait_media: WaitMedia = 0
    signatures: Signatures = None
    netrc: Netrc = None
    bundle_cert: BundleCert = None
    bundle_key: BundleKey = None
    s3_endpoint: S3Endpoint = None
    s3_ambient: S3Ambient = False


@option_group
@dataclass(frozen=True, kw_only=True, slots=True)
class LoneBundleOptions(BundleOptions):
    """The same for a command that speaks to no registry, whose connection options these are otherwise."""

    plain_http: PlainHttp = None
    ca_file: CaFile = None
