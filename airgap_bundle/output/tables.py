"""Tables, lists of names and values, and closing lines, as plain text.

Everything takes values and knows nothing of what they mean. Text may come from outside: each cell is escaped here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.text import count_text, duration_text, size_text
from airgap_bundle.output.cells import cut_middle, folded, padded, short_digests, shown, width_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Longer than any reference (255 of the name, 128 of the tag, a digest); what is longer is made to be long.
MAX_CELL_CHARACTERS = 500
# Narrower columns tell nothing.
_MIN_COLUMN = 8
GAP = "  "


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    width: int | None = None,
    right: Sequence[int] = (),
    fold: bool = False,
) -> str:
    """Aligned columns under their headers, without a line feed at the end.

    `width` is that of the terminal: digests are then shortened, and the widest columns cut in the middle until a line
    fits. Without it (a pipe, a file) nothing is left out. `right` has the numbers of the columns that hold quantities.
    `fold` says that the last column holds sentences: they go on in further lines instead of being cut.
    """
    cells = [[_cell(text, width) for text in row] for row in (headers, *rows)]
    if any(len(row) != len(headers) for row in cells):
        raise ValueError("a row has not as many cells as there are headers")
    columns = [max(width_of(row[n]) for row in cells) for n in range(len(headers))]
    if width is not None:
        shrink_columns(columns, width - len(GAP) * (len(columns) - 1))
    lines = []
    for row in cells:
        sentence = folded(row[-1], columns[-1]) if fold else row[-1:]
        parts = (
            padded(cut_middle(text, column), column, right=n in right)
            for n, (text, column) in enumerate(zip([*row[:-1], sentence[0]], columns, strict=True))
        )
        lines.append(GAP.join(parts).rstrip())
        indent = " " * (sum(columns[:-1]) + len(GAP) * (len(columns) - 1))
        lines += [indent + rest for rest in sentence[1:]]
    return "\n".join(lines)


def pairs(items: Iterable[tuple[str, str]], *, width: int | None = None) -> str:
    """Names and values, the values aligned; without a line feed at the end.

    One pair a line, except where a value is wider than the terminal: it goes on in further lines, which are indented.
    """
    rows = [(_cell(name, None), _cell(value, width)) for name, value in items]
    column = max((width_of(name) for name, _ in rows), default=0) + 1
    room = None if width is None else max(_MIN_COLUMN, width - column - len(GAP))
    lines = []
    for name, value in rows:
        first, *rest = [value] if room is None else folded(value, room)
        lines.append(f"{padded(name + ':', column)}{GAP}{first}".rstrip())
        lines += [" " * (column + len(GAP)) + text for text in rest]
    return "\n".join(lines)


def closing_line(
    verb: str,
    name: str,
    counts: Iterable[tuple[int, str]] = (),
    *,
    size: int | None = None,
    seconds: float | None = None,
) -> str:
    """What was done, in plain words: `Wrote acme-1.0.0.tar: 8 images, 2 charts, 268.1 MB in 1.2 s`.

    `counts` are numbers with the noun for one of them; those of zero are left out. `size` is in bytes.
    """
    parts = [count_text(count, noun) for count, noun in counts if count]
    if size is not None:
        parts.append(size_text(size))
    time = "" if seconds is None else f" in {duration_text(seconds)}"
    what = shown(f"{verb} {name}".rstrip())
    return f"{what}: {', '.join(parts)}{time}" if parts else f"{what}{time}"


def _cell(text: str, width: int | None) -> str:
    escaped = shown(text, limit=MAX_CELL_CHARACTERS)
    return escaped if width is None else short_digests(escaped)


def shrink_columns(columns: list[int], room: int) -> None:
    """Take from the widest of the columns until all fit into `room` or none can give; changes `columns`."""
    while sum(columns) > room:
        widest = max(range(len(columns)), key=columns.__getitem__)
        if columns[widest] <= _MIN_COLUMN:
            return
        others = sorted(columns)[-2] if len(columns) > 1 else 0
        # Down to the next widest at once, but not further than needed.
        columns[widest] = max(_MIN_COLUMN, columns[widest] - (sum(columns) - room), min(others, columns[widest] - 1))
