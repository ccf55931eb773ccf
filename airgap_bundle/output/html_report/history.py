"""The sections about time and room: imports by month, every import, and what the served directory holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.inside_report import Standing
from airgap_bundle.core.text import count_text, size_text
from airgap_bundle.output.html_report.markup import Html, code, element, joined, text
from airgap_bundle.output.html_report.parts import folded, listed, nothing, paragraph, section, table, when

if TYPE_CHECKING:
    from airgap_bundle.core.inside_report import Import, InsideReport, Month, Store, Stored

_COLOURS = {Standing.CURRENT: "good", Standing.HELD: "warn", Standing.PARTIAL: "warn", Standing.UNDONE: "bad"}
_WORDS = {
    Standing.CURRENT: "current",
    Standing.HELD: "held",
    Standing.PARTIAL: "partial",
    Standing.EARLIER: "earlier",
    Standing.UNDONE: "gone back from",
}


def history_section(report: InsideReport) -> Html:
    """Imports by month as bars, and each of them."""
    if not report.imports:
        return section("history", "Imports over time", nothing("There were none."))
    rows = [_row(one) for one in report.imports]
    count = f"{len(rows)} imports, and earlier ones" if report.has_more else count_text(len(rows), "import")
    return section(
        "history",
        "Imports over time",
        _months(report.months),
        folded(count, table("history", rows, right=(0,)), rows=len(rows)),
    )


def _months(months: tuple[Month, ...]) -> Html:
    most = max((one.imports for one in months), default=0)
    most_sent = max((one.bytes_sent for one in months), default=0)
    rows = [
        (
            one.month,
            str(one.imports),
            _bar(one.imports, most),
            size_text(one.bytes_sent),
            _bar(one.bytes_sent, most_sent),
        )
        for one in months
    ]
    return table("months", rows, right=(0, 1, 3))


def _bar(count: int, most: int) -> Html:
    """A picture of a number that stands beside it, so that whoever cannot see it misses nothing."""
    if not count:
        return text("")
    # Parts of a thousand, never so short that it looks like none.
    width = max(8, count * 1000 // most)
    rect = element("rect", width=str(width), height="10")
    return element(
        "svg", rect, viewBox="0 0 1000 10", preserveAspectRatio="none", aria_hidden="true", width="100", height="10"
    )


def _row(one: Import) -> tuple[Html | str, ...]:
    return (
        when(one.finished),
        one.product,
        one.release,
        one.destination,
        element("span", _WORDS[one.standing], class_=_COLOURS.get(one.standing, "faint")),
        listed(signature.signer for signature in one.signatures),
        one.receipt,
    )


def store_section(store: Store) -> Html:
    """What the directory that is served holds."""
    free = paragraph(
        f"{count_text(store.count, 'repository', 'repositories')}; {size_text(store.free_bytes)} are free."
    )
    if not store.repositories:
        return section("store", "In this registry", free)
    rows = [(code(one.name), _tags(one)) for one in store.repositories]
    more = store.count - len(rows)
    note = [paragraph(f"and {more} more, which the catalogue at /v2/_catalog lists", kind="faint")] if more else []
    listing = folded("Repositories and tags", joined([table("stored", rows), *note]), rows=len(rows))
    return section("store", "In this registry", free, listing)


def _tags(one: Stored) -> Html:
    more = f" and {one.tag_count - len(one.tags)} more" if one.tag_count > len(one.tags) else ""
    return joined([joined((code(tag) for tag in one.tags), ", "), text(more)])
