"""What somebody has to look at, in sentences: the first thing that the page says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.inside_report import SOON, Ends, Standing
from airgap_bundle.core.text import count_text
from airgap_bundle.output.html_report.markup import Html, element, foreign, joined, text
from airgap_bundle.output.html_report.parts import distance, paragraph, when

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.core.inside_report import Ending, InsideReport

# What ends is called, and what is said of it before and afterwards.
ENDING_WORDS = {
    Ends.SIGNER: ("Signer", "ends", "ended"),
    Ends.KEY: ("Signing key of", "expires", "expired"),
    Ends.BUNDLE: ("Bundle", "expires", "expired"),
    Ends.AGE: ("Bundle", "gets too old for the policy", "got too old for the policy"),
    Ends.LOGIN: ("Login", "ends", "ended"),
}
# So many lines are read; the sections have the rest.
_MAX_LINES = 12


def attention(report: InsideReport) -> Html:
    """A notice with a line for each thing, or one that says that there is none."""
    bad, warnings = [*_bad(report)], [*_warnings(report)]
    if not bad and not warnings:
        return element("div", paragraph("Nothing needs attention.", *_unasked(report)), class_="notice")
    lines = [element("li", element("strong", "Look now: ", class_="bad"), one) for one in bad]
    lines += [element("li", element("strong", "Note: ", class_="warn"), one) for one in warnings]
    if len(lines) > _MAX_LINES:
        lines[_MAX_LINES:] = [element("li", f"and {len(lines) - _MAX_LINES} more, in the sections below")]
    notes = [paragraph(*_unasked(report), kind="faint")] if _unasked(report) else []
    return element("div", element("ul", joined(lines)), *notes, class_="notice bad" if bad else "notice warn")


def _bad(report: InsideReport) -> Iterator[Html]:
    for problem in report.problems:
        yield text(problem)
    if report.trail is not None and report.trail.problems:
        yield _link("audit", "the audit trail is not whole: it was changed, cut or written anew")
    for check in report.drift:
        if check.count:
            things = count_text(check.count, "thing")
            yield _sentence("drift", f"{things} drifted in ", check.destination, f" ({check.at:%Y-%m-%d})")
    for one in report.unfinished:
        if not one.worker:
            yield _sentence("here", f"a {one.kind} began and did not end: ", one.product, f" ({one.started:%Y-%m-%d})")


def _warnings(report: InsideReport) -> Iterator[Html]:
    for place in report.places:
        for one in place.waiting:
            words = " is held: it waits for publish" if one.standing is Standing.HELD else " came in only partially"
            yield _sentence("here", "", f"{one.product} {one.release}", words)
    for ending in report.endings:
        if ending.at <= report.made + SOON and (ending.what is not Ends.LOGIN or ending.at > report.made):
            yield _ending(ending, report)
    for one in report.imports:
        if one.standing is Standing.CURRENT and one.overrides:
            options = ", ".join(option for option, _ in one.overrides)
            yield _sentence("here", f"checks were set aside ({options}) for ", f"{one.product} {one.release}", "")


def _ending(one: Ending, report: InsideReport) -> Html:
    what, before, afterwards = ENDING_WORDS[one.what]
    words = f" {afterwards if one.at <= report.made else before} {distance(one.at, report.made)}"
    return _sentence("ends", f"{what.lower()} ", one.name, words)


def _unasked(report: InsideReport) -> list[Html | str]:
    """What this page cannot know."""
    if not report.places:
        return []
    if not report.drift:
        return [" No registry was ever asked whether it still holds all of it: that is what drift does."]
    return [" Registries were last asked on ", when(min(check.at for check in report.drift)), "."]


def _sentence(section: str, before: str, name: str, after: str) -> Html:
    return joined([text(before), foreign(name), text(after), text(": "), element("a", "see", href=f"#{section}")])


def _link(section: str, words: str) -> Html:
    return joined([text(words), text(": "), element("a", "see", href=f"#{section}")])
