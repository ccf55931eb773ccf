"""`airgap-import relocate`: files that let clusters find inside what was imported."""

import os
from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.boundary.relocation.consumers import Consumer
from airgap_bundle.cli import frame, options
from airgap_bundle.cli.program import Program
from airgap_bundle.output.terminal import Terminal

_EXAMPLES = """
airgap-import relocate --for containerd -o out/
airgap-import relocate --for helm --for k3s -o out/ \\
  --ca-file /etc/ssl/internal-ca.crt
airgap-import relocate receipt.json --for compose -o .
airgap-import explain relocation
"""

AnyReceipt = Annotated[
    str,
    typer.Argument(metavar="[RECEIPT]", help="The id of a receipt, or its file; all that is current without it."),
]
For = Annotated[
    list[Consumer],
    typer.Option("--for", help="Who is to find the images; repeatable.", show_default=False),
]
Directory = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Where the files go; made if missing.", show_default=False)
]
Dest = Annotated[
    str, typer.Option("--dest", metavar="DEST", help="Which destination, where there are several.", show_default=False)
]
AtRegistry = Annotated[
    str,
    typer.Option(
        "--registry",
        metavar="HOST[:PORT][/PATH]",
        help="How clusters call DEST, where that is another name; needed for dir:PATH.",
        show_default=False,
    ),
]
NodesCa = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        envvar="AIRGAP_CA_FILE",
        metavar="FILE",
        help="The certificate that signed DEST's, at its path on the nodes; it is not read here.",
    ),
]


def add_relocate(app: Program) -> None:
    """Add the command to `airgap-import`."""
    frame.command(app, "relocate", examples=_EXAMPLES)(_relocate)


def _relocate(
    output: Directory,
    consumers: For,
    receipt: AnyReceipt = "",
    dest: Dest = "",
    registry: AtRegistry = "",
    plain_http: options.PlainHttp = None,
    ca_file: NodesCa = None,
    state: options.StateDirectory = None,
    *,
    terminal: Terminal,
) -> None:
    """Write the files that let clusters pull from DEST what was imported, under the names that they use already.

    Everything comes from receipts: no registry is asked, and no chart or manifest is changed.
    """
    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.relocation import files, relocate
    from airgap_bundle.boundary.state import StateDirectory
    from airgap_bundle.cli import relocate_text

    with Ledger.open(StateDirectory.open(state)) as ledger:
        chosen = relocate.choose_receipts(ledger, receipt, dest)
        remarks = (*ledger.remarks, *chosen.remarks)
    if not chosen.receipts:
        relocate_text.show_nothing(consumers, remarks, terminal)
        return
    path_on_nodes = os.path.abspath(ca_file) if ca_file else ""  # noqa: PTH100 - `resolve` would follow links
    home = relocate.home_of(chosen.destination, registry, plain_http=plain_http or (), ca_file=path_on_nodes)
    done = relocate.relocate(chosen, home, consumers)
    files.write_files(output, done.files)
    leftovers = files.leftovers(output, done.outputs, done.files)
    relocate_text.show_relocation(done, output, leftovers, remarks, terminal)
