"""The section about what is here: each product at each destination, who signed it, where it came from, what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.inside_report import Standing
from airgap_bundle.core.text import count_text, size_text
from airgap_bundle.output.html_report.markup import Html, code, element, foreign, joined, text
from airgap_bundle.output.html_report.parts import facts, folded, listed, nothing, paragraph, section, table, when

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airgap_bundle.core.inside_report import Change, Import, InsideReport, Item, Place, Unfinished

# All lists of items together: a browser on a phone lays out so many rows in a second. `--format json` has all.
MAX_ITEM_ROWS = 10_000
_MAX_CHANGES = 500
_DIGEST_CHARACTERS = 71


def places_section(report: InsideReport) -> Html:
    """What is here."""
    if not report.places:
        words = "Nothing has been imported yet." if report.trail is not None else "No state directory was found here."
        return section("here", "What is here", nothing(words))
    rows = [
        (
            foreign(place.product),
            foreign(place.current.release) if place.current else "nothing",
            code(place.destination),
            when(_since(place.current)) if place.current else "",
            listed(one.signer for one in place.current.signatures) if place.current else "",
        )
        for place in report.places
    ]
    left = MAX_ITEM_ROWS
    cards: list[Html] = []
    for place in report.places:
        cards.append(_card(place, left))
        left = max(0, left - len(place.items))
    unfinished = [_unfinished(one) for one in report.unfinished]
    return section("here", "What is here", table("here", rows), *unfinished, *cards)


def _card(place: Place, room: int) -> Html:
    title = element("h3", foreign(place.product), " in ", code(place.destination))
    parts: list[Html] = []
    if place.current is None:
        parts.append(nothing("Nothing of it is in effect: everything was undone."))
    else:
        parts.append(facts(_facts(place.current, place)))
        if place.items:
            parts.append(_items(place.items, room))
        if place.change is not None:
            parts.append(_change(place.change))
    for one in place.waiting:
        is_held = one.standing is Standing.HELD
        words = " is held: everything is there, and its tags wait for publish." if is_held else " came in partially."
        parts += [paragraph(element("strong", foreign(one.release), words), kind="warn"), facts(_facts(one))]
    return element("article", title, *parts, class_="card")


def _facts(one: Import, place: Place | None = None) -> Iterator[tuple[str, Html | str]]:
    yield "release", foreign(one.release)
    yield "imported", when(one.finished)
    if one.published is not None:
        by = joined([text(", approved by "), listed(one.approvals)]) if one.approvals else text("")
        yield "published", joined([when(one.published), by])
    if one.promoted_from:
        yield "promoted from", code(one.promoted_from)
    yield "bundle made", when(one.created)
    if one.expires is not None:
        yield "bundle expires", when(one.expires)
    yield "signed by", joined([_signature(one)])
    if place is not None and place.hosts:
        hosts = [joined([foreign(host), text(f" ({count})")]) for host, count in place.hosts]
        yield "came from", joined(hosts, ", ")
    size = f", {size_text(one.bytes)} of layers and files" if one.bytes else ""
    yield "holds", f"{count_text(one.items, 'item')}{size}"
    for option, reason in one.overrides:
        yield "set aside", joined([code(option), text(": "), foreign(reason)])
    yield "policy", f"version {one.policy_version}"
    yield "bundle", code(one.bundle)
    yield "receipt", code(one.receipt)


def _signature(one: Import) -> Html:
    """Who, as what, and with which key; nobody is said too."""
    signed = [
        joined(
            [foreign(by.signer), text(f" as {', '.join(by.roles) or 'nothing'} ({by.method} "), code(by.key), text(")")]
        )
        for by in one.signatures
    ]
    return joined(signed, "; ") if signed else text("nobody")


def _items(items: tuple[Item, ...], room: int) -> Html:
    # A cell is a paragraph of its own: its direction of reading ends there without an element for it.
    rows = [
        (
            one.kind,
            one.source,
            "" if _same_name(one) else f"{one.path}:{one.tag}" if one.tag else one.path,
            one.digest,
        )
        for one in items[:room]
    ]
    more = len(items) - len(rows)
    note = [paragraph(f"and {more} more, which report --format json lists", kind="faint")] if more else []
    return folded(count_text(len(items), "item"), joined([table("items", rows), *note]), rows=len(items))


def _same_name(one: Item) -> bool:
    return one.source == (f"{one.path}:{one.tag}" if one.tag else one.path)


def _change(change: Change) -> Html:
    rows = [
        (foreign(one.path), _named(one.before, "not there"), _named(one.after, "gone"))
        for one in change.changed[:_MAX_CHANGES]
    ]
    more = len(change.changed) - len(rows)
    summary = joined(
        [
            text(f"{count_text(len(change.changed), 'change')} since "),
            foreign(change.before.release),
            text(f" ({change.before.finished:%Y-%m-%d}), {change.same} the same"),
        ]
    )
    parts = [table("changes", rows)] if rows else []
    if more:
        parts.append(paragraph(f"and {more} more, which report --format json lists", kind="faint"))
    parts += [_other_signers(change)]
    return folded(summary, joined(parts), rows=len(rows))


def _named(name: str, without: str) -> Html:
    if not name:
        return element("span", without, class_="faint")
    # A digest is told apart at a glance by its front.
    return code(f"{name[:19]}…" if len(name) == _DIGEST_CHARACTERS and name.startswith("sha256:") else name)


def _other_signers(change: Change) -> Html:
    before = {one.signer for one in change.before.signatures}
    after = {one.signer for one in change.after.signatures}
    if before == after:
        return text("")
    return paragraph("Signed by ", listed(sorted(after)), "; before by ", listed(sorted(before)), ".", kind="warn")


def _unfinished(one: Unfinished) -> Html:
    tags = f"; up to {count_text(one.tags, 'tag')} may have moved" if one.tags else ""
    state = f"at work is {one.worker}" if one.worker else f"it was stopped or killed{tags}"
    words: list[Html | str] = [
        f"A {one.kind} of ",
        foreign(one.product),
        " to ",
        code(one.destination),
        " began ",
        when(one.started),
    ]
    return element("div", paragraph(*words, " and has not ended: ", state, "."), class_="notice bad")


def _since(one: Import) -> datetime:
    return one.published or one.finished
