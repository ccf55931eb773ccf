"""`airgap-import report`: what stands inside, as a page, as metrics and as JSON."""

from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import frame, options
from airgap_bundle.cli.program import Program
from airgap_bundle.core.errors import UsageError
from airgap_bundle.output.terminal import Terminal

_EXAMPLES = """
airgap-import report -o report.html
airgap-import report --metrics /var/lib/node_exporter/airgap.prom
airgap-import report -o report.html --drift registry.internal:5000/mirror
airgap-import report --format json
"""


def add_report(app: Program) -> None:
    """Add the command to `airgap-import`."""
    frame.command(app, "report", examples=_EXAMPLES)(_report)


def _report(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The page to write, as HTML.")
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(
            "--metrics", metavar="FILE", help="A file of metrics to write for Prometheus' textfile collector."
        ),
    ] = None,
    drift: Annotated[
        list[str] | None,
        typer.Option(
            "--drift",
            metavar="DEST",
            help="Ask this registry now whether it still holds all of it; repeatable. [what the last drift found]",
        ),
    ] = None,
    policy: options.PolicyFile = None,
    state: options.StateDirectory = None,
    jobs: options.Jobs = None,
    *,
    connection: options.Connection,
    terminal: Terminal,
) -> int:
    """Write down what is here: who signed it, what changed, was refused, expires and drifted.

    The page is one file that loads nothing. No registry is asked, unless --drift says which one. Status 1 where the
    audit trail was changed, or where --drift found something.
    """
    from airgap_bundle.boundary.reporting import collect, making
    from airgap_bundle.boundary.state import StateDirectory
    from airgap_bundle.cli import clock, report_text

    if output is None and metrics is None and not terminal.json:
        raise UsageError(
            "AB-USAGE-REPORT",
            "nothing says where the report should go",
            hint="-o FILE.html writes a page, --metrics FILE.prom metrics, --format json the same for programs",
        )
    drifted = 0
    if drift:
        drifted = _drift(drift, policy=policy, state=state, jobs=jobs, connection=connection, terminal=terminal)
    believed = making.known_policy(policy, terminal.report)
    report = collect.collect(StateDirectory.open(state), believed, clock.now())
    if output is not None:
        making.write_text(output, report_text.page(report))
    if metrics is not None:
        making.write_text(metrics, report_text.metrics(report))
    return report_text.show_report(report, (output, metrics), drifted, terminal)


def _drift(
    destinations: list[str],
    *,
    policy: Path | None,
    state: Path | None,
    jobs: int | None,
    connection: options.Connection,
    terminal: Terminal,
) -> int:
    """How much drifted there."""
    from airgap_bundle.boundary.inside import open_inside
    from airgap_bundle.boundary.reporting import making
    from airgap_bundle.cli import inside_requests

    request = inside_requests.inside_request(
        "report", report=terminal.report, policy=policy, state=state, connection=connection, jobs=jobs
    )
    with open_inside(request, terminal.report) as inside:
        return making.ask_for_drift(inside, destinations)
