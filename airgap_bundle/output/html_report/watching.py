"""The sections about what has to be watched: what drifted, what ends, what was refused, who has a login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.inside_report import SOON
from airgap_bundle.core.text import count_text
from airgap_bundle.output.html_report.attention import ENDING_WORDS
from airgap_bundle.output.html_report.markup import Html, code, element, foreign, joined, text
from airgap_bundle.output.html_report.parts import (
    distance,
    facts,
    folded,
    listed,
    nothing,
    paragraph,
    section,
    table,
    when,
)

if TYPE_CHECKING:
    from airgap_bundle.core.inside_report import DriftCheck, Ending, InsideReport, Trail

_DIGEST_CHARACTERS = 71
_MAX_ENDINGS = 200


def drift_section(report: InsideReport) -> Html:
    """What the last drift of each destination found."""
    if not report.drift:
        words = "Never looked at: airgap-import drift asks the registries, and what it finds is shown here."
        return section("drift", "What has drifted", nothing(words))
    return section("drift", "What has drifted", *(_check(one) for one in report.drift))


def _check(check: DriftCheck) -> Html:
    how = "every blob read and hashed" if check.deep else "asked, not read"
    asked: list[Html | str] = [
        "Looked at ",
        code(check.destination),
        " on ",
        when(check.at),
        f" ({how}), for ",
        listed(check.products),
    ]
    if not check.count:
        return paragraph(*asked, ": ", element("span", "nothing drifted", class_="good"), ".")
    rows = [
        (code(one.repository), one.kind, _short(one.name), _short(one.expected), _found(one.found))
        for one in check.found
    ]
    more = check.count - len(rows)
    note = [paragraph(f"and {more} more, which drift lists", kind="faint")] if more > 0 else []
    words = paragraph(*asked, ": ", element("strong", count_text(check.count, "thing"), " drifted", class_="bad"), ".")
    return joined([words, folded("What it is", joined([table("drifted", rows), *note]), rows=len(rows))])


def _found(found: str | None) -> Html:
    if not found:
        return element("span", "gone" if found is None else "damaged", class_="bad")
    return _short(found)


def _short(name: str) -> Html:
    return code(f"{name[:19]}…" if len(name) == _DIGEST_CHARACTERS and name.startswith("sha256:") else name)


def endings_section(report: InsideReport) -> Html:
    """What ends, the first first."""
    notes = []
    if report.policy_version is None:
        notes.append(nothing("No policy was given, so nothing is said about signers and the age of bundles."))
    if not report.endings:
        notes.append(nothing("Nothing that is known here has an end."))
        return section("ends", "What expires", *notes)
    rows = [_ending_row(one, report) for one in report.endings[:_MAX_ENDINGS]]
    more = len(report.endings) - len(rows)
    rest = [paragraph(f"and {more} more, which report --format json lists", kind="faint")] if more else []
    return section("ends", "What expires", *notes, table("endings", rows, right=(2,)), *rest)


def _ending_row(one: Ending, report: InsideReport) -> tuple[Html | str, ...]:
    kind = "bad" if one.at <= report.made else "warn" if one.at <= report.made + SOON else ""
    what, before, afterwards = ENDING_WORDS[one.what]
    words = f"{afterwards if one.at <= report.made else before} {distance(one.at, report.made)}"
    name = joined([foreign(one.name), text(" in "), code(one.destination)]) if one.destination else foreign(one.name)
    return (what, name, when(one.at), element("span", words, class_=kind or False))


def trail_section(trail: Trail | None) -> Html:
    """What was refused, and whether the trail that says so is whole."""
    if trail is None:
        return section("refused", "What was refused", nothing("There is no audit trail here."))
    if trail.refusals:
        rows = [
            (
                when(one.at),
                one.event,
                foreign(one.product),
                code(one.destination) if one.destination else "",
                joined([code(one.code), text(" "), foreign(one.reason)]),
            )
            for one in trail.refusals
        ]
        counts = [count_text(trail.refused, "refusal"), f"{trail.stopped} stopped"]
        newest = f", the newest {len(rows)}" if trail.refused + trail.stopped > len(rows) else ""
        listing = folded(", ".join(counts) + newest, table("refusals", rows, right=(0,)), rows=len(rows))
    else:
        listing = nothing("Nothing was refused, and nothing stopped.")
    tokens = (
        [paragraph(f"Requests with tokens that were refused: {trail.tokens_refused}.")] if trail.tokens_refused else []
    )
    return section("refused", "What was refused", listing, *tokens, _audit(trail))


def _audit(trail: Trail) -> Html:
    state = element("span", "whole", class_="good")
    if trail.problems:
        problems = [element("li", foreign(problem)) for problem in trail.problems]
        state = joined([element("strong", "not whole", class_="bad"), element("ul", joined(problems))])
    known: list[tuple[str, Html | str]] = [("records", str(trail.records)), ("state", state)]
    if trail.last is not None:
        known.append(("last record", when(trail.last)))
    return joined([element("h3", "The audit trail", id="audit"), facts(known)])


def logins_section(report: InsideReport) -> Html:
    """Who can ask the embedded registry for tokens."""
    colours = {"active": "good", "revoked": "bad", "ended": "warn"}
    rows = [
        (
            code(one.name),
            element("span", one.state, class_=colours.get(one.state, "faint")),
            joined((code(scope) for scope in one.scopes), ", "),
            when(one.until),
            when(one.last_used) if one.last_used is not None else "never",
        )
        for one in report.logins
    ]
    return section("logins", "Logins", folded(count_text(len(rows), "login"), table("logins", rows), rows=len(rows)))
