"""`explain CODE`: the page of an error or a rule, from inside the package, where there is no network."""

import difflib
import textwrap
from importlib import resources
from typing import Annotated

import typer

from airgap_bundle.cli import frame
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.output.tables import table
from airgap_bundle.output.terminal import Terminal

_LONGEST_QUOTE = 60
# Longer lines are hard to read.
_WIDEST_PAGE = 90


def page_codes() -> tuple[str, ...]:
    """Every code that has a page, in order."""
    names = (page.name for page in _pages().iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in names if name.endswith(".md")))


def page_text(code: str) -> str:
    """The page of a code, which may be written in any case. Raises `UsageError` for one that has none."""
    known = page_codes()
    wanted = code.strip().upper()
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "without a code, explain lists them all"
        raise UsageError("AB-USAGE-CODE", f"no page for the code '{printable(code[:_LONGEST_QUOTE])}'", hint=hint)
    return (_pages() / f"{wanted}.md").read_text(encoding="utf-8")


def page_title(text: str) -> str:
    """What stands behind the code in the first line of a page."""
    return text.partition("\n")[0].partition(":")[2].strip()


def add_explain(app: typer.Typer) -> None:
    """Give an app the command `explain`."""

    @frame.command(app, "explain", examples=f"{app.info.name} explain AB-BUG\n{app.info.name} explain")
    def explain(
        code: Annotated[
            str, typer.Argument(metavar="CODE", help="As it stands behind 'more:'; without one, all are listed.")
        ] = "",
        *,
        terminal: Terminal,
    ) -> None:
        """Print the page of an error or a rule: what happened, why, and what to do."""
        if code:
            _show_page(code, terminal)
        else:
            _show_list(terminal)


def _show_page(code: str, terminal: Terminal) -> None:
    text = page_text(code)
    if terminal.json:
        terminal.emit({"code": code.strip().upper(), "title": page_title(text), "text": text})
    else:
        terminal.show(_wrapped(text.rstrip(), terminal.width))


def _show_list(terminal: Terminal) -> None:
    titles = [(code, page_title(page_text(code))) for code in page_codes()]
    if terminal.json:
        terminal.emit({"pages": [{"code": code, "title": title} for code, title in titles]})
    else:
        terminal.show(table(("CODE", "WHAT"), titles, width=terminal.width))


def _wrapped(text: str, width: int | None) -> str:
    """A page for a terminal: paragraphs filled; in a pipe, and where lines have a meaning (lists, code), as it is."""
    if width is None:
        return text
    columns = min(width, _WIDEST_PAGE)
    return "\n\n".join(
        paragraph if "\n" in paragraph else textwrap.fill(paragraph, columns, break_long_words=False)
        for paragraph in text.split("\n\n")
    )


def _pages() -> resources.abc.Traversable:
    return resources.files("airgap_bundle").joinpath("pages")
