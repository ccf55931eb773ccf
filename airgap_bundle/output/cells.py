"""Text from outside, fitted to the columns of a terminal.

Everything here takes hostile text and answers with text that only ever is read: escaped by `core.text.printable`, and
never longer than asked. Widths are columns of a terminal, where East Asian characters take two.
"""

from __future__ import annotations

import re
import unicodedata

from airgap_bundle.core.text import printable

# A sentence of ours with a quoted name has some 300 characters; a name of a megabyte must not bury the terminal.
MAX_SHOWN_CHARACTERS = 2000
# Characters of a digest that people compare at a glance: as many as git shows, and some of the end.
_DIGEST_HEAD, _DIGEST_TAIL = 12, 4
_DIGEST = re.compile(r"\b(sha256|sha512):([0-9a-f]{64,128})\b")
ELLIPSIS = "…"


def shown(text: str, *, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    """One line that is safe to show: escaped, and cut behind `limit` characters with a note of how many are missing."""
    if len(text) <= limit:
        return printable(text)
    return f"{printable(text[:limit])}{ELLIPSIS} ({len(text) - limit} more characters)"


def width_of(text: str) -> int:
    """Columns that escaped text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def cut_end(text: str, width: int) -> str:
    """Escaped text, at most `width` columns, with an ellipsis where the end is missing."""
    if width_of(text) <= width:
        return text
    return _head(text, width - 1) + ELLIPSIS if width > 0 else ""


def cut_middle(text: str, width: int) -> str:
    """Escaped text, at most `width` columns, with an ellipsis where the middle is missing.

    Both ends of a reference tell something: the host in front, the tag or the digest behind.
    """
    if width_of(text) <= width:
        return text
    if width <= 1:
        return ELLIPSIS[:width]
    tail = _head(text[::-1], (width - 1) // 2)[::-1]
    return _head(text, width - 1 - width_of(tail)) + ELLIPSIS + tail


def folded(text: str, width: int) -> list[str]:
    """Escaped text as lines of at most `width` columns, broken at spaces, and within words that are longer than a line.

    For sentences, of which every character counts. At least one line, empty for empty text.
    """
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if width_of(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        rest = word
        while width_of(rest) > width and (piece := _head(rest, width)):
            lines[-1] = piece
            lines.append("")
            rest = rest[len(piece) :]
        lines[-1] = rest
    return lines


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Escaped text with spaces up to `width` columns; `right` puts them in front."""
    spaces = " " * max(0, width - width_of(text))
    return spaces + text if right else text + spaces


def short_digests(text: str) -> str:
    """The same text with each digest shortened in the middle. For people only, never for a pipe."""
    return _DIGEST.sub(lambda match: f"{match[1]}:{match[2][:_DIGEST_HEAD]}{ELLIPSIS}{match[2][-_DIGEST_TAIL:]}", text)


def _head(text: str, width: int) -> str:
    taken, columns = 0, 0
    for char in text:
        columns += _char_width(char)
        if columns > width:
            break
        taken += 1
    return text[:taken]


def _char_width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
