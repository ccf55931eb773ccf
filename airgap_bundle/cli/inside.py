"""What `airgap-import` does with what was imported: look, hold, publish, go back, promote, compare, prune, account."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import frame, options
from airgap_bundle.cli.program import Program
from airgap_bundle.output.terminal import Terminal

Product = Annotated[str, typer.Argument(metavar="PRODUCT", help="The product, as `status` names it.")]
AnyProduct = Annotated[
    str, typer.Argument(metavar="[PRODUCT]", help="Only this product; all without it.", show_default=False)
]
ReceiptName = Annotated[str, typer.Argument(metavar="RECEIPT", help="The id of a receipt, or its file.")]
OneDest = Annotated[
    str, typer.Option("--dest", metavar="DEST", help="Which destination, where there are several.", show_default=False)
]
AllowExpired = Annotated[
    str | None,
    typer.Option("--allow-expired", metavar="BUNDLE_ID", help="Move tags although the bundle has expired meanwhile."),
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; kept in receipt and audit trail.", show_default=False)
]


class AuditFormat(StrEnum):
    """What standard output holds when the audit trail is exported."""

    JSONL = "jsonl"
    SYSLOG = "syslog"


def add_inside(app: Program) -> None:
    """Add the commands to `airgap-import`."""
    for name, examples, body in _COMMANDS:
        frame.command(app, name, examples=examples)(body)
    audit = frame.add_group(app, "audit", "The audit trail: who brought in what, and what was refused.")
    frame.command(audit, "verify", examples="airgap-import audit verify")(_audit_verify)
    frame.command(
        audit,
        "export",
        examples="""
        airgap-import audit export > trail.jsonl
        airgap-import audit export --format syslog --after 1200 | nc siem 601
        """,
        formats=AuditFormat,
    )(_audit_export)


def _status(product: AnyProduct = "", state: options.StateDirectory = None, *, terminal: Terminal) -> None:
    """Say what is current, held or partial at each destination, and what did not end. Asks no registry."""
    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.lifecycle.overview import overview
    from airgap_bundle.boundary.state import StateDirectory
    from airgap_bundle.cli import status_text

    directory = StateDirectory.open(state)
    with Ledger.open(directory) as ledger:
        status_text.show_status(overview(ledger, directory, product), ledger.remarks, terminal)


def _publish(
    receipt: ReceiptName,
    evidence: Annotated[
        list[Path] | None,
        typer.Option("--evidence", metavar="FILE", help="A scanner's report or the like; its digest is kept."),
    ] = None,
    approval: Annotated[
        list[Path] | None,
        typer.Option("--approval", metavar="FILE", help="A signature over the file of the held receipt; repeatable."),
    ] = None,
    allow_expired: AllowExpired = None,
    reason: Reason = "",
    policy: options.PolicyFile = None,
    state: options.StateDirectory = None,
    dry_run: options.DryRun = False,
    jobs: options.Jobs = None,
    sign_receipt: options.SignReceipt = None,
    wait_lock: options.WaitLock = 0,
    *,
    connection: options.Connection,
    terminal: Terminal,
) -> None:
    """Move the tags of what `push --hold` brought in, after scans and approvals. All of them, or none."""
    from airgap_bundle.boundary.inside import open_inside
    from airgap_bundle.boundary.lifecycle.publish import plan_publish
    from airgap_bundle.cli import inside_requests, inside_text
    from airgap_bundle.cli.requests import read_overrides

    overrides = read_overrides(None, allow_expired, reason)
    request = inside_requests.inside_request(
        "publish",
        report=terminal.report,
        policy=policy,
        state=state,
        connection=connection,
        jobs=jobs,
        locks=not dry_run,
        wait_seconds=wait_lock,
        sign_receipt=sign_receipt,
    )
    with open_inside(request, terminal.report) as inside:
        planned = plan_publish(inside, receipt, evidence=evidence or (), approvals=approval or (), overrides=overrides)
        if dry_run:
            inside_text.show_publish_plan(planned, terminal)
        else:
            inside_text.show_published(planned, planned.run(), terminal)


def _rollback(
    product: Product,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="RECEIPT",
            help="Go back to this one; none is before the first. [the one before]",
            show_default=False,
        ),
    ] = "",
    dest: OneDest = "",
    policy: options.PolicyFile = None,
    state: options.StateDirectory = None,
    dry_run: options.DryRun = False,
    jobs: options.Jobs = None,
    wait_lock: options.WaitLock = 0,
    *,
    connection: options.Connection,
    terminal: Terminal,
) -> int:
    """Let a product's tags name again what an earlier receipt says. Status 1 where a new tag could not be removed.

    What did not end, or came in partially since, is undone first. Tags that somebody else has moved since are left.
    """
    from airgap_bundle.boundary.inside import open_inside
    from airgap_bundle.boundary.lifecycle.rollback import plan_rollback
    from airgap_bundle.cli import inside_requests, inside_text

    request = inside_requests.inside_request(
        "rollback",
        report=terminal.report,
        policy=policy,
        state=state,
        connection=connection,
        jobs=jobs,
        locks=not dry_run,
        wait_seconds=wait_lock,
    )
    with open_inside(request, terminal.report) as inside:
        planned = plan_rollback(inside, product, to=to, dest=dest)
        if dry_run:
            return inside_text.show_rollback_plan(planned.plan, terminal)
        return inside_text.show_rolled_back(planned.run(), terminal)


def _promote(
    receipt: ReceiptName,
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="The registry that the receipt is of, as status names it.")
    ],
    dest: Annotated[str, typer.Argument(metavar="TO", help="Where its images go: HOST[:PORT][/PATH] or dir:PATH.")],
    allow_expired: AllowExpired = None,
    reason: Reason = "",
    policy: options.PolicyFile = None,
    state: options.StateDirectory = None,
    dry_run: options.DryRun = False,
    jobs: options.Jobs = None,
    sign_receipt: options.SignReceipt = None,
    wait_lock: options.WaitLock = 0,
    *,
    connection: options.Connection,
    terminal: Terminal,
) -> None:
    """Copy from one registry inside to another exactly what a receipt names, every byte checked on the way."""
    from airgap_bundle.boundary.destination import Destination
    from airgap_bundle.boundary.inside import open_inside
    from airgap_bundle.boundary.lifecycle.promote import plan_promote
    from airgap_bundle.cli import inside_requests, inside_text
    from airgap_bundle.cli.requests import read_overrides

    overrides = read_overrides(None, allow_expired, reason)
    request = inside_requests.inside_request(
        "promote",
        report=terminal.report,
        policy=policy,
        state=state,
        connection=connection,
        jobs=jobs,
        locks=not dry_run,
        wait_seconds=wait_lock,
        sign_receipt=sign_receipt,
    )
    places = Destination.parse(source), Destination.parse(dest)
    with open_inside(request, terminal.report) as inside:
        planned = plan_promote(inside, receipt, *places, overrides=overrides)
        if dry_run:
            inside_text.show_promote_plan(planned, terminal)
        else:
            inside_text.show_promoted(planned.run(), terminal)


def _drift(
    product: AnyProduct = "",
    dest: OneDest = "",
    deep: Annotated[bool, typer.Option("--deep", help="Read every blob and hash it.")] = False,
    policy: options.PolicyFile = None,
    state: options.StateDirectory = None,
    jobs: options.Jobs = None,
    *,
    connection: options.Connection,
    terminal: Terminal,
) -> int:
    """Ask the registries whether they still hold what the ledger says. Status 1, and a list, where they do not.

    Pushing the bundle again restores what is missing and sets the tags.
    """
    from airgap_bundle.boundary.inside import named_places, open_inside
    from airgap_bundle.boundary.lifecycle.reconcile import find_drift
    from airgap_bundle.boundary.reporting.drift_kept import keep_drift
    from airgap_bundle.cli import inside_requests, inside_text

    request = inside_requests.inside_request(
        "drift",
        report=terminal.report,
        policy=policy,
        state=state,
        connection=connection,
        jobs=jobs,
    )
    with open_inside(request, terminal.report) as inside:
        report = find_drift(inside, named_places(inside.ledger, product, dest), deep=deep)
        keep_drift(inside.state, report, at=inside.now(), deep=deep, tell=terminal.report)
    return inside_text.show_drift(report, terminal)


def _holdings(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.", show_default=False)
    ],
    product: AnyProduct = "",
    dest: OneDest = "",
    policy: options.PolicyFile = None,
    state: options.StateDirectory = None,
    jobs: options.Jobs = None,
    *,
    connection: options.Connection,
    terminal: Terminal,
) -> None:
    """Write down which blobs the registries inside hold, to be carried out: a delta is built against it."""
    from airgap_bundle.boundary.inside import named_places, open_inside
    from airgap_bundle.boundary.lifecycle import holdings
    from airgap_bundle.cli import inside_requests, inside_text

    request = inside_requests.inside_request(
        "holdings",
        report=terminal.report,
        policy=policy,
        state=state,
        connection=connection,
        jobs=jobs,
    )
    with open_inside(request, terminal.report) as inside:
        held = holdings.collect_holdings(inside, named_places(inside.ledger, product, dest))
        holdings.write_holdings(output, held, inside.now())
    inside_text.show_holdings(held, output, terminal)


def _prune(
    product: Product,
    dest: OneDest = "",
    delete: Annotated[
        str, typer.Option("--delete", metavar="PLAN", help="Carry out this plan, by its id.", show_default=False)
    ] = "",
    policy: options.PolicyFile = None,
    state: options.StateDirectory = None,
    jobs: options.Jobs = None,
    wait_lock: options.WaitLock = 0,
    *,
    connection: options.Connection,
    terminal: Terminal,
) -> int:
    """Show the anchors that no rollback needs any more; with --delete remove them. Status 1 where one stayed.

    An anchor is a tag of ours, airgap-..., that keeps an image from being cleaned away. What the last three receipts of
    a product need always stays.
    """
    from airgap_bundle.boundary.inside import open_inside
    from airgap_bundle.boundary.lifecycle.pruning import plan_prune
    from airgap_bundle.cli import inside_requests, inside_text

    request = inside_requests.inside_request(
        "prune",
        report=terminal.report,
        policy=policy,
        state=state,
        connection=connection,
        jobs=jobs,
        locks=bool(delete),
        wait_seconds=wait_lock,
    )
    with open_inside(request, terminal.report) as inside:
        planned = plan_prune(inside, product, dest=dest)
        if delete:
            return inside_text.show_pruned(planned.plan, planned.run(delete), terminal)
    return inside_text.show_prune_plan(planned.plan, terminal)


def _audit_verify(state: options.StateDirectory = None, *, terminal: Terminal) -> int:
    """Check that no record of the audit trail was changed, moved or removed. Status 1 where one was."""
    from airgap_bundle.boundary.audit import trail as audit
    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.state import StateDirectory
    from airgap_bundle.cli import import_text

    directory = StateDirectory.open(state)
    with Ledger.open(directory) as ledger:
        heads = ledger.audit_heads()
    return import_text.show_audit(audit.verify(directory.audit_path, heads), directory.audit_path, terminal)


def _audit_export(
    after: Annotated[
        int, typer.Option("--after", metavar="NUMBER", min=0, help="Only records behind this number.")
    ] = 0,
    state: options.StateDirectory = None,
    *,
    terminal: Terminal,
) -> None:
    """Write the audit trail to standard output: its own lines, or syslog messages (RFC 5424)."""
    from airgap_bundle.boundary.audit import exporting as audit_export
    from airgap_bundle.boundary.state import StateDirectory
    from airgap_bundle.cli import inside_text

    path = StateDirectory.open(state).audit_path
    is_syslog = terminal.output_format == AuditFormat.SYSLOG
    lines = audit_export.export_syslog if is_syslog else audit_export.export_lines
    inside_text.write_lines(lines(path, after=after), terminal)


_COMMANDS = (
    ("status", "airgap-import status\nairgap-import status acme --format json", _status),
    (
        "publish",
        (
            "\nairgap-import publish acme-1763800000-0123456789ab-01234567 \\\n"
            "  --evidence scan.json --approval officer.sig"
        ),
        _publish,
    ),
    (
        "rollback",
        "airgap-import rollback acme --dry-run\nairgap-import rollback acme --to acme-1763800000-0123456789ab-01234567",
        _rollback,
    ),
    (
        "promote",
        "\nairgap-import promote acme-1763800000-0123456789ab-01234567 \\\n  staging.internal registry.internal",
        _promote,
    ),
    ("drift", "airgap-import drift\nairgap-import drift acme --deep", _drift),
    ("holdings", "airgap-import holdings -o holdings.json", _holdings),
    ("prune", "airgap-import prune acme\nairgap-import prune acme --delete sha256:e3b0c44298fc1c14...", _prune),
)
