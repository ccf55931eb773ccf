"""`airgap-export`: the connected side, from a manifest to one signed file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import frame, options
from airgap_bundle.cli.bundle_options import Media, WaitMedia
from airgap_bundle.cli.cutting import VolumeSize, read_volume_size
from airgap_bundle.cli.signing import IdentityToken, PassphraseFd, Sign, TrustConfig
from airgap_bundle.output.terminal import Terminal

app = frame.make_app(
    "airgap-export",
    "Fetch what a manifest names, and write it into one signed file.",
    examples="""
    airgap-export plan acme.yaml
    airgap-export build acme.yaml -o acme-1.0.0.tar --sign gpg:release@example.com
    airgap-export inspect acme-1.0.0.tar
    """,
)

ManifestFile = Annotated[Path, typer.Argument(metavar="FILE", help="The manifest.", show_default=False)]
Relock = Annotated[bool, typer.Option("--relock", help="Make a stale lock anew instead of stopping.")]
Base = Annotated[
    list[str] | None,
    typer.Option(
        "--base",
        metavar="FILE",
        help="Leave out layers and files that the inside holds by this receipt, holdings or bundle; repeatable.",
    ),
]
NoDockerManifest = Annotated[
    bool, typer.Option("--no-docker-manifest", help="Leave out manifest.json, which docker and podman load need.")
]


@frame.command(
    app,
    "plan",
    examples="""
    airgap-export plan acme.yaml
    airgap-export plan acme.yaml --base holdings.json
    airgap-export plan acme.yaml --volume-size fat32 -o /media/stick/acme.tar
    airgap-export plan acme.yaml --format json
    """,
)
def plan(
    file: ManifestFile,
    relock: Relock = False,
    overlay: options.Overlay = None,
    base: Base = None,
    no_docker_manifest: NoDockerManifest = False,
    volume_size: VolumeSize = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="Look too whether there is room for this file, or for its volumes."
        ),
    ] = None,
    *,
    connection: options.SourceConnection,
    terminal: Terminal,
) -> None:
    """Say what would travel, from where, and how much it is. Fetches image documents only.

    With --volume-size it says how many volumes of which length that makes. With --output it fails where a build would:
    too little space, or a file system that holds no file so long. Nothing is left there.
    """
    from airgap_bundle.bundle.volumes.naming import volume_sizes
    from airgap_bundle.cli import clients, clock, export_text
    from airgap_bundle.connected import building, room
    from airgap_bundle.connected.project import open_project
    from airgap_bundle.connected.workshop import workshop
    from airgap_bundle.transfer import base_files

    volume_bytes = read_volume_size(volume_size, output)
    project = open_project(file, overlay)
    bases = base_files.read_bases(base or ())
    client = clients.connected_options(
        connection,
        report=terminal.report,
    )
    with workshop(client, None, terminal.report) as shop:
        now = clock.now()
        lock = building.current_lock(project, shop, now, relock=relock)
        planned = building.plan_build(project, lock, shop, docker_manifest=not no_docker_manifest, bases=bases, now=now)
    total = planned.layout.total_bytes
    volumes = volume_sizes(total, volume_bytes) if volume_bytes else ()
    if output is not None and output != "-":
        room.check_room(Path(output), planned, volumes)
    export_text.show_plan(planned, terminal, volumes=volumes, volume_bytes=volume_bytes)


@frame.command(
    app,
    "build",
    examples="""
    airgap-export build acme.yaml --sign gpg:release@example.com
    airgap-export build acme.yaml -o /media/stick/acme-1.0.0.tar \\
      --sign gpg:release@example.com
    airgap-export build acme.yaml --volume-size fat32 \\
      -o /media/stick/acme-1.0.0.tar --sign gpg:release@example.com
    airgap-export build acme.yaml -o - | ssh diode 'cat > acme.tar'
    airgap-export build acme.yaml --overlay customers/north.yaml
    airgap-export build acme.yaml --mirror docker.io=cache.example.com/hub
    airgap-export build acme.yaml --sign gpg:release@example.com \\
      --base acme-1763800000-0123456789ab-01234567.json
    """,
)
def build(
    file: ManifestFile,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="The file to write; - is standard output. [NAME-VERSION.tar or NAME-VERSION-OVERLAY.tar]",
        ),
    ] = None,
    sign: Sign = None,
    trust_config: TrustConfig = None,
    identity_token: IdentityToken = None,
    passphrase_fd: PassphraseFd = None,
    relock: Relock = False,
    overlay: options.Overlay = None,
    base: Base = None,
    no_docker_manifest: NoDockerManifest = False,
    volume_size: VolumeSize = None,
    jobs: options.Jobs = None,
    limit_rate: options.LimitRate = None,
    *,
    connection: options.SourceConnection,
    terminal: Terminal,
) -> None:
    """Fetch everything that the lock names, write it into one file, and sign it.

    A lock that is missing is made. Interrupted, the same command goes on where it stopped. Where OUT is this very
    bundle already it says so, asks no registry, and adds at most a signature. With --volume-size the same bytes go into
    OUT.001, OUT.002 and so on, with OUT.volumes.json and, for sha256sum -c, OUT.sha256.
    """
    from airgap_bundle.bundle.ordered import StreamFile
    from airgap_bundle.cli import clients, clock, export_text
    from airgap_bundle.connected import building
    from airgap_bundle.connected.project import open_project
    from airgap_bundle.connected.signing import SigningOptions, find_signers
    from airgap_bundle.connected.workshop import workshop
    from airgap_bundle.transfer import base_files

    watch = clock.Stopwatch()
    signing = SigningOptions(trust_config=trust_config, identity_token=identity_token, passphrase_fd=passphrase_fd)
    signers = find_signers(sign or (), signing)
    project = open_project(file, overlay)
    bases = base_files.read_bases(base or ())
    client = clients.connected_options(
        connection,
        report=terminal.report,
        limit_rate=limit_rate,
    )
    volume_bytes = read_volume_size(volume_size, output)
    out = StreamFile(terminal.claim_output().fileno()) if output == "-" else Path(output or project.default_name)
    with workshop(client, jobs, terminal.report) as shop:
        now = clock.now()
        lock = building.current_lock(project, shop, now, relock=relock)
        planned = building.plan_build(
            project,
            lock,
            shop,
            docker_manifest=not no_docker_manifest,
            bases=bases,
            now=now,
            out=out if isinstance(out, Path) else None,
        )
        built = building.build(project, planned, shop, out, signers, volume_bytes=volume_bytes)
    export_text.show_built(built, out, signers, watch.seconds, terminal)


app.offer_from("signing:add_signing", "sign", "trusted-root")
app.offer_from("cutting:add_cutting", "cut")


@frame.command(
    app,
    "inspect",
    examples="""
    airgap-export inspect acme-1.0.0.tar
    airgap-export inspect acme-1.0.0.tar --check
    airgap-export inspect acme-1.0.0.tar --extract look/
    airgap-export inspect acme-1.0.0.tar --format spdx > acme.spdx.json
    """,
    formats=options.InspectFormat,
)
def inspect(
    bundle: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE",
            help="A bundle, a volume, a directory of volumes, or - for standard input.",
            show_default=False,
        ),
    ],
    check: Annotated[bool, typer.Option("--check", help="Read every byte back and compare it.")] = False,
    extract: Annotated[
        Path | None,
        typer.Option(
            "--extract",
            metavar="DIR",
            help="Write manifest, lock, inventory, signatures and files, no images, into a new or empty directory.",
        ),
    ] = None,
    media: Media = None,
    wait_media: WaitMedia = 0,
    *,
    terminal: Terminal,
) -> None:
    """Show what a bundle holds and who says to have signed it. Nothing of that is verified."""
    from airgap_bundle.cli.inspect_text import show_inspection
    from airgap_bundle.cli.media import media_supply
    from airgap_bundle.transfer.inspection import inspect_bundle

    supply = media_supply(media, wait_media, terminal.report)
    found = inspect_bundle(bundle, check=check, report=terminal.report, media=supply, extract_to=extract)
    show_inspection(found, terminal)


app.offer_from("kit:add_kit", "kit")
app.offer_from("explain:add_explain", "explain")


def main() -> None:
    """Run `airgap-export`."""
    sys.exit(frame.run_app(app))
