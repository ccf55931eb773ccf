"""What happens and what was found, as values.

Library code tells its caller through a `Reporter`; silence is the default. How it is shown is `output`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where something stands in a text file. Lines and columns count from 1; 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """`FILE:LINE:COLUMN`, as editors and CI understand it."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One complaint about a document: a stable code, the place, what is wrong and what to do about it.

    `path` is the place inside the document (`images[2].platforms`). Text may quote the document: escape it to show it.
    """

    code: str
    severity: Severity
    message: str
    place: Place
    path: str = ""
    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseStarted:
    """A stretch of work begins. Totals are 0 where they are not known."""

    title: str
    total_bytes: int = 0
    total_items: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemStarted:
    """One thing of the phase is now in flight."""

    name: str
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class BytesMoved:
    """`count` more bytes of `name` are through; negative where a piece has to be done again."""

    name: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemFinished:
    """`name` is done; `outcome` says how (`fetched`, `present`, `mounted`, `uploaded` …)."""

    name: str
    outcome: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseFinished:
    """The stretch of work that began last is over."""

    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """A sentence for the person at the terminal that is not an error."""

    severity: Severity
    message: str


Event = PhaseStarted | ItemStarted | BytesMoved | ItemFinished | PhaseFinished | Remark
Reporter = Callable[[Event], None]


def silent(event: Event) -> None:
    """Tell nobody: the default reporter."""
