"""Text from outside, made safe to show, and quantities as people read them.

Names come from manifests, registries and bundles; on a terminal they could move the cursor, forge a line of a log or
turn the reading direction. Whoever prints passes them through `printable` first.
"""

from __future__ import annotations

import re
import unicodedata

from airgap_bundle.core.errors import InvalidValueError

# Zl, Zp: line and paragraph separators. Cf: bidirectional marks and invisible joiners. Cs: lone surrogates.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([A-Za-z]{0,3})")


def printable(text: str, *, keep: str = "") -> str:
    """The same text with every character that could act instead of being read written as an escape.

    `keep` names characters that stay as they are, such as a line feed in text of our own.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in keep or unicodedata.category(char) not in _UNSAFE_CATEGORIES else _escape(char) for char in text
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def size_text(count: int) -> str:
    """A number of bytes in decimal units, as media and disks are sold: `724.1 MB`."""
    if count < 1000:  # noqa: PLR2004 - the first unit has no fraction
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.95:  # noqa: PLR2004 - would be shown as 1000.0
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} PB"


def parse_size(text: str) -> int:
    """Bytes from `4GB`, `700 MB`, `1.5GiB` or a bare number; MB and GB are decimal. `InvalidValueError` otherwise."""
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise InvalidValueError(f"not a size: {text[:40]!r}; write 4GB, 700MB, 1.5GiB or a number of bytes")
    whole, _, fraction = match[1].partition(".")
    return int(whole) * unit + int(fraction.ljust(3, "0")) * unit // 1000


def duration_text(seconds: float) -> str:
    """A length of time, short: `0.4 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 59.95:  # noqa: PLR2004 - would be shown as 60.0
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def count_text(count: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 image`, `3 images`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
