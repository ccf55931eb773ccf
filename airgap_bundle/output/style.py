"""Whether a stream gets colour and movement, and the few colours there are.

Every line is understandable without colour. NO_COLOR and FORCE_COLOR (when not empty) as https://no-color.org and
https://force-color.org say; `TERM=dumb` and a stream that is no terminal get neither.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping


class Style(Enum):
    """What a piece of text is; the value is the SGR parameter of a terminal."""

    ERROR = "1;31"
    WARNING = "1;33"
    NOTE = "1;36"
    STRONG = "1"
    CARET = "1;32"


def styled(text: str, style: Style, *, colour: bool) -> str:
    """Escaped text between the codes that turn a style on and off again; the text alone without colour."""
    return f"\x1b[{style.value}m{text}\x1b[0m" if colour and text else text


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether people will see colour on `stream`."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return _is_terminal(stream) and environment.get("TERM") != "dumb"


def can_redraw(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether lines on `stream` can be drawn again in place: a terminal that can, and nobody's log."""
    in_ci = environment.get("CI", "").lower() not in {"", "0", "false"}
    return _is_terminal(stream) and environment.get("TERM") not in {"dumb", "unknown"} and not in_ci


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False
