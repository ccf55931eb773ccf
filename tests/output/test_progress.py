"""How far a phase is: numbers and lines, with the time as an argument."""

import pytest
from support.hostile import HOSTILE, acting_characters

from airgap_bundle.core.report import BytesMoved, ItemFinished, ItemStarted, PhaseStarted
from airgap_bundle.output import progress
from airgap_bundle.output.cells import width_of
from airgap_bundle.output.progress import PhaseProgress


def phase(*, total_bytes: int = 0, total_items: int = 0, title: str = "Fetching") -> PhaseProgress:
    begun = PhaseProgress.begin(PhaseStarted(title=title, total_bytes=total_bytes, total_items=total_items), 100.0)
    begun.sample(100.0)
    return begun


def test_the_rate_is_that_of_the_last_seconds() -> None:
    work = phase(total_bytes=1000)
    work.apply(BytesMoved(name="a", count=100))
    assert work.rate(100.5) == 0
    assert work.rate(110.0) == 10
    for second in range(110, 140):
        work.sample(float(second))
    assert work.rate(140.0) == 0
    assert work.seconds_left(140.0) is None


def test_the_time_left_follows_from_rate_and_rest() -> None:
    work = phase(total_bytes=1000)
    work.apply(BytesMoved(name="a", count=250))
    assert work.seconds_left(105.0) == 15
    assert progress.pace_text(work, 105.0) == "50 B/s, 15 s left"


def test_a_piece_that_is_done_again_counts_once() -> None:
    work = phase(total_bytes=1000)
    work.apply(ItemStarted(name="a", size=1000))
    work.apply(BytesMoved(name="a", count=600))
    work.apply(BytesMoved(name="a", count=-600))
    assert work.fraction() == 0
    assert progress.quantity_text(work) == "0 B of 1.0 kB"


@pytest.mark.parametrize("count", [-5000, 5000])
def test_more_than_everything_or_less_than_nothing_is_drawn_within_the_bar(count: int) -> None:
    work = phase(total_bytes=1000)
    work.apply(BytesMoved(name="unknown", count=count))
    assert work.fraction() in {0.0, 1.0}
    assert all(width_of(line) <= 80 for line in progress.display_lines(work, 101.0, width=80))


def test_items_count_where_bytes_are_not_known() -> None:
    work = phase(total_items=4)
    work.apply(ItemFinished(name="a"))
    assert work.fraction() == 0.25
    assert progress.quantity_text(work) == "1 of 4 items"
    assert progress.start_line(work) == "Fetching: 4 items"
    assert progress.end_line(work, 102.0) == "Fetching: 1 item in 2.0 s"


def test_a_phase_of_unknown_size_still_says_something() -> None:
    work = phase()
    assert progress.start_line(work) == "Fetching …"
    assert work.fraction() is None
    assert progress.end_line(work, 100.0) == "Fetching: done in 0.0 s"
    work.apply(BytesMoved(name="a", count=5000))
    assert progress.update_line(work, 110.0) == "Fetching: 5.0 kB, 500 B/s, 10.0 s so far"


def test_the_display_lists_a_few_items_and_counts_the_rest() -> None:
    work = phase(total_bytes=10_000_000)
    for n in range(7):
        work.apply(ItemStarted(name=f"image{n}", size=1_000_000))
    work.apply(BytesMoved(name="image0", count=500_000))
    lines = progress.display_lines(work, 105.0, width=80)
    assert lines[0] == "Fetching  ────────────────  5%  500.0 kB of 10.0 MB  100.0 kB/s, 1 min 35 s left"
    assert width_of(lines[0]) <= 80
    assert lines[1].startswith("  image0 ")
    assert lines[1].endswith("  500.0 kB of 1.0 MB")
    assert lines[-1] == "  … and 3 more"
    assert len(lines) == 6


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [20, 79, 200])
def test_hostile_names_fit_and_only_are_read(text: str, width: int) -> None:
    work = phase(title=text, total_bytes=10_000_000, total_items=3)
    work.apply(ItemStarted(name=text, size=1_000_000))
    work.apply(BytesMoved(name=text, count=1000))
    lines = progress.display_lines(work, 103.0, width=width)
    assert max(map(width_of, lines)) <= width
    lines += [progress.start_line(work), progress.update_line(work, 103.0), progress.end_line(work, 103.0)]
    lines.append(progress.item_line(ItemFinished(name=text, outcome=text), work.items[text]))
    assert acting_characters("".join(lines)) == set()
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (100, "Fetching  ━━━━━━━━━━──────────  50%  1.0 GB of 2.0 GB  10.0 MB/s, 1 min 40 s left"),
        (79, "Fetching  ━━━━━━━━━─────────  50%  1.0 GB of 2.0 GB  10.0 MB/s, 1 min 40 s left"),
        (64, "Fetching  50%  1.0 GB of 2.0 GB  10.0 MB/s, 1 min 40 s left"),
        (40, "Fetching  ━━━────  50%  1.0 GB of 2.0 GB"),
        (20, "Fetching  ━━───  50%"),
    ],
)
def test_the_bar_gives_way_to_the_numbers(width: int, expected: str) -> None:
    work = phase(total_bytes=2_000_000_000)
    work.apply(BytesMoved(name="a", count=1_000_000_000))
    line = progress.display_lines(work, 200.0, width=width)[0]
    assert width_of(line) <= width
    assert line == expected
