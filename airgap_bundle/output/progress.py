"""How far a stretch of work is, as a value that events change and as lines of text.

Nothing here knows a terminal, a thread or a clock: the time is an argument. `console` draws what this says.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from airgap_bundle.core.report import BytesMoved, ItemFinished, ItemStarted, PhaseStarted
from airgap_bundle.core.text import count_text, duration_text, size_text
from airgap_bundle.output.cells import cut_middle, padded, short_digests, shown, width_of

# The rate is that of the last seconds: long enough to be calm, short enough to notice that a link is gone.
RATE_WINDOW_SECONDS = 10.0
# A rate of less than this is a guess.
_RATE_AFTER_SECONDS = 1.0
# More items than this in flight are counted, not listed: the display has to leave room for the work of the person.
SHOWN_ITEMS = 4
MAX_NAME_CHARACTERS = 300
_GAP = "  "
_BAR_COLUMNS, _SHORTEST_BAR_COLUMNS = 20, 5
_TITLE_COLUMNS, _SHORTEST_TITLE_COLUMNS = 28, 12
# Time left beyond this is no help.
_LONGEST_FORECAST_SECONDS = 99 * 3600


@dataclass(kw_only=True, slots=True)
class ItemProgress:
    """One thing in flight. `size` is 0 where it is not known."""

    size: int = 0
    done: int = 0


@dataclass(kw_only=True, slots=True)
class PhaseProgress:
    """One phase: totals (0 where not known), what is done, what is in flight, and when it began."""

    title: str
    began: float
    total_bytes: int = 0
    total_items: int = 0
    done_bytes: int = 0
    done_items: int = 0
    items: dict[str, ItemProgress] = field(default_factory=dict)
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    @classmethod
    def begin(cls, event: PhaseStarted, now: float) -> PhaseProgress:
        """The phase that an event announces."""
        return cls(title=event.title, began=now, total_bytes=event.total_bytes, total_items=event.total_items)

    def apply(self, event: ItemStarted | BytesMoved | ItemFinished) -> None:
        """Take an event into account. One about an item that was never announced counts all the same."""
        match event:
            case ItemStarted():
                self.items[event.name] = ItemProgress(size=event.size)
            case BytesMoved():
                self.done_bytes += event.count
                if event.name in self.items:
                    self.items[event.name].done += event.count
            case ItemFinished():
                self.items.pop(event.name, None)
                self.done_items += 1

    def sample(self, now: float) -> None:
        """Remember how far it is now, for the rate."""
        self.samples.append((now, self.done_bytes))
        while len(self.samples) > 2 and self.samples[1][0] < now - RATE_WINDOW_SECONDS:  # noqa: PLR2004 - the ends
            self.samples.popleft()

    def rate(self, now: float) -> float:
        """Bytes a second over the last seconds; 0 where it is too early to say."""
        then, done = self.samples[0] if self.samples else (self.began, 0)
        elapsed = now - then
        return max(0.0, (self.done_bytes - done) / elapsed) if elapsed >= _RATE_AFTER_SECONDS else 0.0

    def fraction(self) -> float | None:
        """How much of it is done, from 0 to 1; None where the total is not known."""
        done, total = (self.done_bytes, self.total_bytes) if self.total_bytes else (self.done_items, self.total_items)
        return min(1.0, max(0.0, done / total)) if total else None

    def seconds_left(self, now: float) -> float | None:
        """How long it will take from now on at the present rate; None where nobody can say."""
        rate = self.rate(now)
        if not self.total_bytes or not rate:
            return None
        left = max(0, self.total_bytes - self.done_bytes) / rate
        return left if left <= _LONGEST_FORECAST_SECONDS else None


def quantity_text(phase: PhaseProgress) -> str:
    """How much is done of how much: `312.4 MB of 724.1 MB`, `3 of 8 items`."""
    if phase.total_bytes:
        return f"{size_text(max(0, phase.done_bytes))} of {size_text(phase.total_bytes)}"
    if phase.total_items:
        return f"{phase.done_items} of {count_text(phase.total_items, 'item')}"
    if phase.done_bytes > 0:
        return size_text(phase.done_bytes)
    return count_text(phase.done_items, "item") if phase.done_items else ""


def pace_text(phase: PhaseProgress, now: float) -> str:
    """Rate and time left: `85.3 MB/s, 5.0 s left`; empty where nobody can say."""
    rate, left = phase.rate(now), phase.seconds_left(now)
    parts = [f"{size_text(int(rate))}/s"] if rate >= 1 else []
    if left is not None:
        # Tenths of a second would flicker.
        parts.append(f"{duration_text(left) if left >= 60 else f'{left:.0f} s'} left")  # noqa: PLR2004 - a minute
    return ", ".join(parts)


def start_line(phase: PhaseProgress) -> str:
    """The plain line for a phase that begins."""
    totals = [count_text(phase.total_items, "item")] if phase.total_items else []
    totals += [size_text(phase.total_bytes)] if phase.total_bytes else []
    return f"{_title(phase)}: {', '.join(totals)}" if totals else f"{_title(phase)} …"


def update_line(phase: PhaseProgress, now: float) -> str:
    """The plain line for a phase that lasts: how far, how fast, how long still."""
    parts = (quantity_text(phase), pace_text(phase, now), f"{duration_text(now - phase.began)} so far")
    return f"{_title(phase)}: {', '.join(part for part in parts if part)}"


def end_line(phase: PhaseProgress, now: float) -> str:
    """The plain line for a phase that is over."""
    parts = [count_text(phase.done_items, "item")] if phase.done_items else []
    parts += [size_text(phase.done_bytes)] if phase.done_bytes > 0 else []
    return f"{_title(phase)}: {', '.join(parts) or 'done'} in {duration_text(now - phase.began)}"


def item_line(event: ItemFinished, item: ItemProgress | None) -> str:
    """The line for one item that is done, for those who asked for every one."""
    size = item.size or item.done if item else 0
    name = shown(event.name, limit=MAX_NAME_CHARACTERS)
    return f"  {shown(event.outcome) or 'done'} {name}" + (f" ({size_text(size)})" if size > 0 else "")


def display_lines(phase: PhaseProgress, now: float, *, width: int, bar: str = "━─") -> list[str]:
    """The lines that are drawn again and again: the phase, then the few items in flight, none wider than `width`.

    `bar` is the character for what is done and the one for what is not.
    """
    lines = [_phase_text(phase, now, width, bar)]
    # What stands first in flight has been there longest: the thing that one waits for.
    lines += [_item_text(name, item, width) for name, item in list(phase.items.items())[:SHOWN_ITEMS]]
    if len(phase.items) > SHOWN_ITEMS:
        lines.append(cut_middle(f"  … and {len(phase.items) - SHOWN_ITEMS} more", width))
    return lines


def _phase_text(phase: PhaseProgress, now: float, width: int, bar: str) -> str:
    """Title, bar, percentage, how much, how fast. The bar gives way first, then the title, then the numbers."""
    fraction = phase.fraction()
    percent = "" if fraction is None else f"{fraction * 100:.0f}%"
    numbers = [text for text in (percent, quantity_text(phase), pace_text(phase, now)) if text]
    while numbers and width_of(_GAP.join(numbers)) > width - len(_GAP) - _SHORTEST_TITLE_COLUMNS:
        numbers.pop()
    room = width - sum(width_of(number) + len(_GAP) for number in numbers)
    title = cut_middle(_title(phase), min(_TITLE_COLUMNS, room))
    columns = min(_BAR_COLUMNS, room - width_of(title) - len(_GAP))
    if fraction is not None and columns >= _SHORTEST_BAR_COLUMNS:
        full = int(fraction * columns)
        numbers.insert(0, bar[0] * full + bar[1] * (columns - full))
    return _GAP.join((title, *numbers))


def _item_text(name: str, item: ItemProgress, width: int) -> str:
    done = size_text(max(0, item.done))
    amount = f"{done} of {size_text(item.size)}" if item.size else done
    room = max(1, width - 4 - width_of(amount))
    label = cut_middle(short_digests(shown(name, limit=MAX_NAME_CHARACTERS)), room)
    return cut_middle(f"  {padded(label, room)}  {amount}", width)


def _title(phase: PhaseProgress) -> str:
    return shown(phase.title, limit=MAX_NAME_CHARACTERS)
