"""What a command has to speak with: standard output for data, standard error for talk, and the format asked for."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, BinaryIO, TextIO

from airgap_bundle.core.errors import DocumentError, UsageError
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.core.text import printable
from airgap_bundle.output import records
from airgap_bundle.output.console import ProgressReporter, Verbosity, terminal_width
from airgap_bundle.output.errors import render_error
from airgap_bundle.output.findings import render_findings
from airgap_bundle.output.style import wants_colour

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airgap_bundle.core.errors import AirgapError
    from airgap_bundle.core.report import Finding, Place


class Terminal:
    """The streams of one run of one command.

    `program` is the console script, `output_format` the word behind `--format`. `report` is the `Reporter` to hand to
    library functions. Whatever is passed in is escaped on the way out.
    """

    def __init__(
        self,
        program: str,
        *,
        output_format: str = "text",
        verbosity: Verbosity = Verbosity.NORMAL,
        output: TextIO | None = None,
        messages: TextIO | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.program = program
        self.output_format = output_format
        self.verbosity = verbosity
        self.output = output or sys.stdout
        self.messages = messages or sys.stderr
        self._environment = os.environ if environment is None else environment
        self.report = ProgressReporter(self.messages, environment=self._environment, verbosity=verbosity)

    @property
    def json(self) -> bool:
        """Whether standard output is to hold one JSON document."""
        return self.output_format == "json"

    @property
    def width(self) -> int | None:
        """Columns for tables on standard output; None where it is no terminal and nothing has to fit."""
        return terminal_width(self.output)

    def show(self, text: str) -> None:
        """Data for people, on standard output; a line feed is added."""
        self.output.write(printable(text, keep="\n") + "\n")

    def write(self, text: str) -> None:
        """Data that is a file of its own (YAML, SARIF, a page), on standard output as it is.

        The caller answers for what is in it.
        """
        self.output.write(text)

    def claim_output(self) -> BinaryIO:
        """Standard output for the bytes of a bundle; nothing else may be written there from now on.

        Raises `UsageError` where it is a terminal, or where JSON was asked for, which would have no place.
        """
        if self.json:
            raise UsageError(
                "AB-USAGE-STDOUT",
                "standard output cannot hold the bundle and JSON at the same time",
                hint="write the bundle to a file with -o, or leave out --format json",
            )
        if self.output.isatty():
            raise UsageError(
                "AB-USAGE-STDOUT",
                "standard output is a terminal, which cannot hold a bundle",
                hint="pipe it into a program or a file, or name a file with -o",
            )
        return self.output.buffer

    def emit(self, document: Mapping[str, object]) -> None:
        """Data for machines: the one JSON document of this run."""
        records.emit(document, self.output)

    def say(self, text: str) -> None:
        """Talk, on standard error; not with `--quiet`."""
        if self.verbosity is not Verbosity.QUIET:
            self.report.line(printable(text, keep="\n"))

    def warn(self, message: str) -> None:
        """A warning, on standard error, with `--quiet` too."""
        self.report(Remark(severity=Severity.WARNING, message=message))

    def show_findings(self, findings: Sequence[Finding], source_line: Callable[[Place], str | None]) -> None:
        """Findings that are the result of a command, as text on standard output."""
        colour = wants_colour(self.output, self._environment)
        self.output.write(render_findings(findings, source_line, colour=colour) + "\n")

    def stopped(self, error: AirgapError) -> None:
        """The one line for a command that was told to stop."""
        self._last_words(error, printable(error.message))

    def fail(self, error: AirgapError, source_line: Callable[[Place], str | None], trace: str = "") -> None:
        """The error that ends the command: text on standard error, and as JSON on standard output if that was asked.

        `source_line` finds the line that a finding is about; `trace` is shown in front of everything.
        """
        colour = wants_colour(self.messages, self._environment)
        text = render_error(error, program=self.program, colour=colour)
        if isinstance(error, DocumentError) and error.findings:
            text = f"{render_findings(error.findings, source_line, colour=colour)}\n{text}"
        self._last_words(error, trace + text)

    def _last_words(self, error: AirgapError, text: str) -> None:
        self.report.close()
        self.messages.write(text + "\n")
        self.messages.flush()
        if self.json:
            self.emit(records.error_record(error))
            self.output.flush()
