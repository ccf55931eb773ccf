"""`explain CODE` and `explain TOPIC`: pages of errors and rules, and guides; inside the package, so without a network.

A page lies in `pages/<CODE>.md`, a guide in `guides/<TOPIC>.md`; a file that is put there is found.
"""

import difflib
from importlib import resources
from typing import Annotated

import typer

from airgap_bundle.cli import frame
from airgap_bundle.cli.program import Program
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.output.pages import page_for_terminal
from airgap_bundle.output.tables import table
from airgap_bundle.output.terminal import Terminal

_LONGEST_QUOTE = 60
_EXAMPLES = ("explain", "explain AB-TRUST-UNSIGNED", "explain boundary-admin")


def page_codes() -> tuple[str, ...]:
    """Every code that has a page, in order."""
    names = (page.name for page in _pages().iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in names if name.endswith(".md")))


def page_text(code: str) -> str:
    """The page of a code, which may be written in any case. Raises `UsageError` for one that has none."""
    known = page_codes()
    wanted = code.strip().upper()
    if wanted not in known:
        spelled = {name.upper(): name for name in (*known, *guide_topics())}
        near = [spelled[name] for name in difflib.get_close_matches(wanted, spelled, n=1)]
        hint = f"did you mean {near[0]}?" if near else "without a code, explain lists them all"
        raise UsageError("AB-USAGE-CODE", f"no page for the code '{printable(code[:_LONGEST_QUOTE])}'", hint=hint)
    return (_pages() / f"{wanted}.md").read_text(encoding="utf-8")


def guide_topics() -> tuple[str, ...]:
    """Every topic that has a guide, in order."""
    names = (guide.name for guide in _guides().iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in names if name.endswith(".md")))


def guide_text(topic: str) -> str:
    """The guide on a topic of `guide_topics`."""
    return (_guides() / f"{topic}.md").read_text(encoding="utf-8")


def page_title(text: str) -> str:
    """What stands behind the code in the first line of a page."""
    return text.partition("\n")[0].partition(":")[2].strip()


def add_explain(app: Program) -> None:
    """Give an app the command `explain`."""

    @frame.command(
        app,
        "explain",
        examples="\n".join(f"{app.info.name} {words}" for words in _EXAMPLES),
    )
    def explain(
        code: Annotated[
            str,
            typer.Argument(
                metavar="CODE|TOPIC",
                help="A code as it stands behind 'more:', or the topic of a guide; without one, all are listed.",
            ),
        ] = "",
        *,
        terminal: Terminal,
    ) -> None:
        """Print a guide, or the page of an error or a rule: what happened, why, and what to do. Alone, list them."""
        topic = code.strip().lower()
        if topic in guide_topics():
            _show_guide(topic, terminal)
        elif code:
            _show_page(code, terminal)
        else:
            _show_list(terminal)


def _show_page(code: str, terminal: Terminal) -> None:
    text = page_text(code)
    if terminal.json:
        terminal.emit({"code": code.strip().upper(), "title": page_title(text), "text": text})
    else:
        terminal.show(_for_reader(text, terminal))


def _show_guide(topic: str, terminal: Terminal) -> None:
    text = guide_text(topic)
    if terminal.json:
        terminal.emit({"topic": topic, "title": page_title(text), "text": text})
    else:
        terminal.show(_for_reader(text, terminal))


def _show_list(terminal: Terminal) -> None:
    guides = [(topic, page_title(guide_text(topic))) for topic in guide_topics()]
    titles = [(code, page_title(page_text(code))) for code in page_codes()]
    if terminal.json:
        terminal.emit(
            {
                "guides": [{"topic": topic, "title": title} for topic, title in guides],
                "pages": [{"code": code, "title": title} for code, title in titles],
            }
        )
    else:
        terminal.show(table(("TOPIC OR CODE", "WHAT"), [*guides, *titles], width=terminal.width))


def _for_reader(text: str, terminal: Terminal) -> str:
    """For eyes where somebody looks; in a pipe as it is written."""
    return text.rstrip() if terminal.width is None else page_for_terminal(text, terminal.width)


def _guides() -> resources.abc.Traversable:
    return resources.files("airgap_bundle").joinpath("guides")


def _pages() -> resources.abc.Traversable:
    return resources.files("airgap_bundle").joinpath("pages")
