"""HTML that cannot be broken by what stands in it: text becomes markup in one place, which escapes it.

An element is made of its name, children and attributes. A child that is text is escaped; only what was made here is
markup. Elements and attributes come from lists that have nothing which loads, runs or leaves the page: no `src`, no
`style`, no `on…`, and an `href` is a section of the same page.

Specification: the HTML standard, sections 13.1.2 (elements, void elements) and 13.3 (escaping a string).
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.output.cells import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

# A reference in full has some 300 characters; more is made to be long. JSON has all of it.
MAX_TEXT_CHARACTERS = 400
# Letters of living languages carry at most so many marks; a pile of them covers the lines above and below.
_MAX_MARKS = 2
_VOID = frozenset({"meta", "rect", "br"})
_ELEMENTS = _VOID | {
    *("html", "head", "title", "body", "header", "nav", "main", "section", "article", "footer", "h1", "h2", "h3"),
    *("p", "ul", "li", "dl", "dt", "dd", "div", "span", "strong", "code", "bdi", "time", "a", "details", "summary"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "svg"),
}
_ATTRIBUTES = frozenset(
    {
        *("aria-hidden", "aria-label", "charset", "class", "content", "datetime", "height", "http-equiv", "id", "lang"),
        *("name", "open", "scope", "viewBox", "width", "preserveAspectRatio"),
    }
)
_SECTION = re.compile(r"#[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Html:
    """Markup. Made by the functions of this module; whoever makes one by hand answers for it."""

    text: str


def text(words: str) -> Html:
    """Text as markup: what could act in a page, a terminal or the order of reading is written out."""
    return Html(html.escape(_calm(shown(words, limit=MAX_TEXT_CHARACTERS)), quote=True))


def element(name: str, /, *children: Html | str, **attributes: str | bool) -> Html:
    """`<name …>children</name>`. `class_` is `class`, other underscores are hyphens; one that is False is left out.

    Raises `ValueError` for an element or attribute that has no place on the page: a mistake of the program.
    """
    if name not in _ELEMENTS:
        raise ValueError(f"no element of this page: {name}")
    opening = name + "".join(map(_attribute, attributes.items()))
    if name in _VOID:
        return Html(f"<{opening}>")
    inner = "".join(child.text if isinstance(child, Html) else text(child).text for child in children)
    return Html(f"<{opening}>{inner}</{name}>")


def joined(parts: Iterable[Html], between: str = "") -> Html:
    """One behind the other, with text between them."""
    return Html(text(between).text.join(part.text for part in parts) if between else "".join(p.text for p in parts))


def foreign(words: str) -> Html:
    """Text of others within a sentence of ours: its direction of reading ends where it does."""
    return element("bdi", words)


def code(words: str) -> Html:
    """A name that is compared or copied, letter by letter in the order in which it is written."""
    return element("code", words)


def _attribute(pair: tuple[str, str | bool]) -> str:
    name = pair[0].rstrip("_").replace("_", "-")
    value = pair[1]
    if name == "href":
        if not isinstance(value, str) or _SECTION.fullmatch(value) is None:
            raise ValueError(f"a link that leaves the page: {value!r}")
    elif name not in _ATTRIBUTES:
        raise ValueError(f"no attribute of this page: {name}")
    if isinstance(value, bool):
        return f" {name}" if value else ""
    return f' {name}="{text(value).text}"'


def _calm(words: str) -> str:
    """The same text with marks that are piled on one letter written out."""
    if words.isascii():
        return words
    made, marks = [], 0
    for char in words:
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        made.append(char if marks <= _MAX_MARKS else char.encode("unicode_escape").decode("ascii"))
    return "".join(made)
