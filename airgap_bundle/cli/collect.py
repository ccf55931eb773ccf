"""`airgap-import collect`: sets free what nothing needs any more in the storage of the embedded registry."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airgap_bundle.cli import frame, options
from airgap_bundle.cli.program import Program
from airgap_bundle.core.text import count_text, size_text
from airgap_bundle.output.terminal import Terminal

if TYPE_CHECKING:
    from airgap_bundle.boundary.lifecycle.collecting import Collecting
    from airgap_bundle.registry.collection import Collection

_GRACE_HOURS = 24.0
_FINDINGS_STATUS = 1


def add_collect(app: Program) -> None:
    """Add `collect` to the program."""
    frame.command(
        app,
        "collect",
        examples="""
        airgap-import collect /srv/registry --dry-run
        airgap-import collect /srv/registry
        """,
    )(collect)


def collect(
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="The directory of serve, or dir:PATH.", show_default=False)
    ],
    grace: Annotated[
        float,
        typer.Option("--grace", metavar="HOURS", min=1, help="What came or was asked for since then stays."),
    ] = _GRACE_HOURS,
    state: options.StateDirectory = None,
    dry_run: options.DryRun = False,
    *,
    terminal: Terminal,
) -> int:
    """Remove what neither a tag nor a receipt needs from the embedded registry's directory.

    The registry may be served and pushed to meanwhile. Tags are never removed (prune removes old anchors); what the
    last three receipts of a product need stays in any case: those in DIR, and those of the ledger where this machine
    has one. Status 1 where a repository is damaged and was left alone.
    """
    from airgap_bundle.boundary.ledger.existing import existing_ledger
    from airgap_bundle.boundary.lifecycle.collecting import plan_collecting

    place = Path(directory.removeprefix("dir:"))
    with existing_ledger(state, terminal.report) as ledger:
        planned = plan_collecting(place, grace_seconds=grace * 3600, ledger=ledger)
    return _show(planned, planned.plan if dry_run else planned.run(), terminal, is_plan=dry_run)


def _show(collecting: "Collecting", result: "Collection", terminal: Terminal, *, is_plan: bool) -> int:
    """What would go, or has gone."""
    status = _FINDINGS_STATUS if result.damaged else 0
    if terminal.json:
        terminal.emit(
            {"version": 1, "directory": str(collecting.directory), "dryRun": is_plan, "ledger": collecting.has_ledger}
            | _record(result)
        )
        return status
    for waste in result.repositories:
        parts = [count_text(len(waste.manifests), "manifest"), count_text(len(waste.blobs), "blob")]
        terminal.show(f"{waste.repository}: {', '.join(parts)}")
    for repository in result.damaged:
        terminal.warn(f"{repository} holds a manifest that cannot be read; nothing of it was touched")
    verb = "Would set free" if is_plan else "Set free"
    kept = f"; {count_text(collecting.receipts, 'receipt')} kept what they need" if collecting.receipts else ""
    if not collecting.has_ledger:
        kept += "; no ledger was at hand (--state)"
    terminal.show(
        f"{verb} {size_text(result.total_bytes)} in {collecting.directory}:"
        f" {count_text(len(result.contents), 'file')} of content{kept}"
    )
    return status


def _record(result: "Collection") -> dict[str, Any]:
    return {
        "bytes": result.total_bytes,
        "contents": list(result.contents),
        "repositories": [
            {"repository": waste.repository, "manifests": list(waste.manifests), "blobs": list(waste.blobs)}
            for waste in result.repositories
        ],
        "damaged": list(result.damaged),
    }
