"""Few requests and few bytes: what is asked for together."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from airgap_bundle.transfer.remote.stretches import (
    GAP_BYTES,
    SMALL_BYTES,
    STRETCH_BYTES,
    Stretches,
    plan_stretches,
)

KIB = 1024


def test_small_neighbours_come_together_and_large_blobs_alone() -> None:
    ranges = [(0, 4 * KIB), (4 * KIB, 8 * KIB), (8 * KIB, 5000 * KIB), (5000 * KIB, 5004 * KIB)]
    planned = plan_stretches(ranges)
    assert [(each.start // KIB, each.end // KIB, each.is_kept) for each in planned] == [
        (0, 8, True),
        (8, 5000, False),
        (5000, 5004, True),
    ]


def test_a_gap_is_bridged_if_it_is_small_beside_what_it_joins() -> None:
    near, far = (0, 40 * KIB), (80 * KIB, 120 * KIB)
    assert len(plan_stretches([near, far])) == 1
    assert len(plan_stretches([(0, 4 * KIB), (40 * KIB, 80 * KIB)])) == 1
    assert len(plan_stretches([(0, 4 * KIB), (60 * KIB, 64 * KIB)])) == 2
    assert len(plan_stretches([near, (40 * KIB + GAP_BYTES + 1, 200 * KIB)])) == 2


@st.composite
def layouts(draw: st.DrawFn) -> list[tuple[int, int]]:
    position, found = 0, []
    for gap, size in draw(st.lists(st.tuples(st.integers(0, 3 * GAP_BYTES), st.integers(1, 2 * SMALL_BYTES)))):
        position += gap
        found.append((position, position + size))
        position += size
    return found


@given(layouts())
def test_every_byte_that_is_wanted_is_in_one_stretch(ranges: list[tuple[int, int]]) -> None:
    planned = plan_stretches(ranges)
    found = Stretches(ranges)
    for start, end in ranges:
        stretch = found.at(start)
        assert stretch is not None
        assert stretch.start <= start < end <= stretch.end
        assert found.at(end - 1) == stretch
    assert all(before.end <= after.start for before, after in itertools.pairwise(planned))
    assert all(each.size <= STRETCH_BYTES for each in planned if each.is_kept)
    # Never more than twice what is wanted, and what is wanted is never in two requests.
    useful = sum(end - start for start, end in ranges)
    assert sum(each.size for each in planned) <= 2 * useful + 2 * KIB * len(ranges)
    assert len(planned) <= len(ranges)


def test_what_nobody_wants_is_in_no_stretch() -> None:
    found = Stretches([(100, 200)])
    assert (found.at(99), found.at(200), Stretches().at(0)) == (None, None, None)
