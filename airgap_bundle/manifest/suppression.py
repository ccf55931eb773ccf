"""Comments that suppress findings: `# airgap: ignore[AGM004] reason`, and `ignore-file` for the whole document.

On a line with something else the comment is about that line, alone on a line about the next one that is no comment.
Without a reason it suppresses nothing, and is a finding itself; so is one that names no code or suppresses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Finding, Place, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

CODE = "AGM024"
TITLE = "Suppression without a reason"
_COMMENT = re.compile(r"(?:^|\s)#\s*airgap:\s*(?P<kind>ignore-file|ignore)(?P<codes>\[[^\]]*\])?(?P<reason>[^\n]*)$")
# Fewer characters than this are no reason.
_SHORTEST_REASON = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppression:
    """One comment. `line` is the line that it is about, 0 for the whole file."""

    codes: frozenset[str]
    line: int
    reason: str
    place: Place

    def covers(self, finding: Finding) -> bool:
        """Whether it is about this finding."""
        here = self.line == finding.place.line and self.place.file == finding.place.file
        return finding.code in self.codes and (here or self.line == 0)


def suppressions(text: str, file: str) -> tuple[Suppression, ...]:
    """Every comment of the kind in a document."""
    return tuple(_found(text.split("\n"), file))


def apply(
    findings: Iterable[Finding], comments: Iterable[Suppression], known: Collection[str]
) -> tuple[tuple[Finding, ...], int]:
    """The findings that are left, with those about the comments themselves, and how many were suppressed.

    `known` are all codes that exist.
    """
    kept: list[Finding] = []
    used: set[Suppression] = set()
    comments = tuple(comments)
    valid = [one for one in comments if len(one.reason) >= _SHORTEST_REASON]
    suppressed = 0
    for finding in findings:
        matching = [one for one in valid if one.covers(finding)]
        used.update(matching)
        suppressed += bool(matching)
        if not matching:
            kept.append(finding)
    kept += [complaint for one in comments if (complaint := _complaint(one, known, used)) is not None]
    return tuple(sorted(kept, key=lambda one: (one.place.line, one.place.column, one.code))), suppressed


def _found(lines: list[str], file: str) -> Iterator[Suppression]:
    for number, line in enumerate(lines, 1):
        match = _COMMENT.search(line)
        if match is None:
            continue
        alone = line.lstrip().startswith("#")
        about = 0 if match["kind"] == "ignore-file" else _next(lines, number) if alone else number
        codes = frozenset(code.strip() for code in (match["codes"] or "[]")[1:-1].split(",") if code.strip())
        column = match.start() + len(match[0]) - len(match[0].lstrip()) + 1
        place = Place(file=file, line=number, column=column)
        yield Suppression(codes=codes, line=about, reason=match["reason"].strip(" :-"), place=place)


def _next(lines: list[str], number: int) -> int:
    """The next line that is neither empty nor a comment."""
    for offset, line in enumerate(lines[number:], number + 1):
        if line.strip() and not line.lstrip().startswith("#"):
            return offset
    return number


def _complaint(one: Suppression, known: Collection[str], used: set[Suppression]) -> Finding | None:
    unknown = sorted(one.codes - set(known))
    if not one.codes or unknown:
        what = f"{', '.join(unknown)[:80]} is no rule" if unknown else "no rule is named"
        message, hint = f"nothing is suppressed: {what}", "name rules: # airgap: ignore[AGM004] reason"
    elif len(one.reason) < _SHORTEST_REASON:
        message, hint = "nothing is suppressed: there is no reason", "say why, behind the brackets"
    elif one not in used:
        message, hint = f"there is no {' or '.join(sorted(one.codes))} here to suppress", "remove the comment"
    else:
        return None
    return Finding(code=CODE, severity=Severity.WARNING, message=message, place=one.place, hint=hint)
