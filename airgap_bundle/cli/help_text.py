"""How `--help` looks: examples under a heading of their own, whole sentences in the list of commands.

Imports nothing but typer, since the help of every command pays for it.
"""

import inspect
from typing import TYPE_CHECKING

from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    # Typer carries its own copy of click; this is what its hooks are given.
    from typer._click import Context, HelpFormatter

EXIT_STATUS = """\
0  done, nothing wrong             5    registry or network
1  something was found             6    this machine
2  wrong usage, or no document     70   a bug of ours
3  not trusted                     130  interrupted
4  damaged or incomplete bundle
"""


def first_sentence(text: str | None) -> str:
    """What stands beside a command in a list: the first sentence of its help, whole."""
    paragraph = " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return sentence + stop.strip()


class Command(TyperCommand):
    """A command whose epilog is its examples; `rewrite` spells out what is short on the command line."""

    rewrite: "Callable[[list[str]], list[str]] | None" = None

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """Parse the words behind the command's name."""
        return super().parse_args(ctx, args if self.rewrite is None else self.rewrite(args))

    def collect_usage_pieces(self, ctx: "Context") -> list[str]:
        """Arguments without the braces that typer puts around required ones: they read as if one had to type them."""
        return [piece.removeprefix("{").removesuffix("}") for piece in super().collect_usage_pieces(ctx)]

    def format_epilog(self, ctx: "Context", formatter: "HelpFormatter") -> None:  # noqa: ARG002 - a hook of typer's
        """The examples, line by line as they are written."""
        _write_kept(formatter, "Examples", self.epilog)


class Group(TyperGroup):
    """A program or a group of commands; its epilog is the examples to begin with."""

    def format_epilog(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """The examples, and for a whole program what its exit status means."""
        _write_kept(formatter, "Examples", self.epilog)
        if ctx.parent is None:
            _write_kept(formatter, "Exit status", EXIT_STATUS)


def _write_kept(formatter: "HelpFormatter", heading: str, text: str | None) -> None:
    """Paragraphs under a heading; a backspace alone on a line keeps the lines of the paragraph as they are."""
    # With a line feed in front, the first line counts for the margin too: a continued command stays indented.
    paragraphs = inspect.cleandoc(f"\n{text or ''}").split("\n\n")
    if any(paragraphs):
        with formatter.section(heading):
            formatter.write_text("\n\n".join(f"\b\n{paragraph}" for paragraph in paragraphs))
