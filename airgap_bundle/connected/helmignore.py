"""`.helmignore`: which files of a chart's directory do not belong into the chart.

Patterns as Helm has them: `*`, `?` and `[…]` within one component; a slash in front or in the middle ties a pattern to
the chart's root, one at its end to directories. What Helm refuses (`**`) and what nobody agrees on (`!`) is refused.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_NAME = ".helmignore"
# A line for every file of a large chart is some kilobytes.
MAX_BYTES = 64 * 1024
# What Helm leaves out whatever the file says: hidden files among the templates.
_ALWAYS = re.compile(r"templates/\.[^/]+")


def ignore_rule(text: str) -> Callable[[str, bool], bool]:
    """A function from a relative name and whether it is a directory to whether it stays behind."""
    rules = [_rule(line.strip()) for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]

    def ignores(name: str, is_directory: bool) -> bool:  # noqa: FBT001 - a function of exactly two facts
        if _ALWAYS.fullmatch(name):
            return True
        return any(pattern.fullmatch(name) and (is_directory or not only) for pattern, only in rules)

    return ignores


def _rule(line: str) -> tuple[re.Pattern[str], bool]:
    """A pattern over whole relative names, and whether it is for directories only."""
    if "**" in line or line.startswith("!"):
        raise InvalidValueError(f"the pattern {line[:80]!r} in {FILE_NAME} is not understood")
    only_directories = line.endswith("/")
    body = line.removesuffix("/")
    is_anchored = "/" in body
    translated = "/".join(_component(part) for part in body.removeprefix("/").split("/"))
    return re.compile(translated if is_anchored else f"(?:.*/)?{translated}", re.DOTALL), only_directories


def _component(part: str) -> str:
    """The pattern for one component, which never reaches over a slash."""
    pieces = re.split(r"(\*|\?|\[[^\]]*\])", part)
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(
        wild.get(piece) or (fnmatch.translate(piece)[4:-3] if piece.startswith("[") else re.escape(piece))
        for piece in pieces
    )
