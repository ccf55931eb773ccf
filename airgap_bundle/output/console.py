"""Progress on standard error: a display that draws itself again on a terminal, plain lines elsewhere.

The only door to rich, which is imported when a phase has lasted for half a second on a terminal, and not before: most
commands are done by then. Text from outside goes through `cells.shown` in `progress`, and to rich only as `Text`,
which it never interprets.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from enum import Enum
from typing import TYPE_CHECKING, Self, TextIO

from airgap_bundle.core.report import (
    BytesMoved,
    Event,
    ItemFinished,
    ItemStarted,
    PhaseFinished,
    PhaseStarted,
    Remark,
    Severity,
)
from airgap_bundle.output import progress
from airgap_bundle.output.cells import shown
from airgap_bundle.output.findings import SEVERITY_STYLES
from airgap_bundle.output.style import can_redraw, styled, wants_colour

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from rich.live import Live

# A phase that is over sooner is told in one line; importing rich alone takes 0.05 s.
DISPLAY_AFTER_SECONDS = 0.5
# Eight pictures a second look smooth and cost next to nothing.
REDRAW_SECONDS = 0.125
# A log that says something every ten seconds is alive, and an hour of it is still readable.
PLAIN_LINE_SECONDS = 10.0
# One column stays free: some terminals wrap behind the last one.
_SPARE_COLUMNS = 1
_FALLBACK_COLUMNS = 80


class Verbosity(Enum):
    """How much is said on standard error."""

    QUIET = "quiet"
    NORMAL = "normal"
    VERBOSE = "verbose"


def terminal_width(stream: TextIO) -> int | None:
    """Columns of the terminal that `stream` is; None for a pipe or a file, where nothing has to fit."""
    try:
        # The stream itself is asked: standard output may be a pipe while standard error is the terminal.
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return None
    return (columns or _FALLBACK_COLUMNS) - _SPARE_COLUMNS


class ProgressReporter:
    """A `core.report.Reporter` for one stream. Any thread may call it; `close` it before anything else is printed.

    Quiet lets through warnings and errors alone. A context manager; after `close` events are swallowed.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        environment: Mapping[str, str],
        verbosity: Verbosity = Verbosity.NORMAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._verbosity = verbosity
        self._clock = clock
        self._colour = wants_colour(stream, environment)
        self._redraw = can_redraw(stream, environment) and verbosity is not Verbosity.QUIET
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._phases: list[progress.PhaseProgress] = []
        self._live: Live | None = None
        self._ticker: threading.Thread | None = None
        self._next_line = 0.0

    def __call__(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            if self._closing.is_set():
                return
            match event:
                case PhaseStarted():
                    self._start(event)
                case PhaseFinished():
                    self._finish()
                case Remark():
                    self._remark(event)
                case _:
                    self._item(event)

    def __enter__(self) -> Self:
        """Nothing to open: the display starts with the first long phase."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the display off the terminal, whatever happened."""
        self.close()

    def close(self) -> None:
        """Take the display away and stop; may be called twice."""
        self._closing.set()
        with self._lock:
            self._hide()
            self._phases.clear()
        if self._ticker is not None:
            self._ticker.join()
            self._ticker = None

    def line(self, line: str) -> None:
        """Write one line of escaped text, above the display where there is one; after `close` too."""
        with self._lock, contextlib.suppress(OSError):
            # Standard error may be gone (`2>&1 | head`); work does not fail because nobody listens.
            if self._live is None:
                self._stream.write(line + "\n")
                self._stream.flush()
                return
            from rich.text import Text  # noqa: PLC0415 - a display is there, so rich is

            # Our own colours come back as styles; everything else of the line is text.
            self._live.console.print(Text.from_ansi(line), soft_wrap=True)

    def tick(self) -> None:
        """Draw again what lasts; called by the clock, some times a second."""
        with self._lock:
            if self._closing.is_set() or not self._phases:
                return
            now, phase = self._clock(), self._phases[-1]
            phase.sample(now)
            if self._redraw:
                if now - phase.began >= DISPLAY_AFTER_SECONDS:
                    self._draw(phase, now)
            elif now >= self._next_line:
                self._next_line = now + PLAIN_LINE_SECONDS
                self.line(progress.update_line(phase, now))

    def _start(self, event: PhaseStarted) -> None:
        now = self._clock()
        phase = progress.PhaseProgress.begin(event, now)
        phase.sample(now)
        self._phases.append(phase)
        self._next_line = now + PLAIN_LINE_SECONDS
        if self._verbosity is Verbosity.QUIET:
            return
        if not self._redraw:
            self.line(progress.start_line(phase))
        if self._ticker is None:
            self._ticker = threading.Thread(target=self._run, name="progress", daemon=True)
            self._ticker.start()

    def _finish(self) -> None:
        if not self._phases:
            return
        phase = self._phases.pop()
        if not self._phases:
            self._hide()
        if self._verbosity is not Verbosity.QUIET:
            self.line(progress.end_line(phase, self._clock()))

    def _item(self, event: ItemStarted | BytesMoved | ItemFinished) -> None:
        if not self._phases:
            return
        phase = self._phases[-1]
        if isinstance(event, ItemFinished) and self._verbosity is Verbosity.VERBOSE:
            self.line(progress.item_line(event, phase.items.get(event.name)))
        phase.apply(event)

    def _remark(self, event: Remark) -> None:
        if event.severity is Severity.NOTE and self._verbosity is Verbosity.QUIET:
            return
        word = styled(f"{event.severity.value}:", SEVERITY_STYLES[event.severity], colour=self._colour)
        self.line(f"{word} {shown(event.message)}")

    def _run(self) -> None:
        # A terminal that is gone ends the display and nothing else.
        with contextlib.suppress(OSError):
            while not self._closing.wait(REDRAW_SECONDS):
                self.tick()

    def _draw(self, phase: progress.PhaseProgress, now: float) -> None:
        from rich.text import Text  # noqa: PLC0415 - a command that is quick never pays for rich

        if self._live is None:
            self._live = self._show()
        bar = "━─" if (self._stream.encoding or "").lower().replace("-", "") == "utf8" else "#-"
        lines = progress.display_lines(phase, now, width=terminal_width(self._stream) or _FALLBACK_COLUMNS, bar=bar)
        text = Text("\n".join(lines), no_wrap=True, overflow="crop")
        if self._colour:
            text.stylize("bold", 0, len(lines[0]))
        self._live.update(text, refresh=True)

    def _show(self) -> Live:
        from rich.console import Console  # noqa: PLC0415 - see `_draw`
        from rich.live import Live  # noqa: PLC0415 - see `_draw`

        console = Console(
            file=self._stream,
            force_terminal=True,
            no_color=not self._colour,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
        )
        # Our own clock draws; standard output stays what the command makes it.
        live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
        live.start()
        return live

    def _hide(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            with contextlib.suppress(OSError):
                live.stop()
