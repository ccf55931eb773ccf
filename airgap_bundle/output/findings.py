"""Findings as text: the place, the sentence, the line of the document with a caret under it, and the hint.

acme.yaml:7:5: error AGM001: the key 'imges' is not known
  7 | imges:
    | ^
  hint: did you mean 'images'?
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Finding, Severity
from airgap_bundle.core.text import count_text, printable
from airgap_bundle.output.cells import ELLIPSIS, cut_end, shown, width_of
from airgap_bundle.output.style import Style, styled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airgap_bundle.core.report import Place

SEVERITY_STYLES = {Severity.ERROR: Style.ERROR, Severity.WARNING: Style.WARNING, Severity.NOTE: Style.NOTE}
# What is shown of a source line: the width of a terminal, less the number in front of it.
_SOURCE_COLUMNS = 72
# Characters before the caret that are kept when a line is too long.
_BEFORE_CARET = 30


def render_findings(
    findings: Sequence[Finding], source_line: Callable[[Place], str | None], *, colour: bool = False
) -> str:
    """All findings in the order given, and a closing line with their number; without a line feed at the end."""
    blocks = [render_finding(finding, source_line(finding.place), colour=colour) for finding in findings]
    return "\n".join((*blocks, tally(findings)))


def render_finding(finding: Finding, line: str | None = None, *, colour: bool = False) -> str:
    """One finding; `line` is the text of the line that its place names."""
    severity = styled(finding.severity.value, SEVERITY_STYLES[finding.severity], colour=colour)
    place = styled(shown(str(finding.place)), Style.STRONG, colour=colour)
    lines = [f"{place}: {severity} {shown(finding.code)}: {shown(finding.message)}"]
    if line is not None and finding.place.line:
        lines += _excerpt(line, finding.place, colour=colour)
    if finding.hint:
        lines.append(f"  hint: {shown(finding.hint)}")
    return "\n".join(lines)


def tally(findings: Iterable[Finding]) -> str:
    """How many of each: `2 errors, 1 warning`, or `nothing found`."""
    counts = dict.fromkeys(Severity, 0)
    for finding in findings:
        counts[finding.severity] += 1
    return ", ".join(count_text(n, severity.value) for severity, n in counts.items() if n) or "nothing found"


def _excerpt(line: str, place: Place, *, colour: bool) -> list[str]:
    """The source line and the caret under its column, around the column where the line is long."""
    # A tab is one column in the document and has no fixed width on a terminal.
    flat = line.rstrip("\r\n").replace("\t", " ")
    caret = max(place.column, 1) - 1
    start = max(0, caret - _BEFORE_CARET) if len(flat) > _SOURCE_COLUMNS else 0
    lead = ELLIPSIS if start else ""
    text = cut_end(lead + printable(flat[start : start + _SOURCE_COLUMNS]), _SOURCE_COLUMNS)
    if start + _SOURCE_COLUMNS < len(flat) and not text.endswith(ELLIPSIS):
        text += ELLIPSIS
    number = str(place.line)
    excerpt = [f"  {number} | {text}".rstrip()]
    offset = width_of(lead + printable(flat[start:caret]))
    if place.column and offset <= width_of(text):
        excerpt.append(f"  {' ' * len(number)} | {' ' * offset}{styled('^', Style.CARET, colour=colour)}")
    return excerpt
