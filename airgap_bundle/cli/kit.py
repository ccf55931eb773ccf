"""`airgap-export kit`: the toolkit itself, to install inside without a network."""

from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import frame
from airgap_bundle.cli.program import Program
from airgap_bundle.core.errors import UsageError
from airgap_bundle.output.terminal import Terminal

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="The directory to make.", show_default=False)
]
SignKit = Annotated[
    list[str] | None,
    typer.Option("--sign", metavar="gpg:KEY", help="Sign SHA256SUMS with this key, so that gpg --verify can check it."),
]
PythonVersion = Annotated[
    list[str] | None,
    typer.Option(
        "--python-version",
        envvar="AIRGAP_KIT_PYTHON_VERSION",
        metavar="3.N",
        help="A version of Python that the inside has; repeatable. [the one that runs this]",
    ),
]
Platform = Annotated[
    list[str] | None,
    typer.Option(
        "--platform",
        envvar="AIRGAP_KIT_PLATFORM",
        metavar="OS/ARCH",
        help="Machines inside: linux/arm64, or a wheel's tag; repeatable. [this machine's]",
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="EXTRA", help="Extras to take along, such as s3,helm; repeatable."),
]
Standalone = Annotated[
    bool,
    typer.Option("--standalone", help="Make one executable with Python inside too, for machines without Python."),
]


def add_kit(app: Program) -> None:
    """Add the command to `airgap-export`."""
    frame.command(
        app,
        "kit",
        examples="""
        airgap-export kit -o /media/stick/kit --sign gpg:release@example.com
        airgap-export kit -o kit --sign gpg:release@example.com --standalone
        airgap-export kit -o kit --python-version 3.11 --python-version 3.12 \\
          --platform linux/amd64 --platform linux/arm64
        """,
    )(_kit)


def _kit(
    output: Output,
    sign: SignKit = None,
    python_version: PythonVersion = None,
    platform: Platform = None,
    with_extras: With = None,
    standalone: Standalone = False,
    *,
    terminal: Terminal,
) -> None:
    """Make a directory that installs this toolkit inside, without a network.

    It holds the toolkit and its dependencies in the versions that are installed here, pinned by hash, and a README.txt
    for the person inside: gpg, sha256sum and pip are all that they need. Made with pip, from the package index that pip
    is set up for.
    """
    from airgap_bundle.cli import clock, kit_text
    from airgap_bundle.connected.kit.making import Request, make_kit

    if sign and len(sign) > 1:
        raise UsageError(
            "AB-USAGE-KIT-SIGN", "a kit has one signature, and --sign names several keys", hint="name one of them"
        )
    watch = clock.Stopwatch()
    request = Request(
        output=output,
        sign=sign[0] if sign else "",
        pythons=tuple(python_version or ()),
        platforms=tuple(platform or ()),
        extras=tuple(dict.fromkeys(name for text in with_extras or () for name in text.split(","))),
        standalone=standalone,
    )
    kit_text.show_kit(make_kit(request, terminal.report), watch.seconds, terminal)
