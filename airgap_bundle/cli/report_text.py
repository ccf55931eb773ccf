"""What `report` says, and the texts that it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.text import count_text
from airgap_bundle.output import inside_record, prometheus
from airgap_bundle.output.html_report.page import render_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.core.inside_report import InsideReport
    from airgap_bundle.output.terminal import Terminal

_FINDINGS_STATUS = 1


def page(report: InsideReport) -> str:
    """The page."""
    return render_page(report)


def metrics(report: InsideReport) -> str:
    """The metrics."""
    return prometheus.render_metrics(report)


def show_report(report: InsideReport, written: Sequence[Path | None], drifted: int, terminal: Terminal) -> int:
    """What was written, and what cannot wait until somebody reads it; the exit status."""
    for problem in report.problems:
        terminal.warn(problem)
    is_whole = report.trail is None or not report.trail.problems
    if not is_whole:
        terminal.warn("the audit trail is not whole; airgap-import audit verify says where")
    if drifted:
        terminal.warn(f"{count_text(drifted, 'thing')} drifted; the report names them")
    if terminal.json:
        terminal.emit(inside_record.inside_record(report))
    else:
        places = sum(1 for place in report.places if place.current is not None)
        items = sum(place.current.items for place in report.places if place.current is not None)
        what = f"{count_text(places, 'product')} in effect with {count_text(items, 'item')}"
        for path in filter(None, written):
            terminal.show(f"Wrote {path}: {what}")
    return 0 if is_whole and not drifted else _FINDINGS_STATUS
