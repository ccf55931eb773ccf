"""Pages and guides of ours on a terminal: paragraphs and list items filled, tables aligned, code as it is.

Takes the small part of Markdown that they are written in. The text is our own; what comes from outside goes through
`output.tables`.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from airgap_bundle.output.cells import folded, padded, width_of
from airgap_bundle.output.tables import GAP, shrink_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Longer lines are hard to read.
WIDEST_PAGE = 90
_ITEM = re.compile(r"( *)(-|\d+\.) +(.*)")
_RULE = re.compile(r"\|(?=.*-)[-|: ]+\|")
_CELL = re.compile(r"(?<!\\)\|")
_FENCE = "```"


def page_for_terminal(text: str, width: int) -> str:
    """A page in so many columns, but no wider than is good to read; without a line feed at the end."""
    columns = min(width, WIDEST_PAGE)
    lines: list[str] = []
    for kind, block in _blocks(text.rstrip().splitlines()):
        if kind == "table":
            lines += _table(block, columns)
        elif kind == "text":
            lines += _filled(block, columns)
        else:
            lines += block
    return "\n".join(lines)


def _blocks(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Runs of lines of one kind: code with its fences, rows of a table, what can be filled, and all else.

    Comments, which are for whoever edits the page, are left out.
    """
    kind, block, in_code = "", list[str](), False
    for line in lines:
        if line.startswith("<!--"):
            continue
        fence = line.startswith(_FENCE)
        new = "code" if fence or in_code else "table" if line.startswith("|") else _kind_of_text(line)
        # A list item begins a block of its own.
        if new != kind or new == "plain" or (new == "text" and _ITEM.fullmatch(line)):
            if block:
                yield kind, block
            kind, block = new, []
        block.append(line)
        in_code ^= fence
    if block:
        yield kind, block


def _kind_of_text(line: str) -> str:
    return "plain" if not line.strip() or line.startswith("#") else "text"


def _filled(block: Sequence[str], columns: int) -> list[str]:
    item = _ITEM.fullmatch(block[0])
    first = f"{item[1]}{item[2]} " if item else ""
    words = " ".join(line.strip() for line in block)[len(first.strip()) :] if item else " ".join(block)
    return textwrap.wrap(
        words.strip(),
        columns,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(block: Sequence[str], columns: int) -> list[str]:
    """Aligned columns; cells that are too long go on in further lines. A header without words is left out."""
    rows = [_cells(line) for line in block if not _RULE.fullmatch(line)]
    head = [cell.upper() for cell in rows[0]]
    rows = [head, *rows[1:]] if any(head) else rows[1:]
    count = max(map(len, rows), default=0)
    rows = [[*row, *[""] * (count - len(row))] for row in rows]
    widths = [max(width_of(row[n]) for row in rows) for n in range(count)]
    shrink_columns(widths, columns - len(GAP) * (count - 1))
    lines: list[str] = []
    for row in rows:
        parts = [folded(cell, width) for cell, width in zip(row, widths, strict=True)]
        for number in range(max(map(len, parts))):
            cells = [part[number] if number < len(part) else "" for part in parts]
            lines.append(GAP.join(map(padded, cells, widths)).rstrip())
    return lines


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|").replace("\\<", "<") for cell in _CELL.split(inner)]
