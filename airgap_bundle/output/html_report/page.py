"""The whole page: one HTML document that says in order what is here, what changed, what to watch, and what was.

The order is the reading order of a text browser: what needs attention comes first. The policy of the document forbids
it to load, run or send anything, so that a mistake in escaping would still do no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.output.html_report.attention import attention
from airgap_bundle.output.html_report.history import history_section, store_section
from airgap_bundle.output.html_report.markup import Html, element, joined
from airgap_bundle.output.html_report.parts import CODE_COLUMNS, TABLES, paragraph, when
from airgap_bundle.output.html_report.places import places_section
from airgap_bundle.output.html_report.style import style_sheet
from airgap_bundle.output.html_report.watching import drift_section, endings_section, logins_section, trail_section

if TYPE_CHECKING:
    from airgap_bundle.core.inside_report import InsideReport

# Nothing is fetched, run, framed or submitted; the style stands in the page.
CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_TITLE = "What is inside"
_SECTIONS = {
    "here": "What is here",
    "drift": "What has drifted",
    "ends": "What expires",
    "refused": "What was refused",
    "history": "Imports over time",
    "logins": "Logins",
    "store": "In this registry",
}


def render_page(report: InsideReport) -> str:
    """The document; the same report gives the same text."""
    sections = {"here": places_section(report)}
    if report.trail is not None:
        sections |= {
            "drift": drift_section(report),
            "ends": endings_section(report),
            "refused": trail_section(report.trail),
            "history": history_section(report),
        }
    if report.logins:
        sections["logins"] = logins_section(report)
    if report.store is not None:
        sections["store"] = store_section(report.store)
    links = (element("li", element("a", _SECTIONS[name], href=f"#{name}")) for name in sections)
    body = element(
        "body",
        element(
            "header",
            element("h1", _TITLE),
            paragraph("As of ", when(report.made), " UTC, as are all times here.", kind="faint"),
            attention(report),
            element("nav", element("ul", joined(links)), aria_label="Sections"),
        ),
        element("main", joined(sections.values())),
        element("footer", paragraph("Made by ", report.tool, ". This page loads nothing and asks nobody.")),
    )
    return "<!doctype html>\n" + element("html", _head(), body, lang="en").text + "\n"


def _head() -> Html:
    meta = (
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=CONTENT_POLICY),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", _TITLE),
    )
    # Own words only, and `<` in none of them: a style sheet is no text that could be escaped.
    style = Html(f"<style>{style_sheet(TABLES, CODE_COLUMNS)}</style>")
    return element("head", *meta, style)
