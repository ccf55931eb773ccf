"""What the sections of the page are built from: tables, lists of facts, moments, folded lists."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airgap_bundle.core.moments import moment_text
from airgap_bundle.core.text import count_text
from airgap_bundle.output.html_report.markup import Html, element, joined, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

# The headers of each kind of table: the style sheet says them again on a narrow screen.
TABLES = {
    "here": ("Product", "Release", "Where", "Since", "Signed by"),
    "items": ("Kind", "Name", "Inside as", "Digest"),
    "changes": ("Name", "Before", "Now"),
    "endings": ("What", "Which", "When", ""),
    "refusals": ("When", "What", "Product", "Where", "Why"),
    "drifted": ("Repository", "What", "Which", "Expected", "Found"),
    "months": ("Month", "Imports", "", "Sent", ""),
    "history": ("Ended", "Product", "Release", "Where", "Standing", "Signed by", "Receipt"),
    "logins": ("Name", "State", "May", "Until", "Last used"),
    "stored": ("Repository", "Tags"),
}
# Columns of long tables that hold names to be compared, and nothing else: an element less in thousands of cells.
CODE_COLUMNS = {"items": (3, 4), "history": (4, 7)}
# A list so long is folded away; a shorter one is read, and printed.
_OPEN_ROWS = 12
_DAY = timedelta(days=1)


def table(kind: str, rows: Iterable[Sequence[Html | str]], *, right: Sequence[int] = ()) -> Html:
    """A table of one of the kinds; `right` are columns that hold quantities and moments, which do not wrap."""
    head = element("tr", *(element("th", header, scope="col") for header in TABLES[kind]))
    body = (
        element("tr", *(element("td", cell, class_="number" if n in right else False) for n, cell in enumerate(row)))
        for row in rows
    )
    return element("table", element("thead", head), element("tbody", joined(body)), class_=kind)


def facts(pairs: Iterable[tuple[str, Html | str]]) -> Html:
    """Names and what is said of them."""
    return element("dl", *(part for name, value in pairs for part in (element("dt", name), element("dd", value))))


def folded(summary: Html | str, content: Html, *, rows: int) -> Html:
    """Something to open; open already where it is short."""
    return element("details", element("summary", summary), content, open=rows <= _OPEN_ROWS)


def section(name: str, title: str, *content: Html) -> Html:
    """A section that the list at the top leads to."""
    return element("section", element("h2", title), *content, id=name)


def paragraph(*words: Html | str, kind: str = "") -> Html:
    """A paragraph; `kind` is good, warn, bad or faint."""
    return element("p", *words, class_=kind or False)


def when(moment: datetime) -> Html:
    """A moment, to the minute, UTC."""
    return element("time", f"{moment:%Y-%m-%d %H:%M}", datetime=moment_text(moment.replace(microsecond=0)))


def distance(moment: datetime, now: datetime) -> str:
    """How far away it is, in words: `in 12 days`, `3 days ago`, `today`."""
    days = abs(moment - now) // _DAY
    if not days:
        return "today" if moment.date() == now.date() else "within a day" if moment > now else "a day ago"
    words = count_text(days, "day")
    return f"in {words}" if moment > now else f"{words} ago"


def listed(words: Iterable[str]) -> Html:
    """Texts of others behind commas, each with its own direction of reading."""
    return joined((element("bdi", word) for word in words), ", ")


def nothing(words: str) -> Html:
    """That there is nothing to say, said."""
    return element("p", text(words), class_="faint")
