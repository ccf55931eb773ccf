"""A console script, or a group of commands in one: it knows its commands by name and makes those that are asked for.

Most command lines ask for one command, and making one costs: its module is imported, and typer reads the signature.
"""

import copy
import importlib
from collections.abc import Callable

import typer

from airgap_bundle.cli import help_text

CONTEXT = {"help_option_names": ["-h", "--help"]}

Maker = Callable[["Program"], None]
_PACKAGE = "airgap_bundle.cli"


class Program(typer.Typer):
    """What typer makes a command line of, once `made` has put the commands into it.

    Rich stays out of the help: it would double the time that `--help` takes.
    """

    def __init__(self, name: str, about: str, *, add_completion: bool) -> None:
        super().__init__(
            name=name,
            cls=help_text.Group,
            help=about,
            add_completion=add_completion,
            context_settings=CONTEXT,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
        )
        self._offers: dict[str, Maker | str] = {}

    def offer(self, name: str, make: Maker) -> None:
        """A command, or a group: `make` adds it to the program that it is given."""
        self._offers[name] = make

    def offer_from(self, adder: str, *names: str) -> None:
        """Commands that a function elsewhere in `cli` offers: `policy:add_policy`, which is given a program.

        Its module is imported when one of `names`, or all there is, is asked for.
        """
        self._offers |= dict.fromkeys(names, adder)

    def made(self, word: str = "") -> "Program":
        """The same with the command of that name in it, or with all of them where there is no such name."""
        program = copy.copy(self)
        program._offers = {}  # noqa: SLF001 - its own class
        program.registered_commands, program.registered_groups = [], []
        for name in [word] if word in self._offers else self._offers:
            self._maker(name, program)(program)
        return program

    def _maker(self, name: str, program: "Program") -> Maker:
        """What makes it; offers from elsewhere are made to `program` first."""
        offer = self._offers[name]
        if not isinstance(offer, str):
            return offer
        if name not in program._offers:  # noqa: SLF001 - its own class
            module, _, function = offer.partition(":")
            getattr(importlib.import_module(f"{_PACKAGE}.{module}"), function)(program)
        return program._maker(name, program)  # noqa: SLF001 - its own class
