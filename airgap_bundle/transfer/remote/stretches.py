"""Which bytes are asked for together, so that a bundle far away costs few requests and few bytes.

Pure. A round trip on a brief link takes as long as some tens of kilobytes: small neighbours are fetched in one request,
over a gap if that is small too, and kept in memory until they are read. What is large streams on a request of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Of what is fetched together; eight of them are kept at a time, which is a sixth of the memory that may be used.
STRETCH_BYTES = 2 * 1024 * 1024
# What is larger is on the line for longer than a round trip: nothing is gained by fetching it with others.
SMALL_BYTES = 1024 * 1024
# The most that is fetched for nothing between two neighbours: half a second at 1 Mbit/s, a satellite's round trip.
GAP_BYTES = 64 * 1024
# A gap below this costs less than the head of a request and its answer.
_FREE_GAP_BYTES = 2 * 1024


@dataclass(frozen=True, order=True, slots=True)
class Stretch:
    """Bytes from `start` on, `end` excluded. `is_kept`: small enough to be fetched whole and kept until read."""

    start: int
    end: int
    is_kept: bool

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.end - self.start


class Stretches:
    """What will be read, in the order of the bundle; asked by offset."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._stretches = plan_stretches(ranges)
        self._starts = [stretch.start for stretch in self._stretches]

    def at(self, offset: int) -> Stretch | None:
        """The stretch that `offset` lies in."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0 or offset >= self._stretches[index].end:
            return None
        return self._stretches[index]


def plan_stretches(ranges: Iterable[tuple[int, int]]) -> tuple[Stretch, ...]:
    """Join small neighbours. `ranges` are pairs of start and end that do not overlap, in any order.

    Of what is joined, no more than the half is gaps.
    """
    planned: list[Stretch] = []
    useful = 0
    for start, end in sorted(ranges):
        is_small = end - start <= SMALL_BYTES
        last = planned[-1] if planned else None
        if is_small and last is not None and last.is_kept and _belongs(last, start, end, useful):
            planned[-1] = Stretch(last.start, end, is_kept=True)
            useful += end - start
        else:
            planned.append(Stretch(start, end, is_kept=is_small))
            useful = end - start
    return tuple(planned)


def _belongs(last: Stretch, start: int, end: int, useful: int) -> bool:
    gap = start - last.end
    wasted = last.size - useful + gap
    return (
        gap <= GAP_BYTES
        and (gap <= _FREE_GAP_BYTES or wasted <= useful + end - start)
        and end - last.start <= STRETCH_BYTES
    )
