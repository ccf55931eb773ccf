"""Tables in Markdown, for comments in reviews. What stands in a cell is text: nothing becomes markup or a mention."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Characters that mean something to GitHub's or GitLab's Markdown somewhere in a line.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&-])")
# A mention, and what turns into a link by itself: a zero-width joiner would be invisible, an entity is not.
_MENTION = re.compile(r"@(?=[A-Za-z0-9])")


def text(words: str) -> str:
    """Text that stays text."""
    return _MENTION.sub("&#64;", _SPECIAL.sub(r"\\\1", printable(words)).replace("\n", " "))


def code(words: str) -> str:
    """Text in a code span, within a table too; "" stays empty."""
    if not words:
        return ""
    shown = printable(words).replace("\n", " ").replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already (`text`, `code`)."""
    lines = ["| " + " | ".join(headers) + " |", "|" + " --- |" * len(headers)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
