"""The reporter: plain lines here, the display in the pseudo-terminal of `tests/cli/test_frame.py`."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.hostile import HOSTILE, acting_characters

from airgap_bundle.core.report import (
    BytesMoved,
    ItemFinished,
    ItemStarted,
    PhaseFinished,
    PhaseStarted,
    Remark,
    Severity,
)
from airgap_bundle.output.console import ProgressReporter, Verbosity
from airgap_bundle.output.style import can_redraw, wants_colour


class Clock:
    """A clock that stands still until told."""

    now = 50.0

    def __call__(self) -> float:
        return self.now


class TerminalText(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class ClosedPipe(io.StringIO):
    """A stream that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(len(text))


def reporter(
    stream: io.StringIO, verbosity: Verbosity = Verbosity.NORMAL, clock: Clock | None = None
) -> ProgressReporter:
    return ProgressReporter(stream, environment={}, verbosity=verbosity, clock=clock or Clock())


def test_a_phase_has_a_line_at_its_start_every_ten_seconds_and_at_its_end() -> None:
    stream, clock = io.StringIO(), Clock()
    with reporter(stream, clock=clock) as report:
        report(PhaseStarted(title="Fetching", total_bytes=2_000_000, total_items=2))
        report(ItemStarted(name="redis", size=1_000_000))
        report(BytesMoved(name="redis", count=1_000_000))
        for _ in range(21):
            clock.now += 1
            report.tick()
        report(ItemFinished(name="redis", outcome="fetched"))
        report(PhaseFinished(title="Fetching"))
    assert stream.getvalue().splitlines() == [
        "Fetching: 2 items, 2.0 MB",
        "Fetching: 1.0 MB of 2.0 MB, 100.0 kB/s, 10 s left, 10.0 s so far",
        "Fetching: 1.0 MB of 2.0 MB, 20.0 s so far",
        "Fetching: 1 item, 1.0 MB in 21.0 s",
    ]


def test_verbose_has_a_line_for_each_item() -> None:
    stream = io.StringIO()
    with reporter(stream, Verbosity.VERBOSE) as report:
        report(PhaseStarted(title="Pushing"))
        report(ItemStarted(name="redis", size=1_000_000))
        report(ItemFinished(name="redis", outcome="mounted"))
        report(PhaseFinished(title="Pushing"))
    assert "  mounted redis (1.0 MB)" in stream.getvalue().splitlines()


def test_quiet_lets_warnings_through_alone() -> None:
    stream = io.StringIO()
    with reporter(stream, Verbosity.QUIET) as report:
        report(PhaseStarted(title="Pushing"))
        report(Remark(severity=Severity.NOTE, message="note"))
        report(Remark(severity=Severity.WARNING, message="careful"))
        report(ItemFinished(name="redis"))
        report(PhaseFinished(title="Pushing"))
    assert stream.getvalue() == "warning: careful\n"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("verbosity", list(Verbosity))
def test_hostile_text_is_only_read(text: str, verbosity: Verbosity) -> None:
    stream = io.StringIO()
    with reporter(stream, verbosity) as report:
        report(PhaseStarted(title=text, total_items=1))
        report(ItemStarted(name=text))
        report(Remark(severity=Severity.ERROR, message=text))
        report(ItemFinished(name=text, outcome=text))
        report(PhaseFinished(title=text))
    assert acting_characters(stream.getvalue()) == set()
    assert (
        len(stream.getvalue().splitlines())
        == {Verbosity.QUIET: 1, Verbosity.NORMAL: 3, Verbosity.VERBOSE: 4}[verbosity]
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_read_in_the_display_too(text: str) -> None:
    stream, clock = TerminalText(), Clock()
    with reporter(stream, Verbosity.VERBOSE, clock) as report:
        report(PhaseStarted(title=text, total_bytes=1000))
        report(ItemStarted(name=text, size=1000))
        clock.now += 1
        report.tick()
        report(Remark(severity=Severity.WARNING, message=text))
        report(ItemFinished(name=text, outcome=text))
        report(PhaseFinished(title=text))
    drawn = stream.getvalue()
    for code in ("\x1b[?25l", "\x1b[?25h", "\x1b[1A", "\x1b[2K", "\r"):
        drawn = drawn.replace(code, "")
    assert acting_characters(drawn, colour=True) == set()


def test_threads_that_report_at_the_same_time_lose_nothing() -> None:
    stream, clock = TerminalText(), Clock()
    threads, rounds = 8, 200
    ready = threading.Barrier(threads)
    with reporter(stream, Verbosity.VERBOSE, clock) as report:
        report(PhaseStarted(title="Pushing", total_bytes=threads * rounds * 10, total_items=threads * rounds))
        clock.now += 1

        def work(number: int) -> None:
            ready.wait()
            for n in range(rounds):
                name = f"{number}-{n}"
                report(ItemStarted(name=name, size=10))
                report(BytesMoved(name=name, count=10))
                report(ItemFinished(name=name, outcome="uploaded"))

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
        report(PhaseFinished(title="Pushing"))
    drawn = stream.getvalue()
    assert drawn.count("  uploaded ") == threads * rounds
    assert "Pushing: 1600 items, 16.0 kB in 1.0 s" in drawn


def test_the_outer_phase_goes_on_when_the_inner_one_is_over() -> None:
    stream = io.StringIO()
    with reporter(stream) as report:
        report(PhaseStarted(title="outer"))
        report(PhaseStarted(title="inner"))
        report(PhaseFinished(title="inner"))
        report(ItemFinished(name="a"))
        report(PhaseFinished(title="outer"))
        report(PhaseFinished(title="never began"))
    assert stream.getvalue().splitlines()[-1] == "outer: 1 item in 0.0 s"


def test_a_stream_that_is_gone_stops_no_work() -> None:
    with reporter(ClosedPipe()) as report:
        report(PhaseStarted(title="Pushing"))
        report(Remark(severity=Severity.WARNING, message="unheard"))
        report(PhaseFinished(title="Pushing"))


def test_closing_twice_and_events_after_it_do_no_harm() -> None:
    stream = io.StringIO()
    report = reporter(stream)
    report.close()
    report.close()
    report(PhaseStarted(title="late"))
    report.line("still said")
    assert stream.getvalue() == "still said\n"
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]


def test_a_quick_phase_on_a_terminal_is_one_line() -> None:
    stream = TerminalText()
    with reporter(stream) as report:
        report(PhaseStarted(title="Checking"))
        report.tick()
        report(PhaseFinished(title="Checking"))
    assert stream.getvalue() == "Checking: done in 0.0 s\n"


@pytest.mark.parametrize(
    ("environment", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colour_follows_the_variables(environment: dict[str, str], terminal: bool, expected: bool) -> None:  # noqa: FBT001 - parameters of pytest
    assert wants_colour(TerminalText() if terminal else io.StringIO(), environment) is expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, True), ({"TERM": "dumb"}, False), ({"CI": "true"}, False), ({"CI": "false"}, True)],
)
def test_a_log_is_not_redrawn(environment: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    assert can_redraw(TerminalText(), environment) is expected
    assert can_redraw(io.StringIO(), environment) is False


def test_a_closed_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert wants_colour(stream, {}) is False
