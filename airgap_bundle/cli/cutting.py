"""`airgap-export cut`, and the option that cuts while building."""

from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import frame
from airgap_bundle.cli.bundle_options import Media
from airgap_bundle.cli.program import Program
from airgap_bundle.core.errors import UsageError
from airgap_bundle.output.terminal import Terminal

_SIZE_HELP = "Cut into volumes that fit: fat32, dvd, or such as 4GB or 700MB."
VolumeSize = Annotated[
    str | None, typer.Option("--volume-size", envvar="AIRGAP_VOLUME_SIZE", metavar="SIZE", help=_SIZE_HELP)
]


def add_cutting(app: Program) -> None:
    """Add the command to `airgap-export`."""
    frame.command(
        app,
        "cut",
        examples="""
        airgap-export cut acme-1.0.0.tar --volume-size fat32 -o /media/stick
        airgap-export cut acme-1.0.0.tar --volume-size dvd -o dvd1 -o dvd2 -o dvd3
        airgap-export cut acme-1.0.0.tar --volume-size 4GB -o /media/stick --only 2-3
        airgap-export cut acme-1.0.0.tar --volume-size dvd -o dvd --wait-media 600
        """,
    )(_cut)


def read_volume_size(text: str | None, output: str | None) -> int:
    """What `--volume-size` asks for, in bytes; 0 where nothing is to be cut."""
    from airgap_bundle.bundle.volumes.naming import parse_volume_size

    if text is None:
        return 0
    if output == "-":
        raise UsageError(
            "AB-USAGE-VOLUME-SIZE",
            "a stream has no volumes: --volume-size and -o - cannot be used together",
            hint="leave one of them out; what receives the stream can be cut with airgap-export cut",
        )
    return parse_volume_size(text)


def _cut(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="A bundle; volumes are cut anew.", show_default=False)
    ],
    volume_size: Annotated[
        str,
        typer.Option("--volume-size", envvar="AIRGAP_VOLUME_SIZE", metavar="SIZE", help=_SIZE_HELP, show_default=False),
    ],
    output: Annotated[
        list[Path],
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Where the volumes go; repeatable: one medium after another is filled.",
        ),
    ],
    only: Annotated[
        str,
        typer.Option("--only", metavar="N-M", help="Write only these volumes, such as 3 or 2-4.", show_default=False),
    ] = "",
    media: Media = None,
    wait_media: Annotated[
        float,
        typer.Option(
            "--wait-media",
            metavar="SECONDS",
            min=0,
            help="Wait so long for each further medium that is needed, without asking.",
        ),
    ] = 0,
    *,
    terminal: Terminal,
) -> None:
    """Cut a bundle into volumes, checking every byte against its inventory on the way. The bundle stays as it is.

    Space is checked on every medium before anything is written. Each gets NAME.volumes.json, the sums of what lies
    on it, and the signatures that lie beside the bundle. Volumes that are there already, and right, are not written
    again.

    Where not all of them fit, each medium is filled and read back, and the next one is asked for on the terminal, or
    waited for with --wait-media: several sticks go through one slot. With neither, nothing is written.
    """
    from airgap_bundle.bundle.volumes.sources import MediaSupply
    from airgap_bundle.cli import clock, export_text
    from airgap_bundle.cli.media import media_supply
    from airgap_bundle.connected.cutting import cut_bundle, read_range

    watch = clock.Stopwatch()
    size = read_volume_size(volume_size, None)
    supply = MediaSupply(directories=tuple(media or ()), report=terminal.report)
    turns = media_supply(None, wait_media, terminal.report)
    done = cut_bundle(bundle, size, output, read_range(only), terminal.report, supply, turns)
    export_text.show_cut(done, watch.seconds, terminal)
