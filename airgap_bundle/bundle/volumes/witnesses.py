"""Who knows what belongs into which volume: the signed inventory, and the table beside the volumes.

The inventory says which tar header stands where, so what is at a seam shows whether a volume is in its place. The table
says more, and nobody has vouched for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.bundle.layout import BLOCK_BYTES, OCI_LAYOUT, OCI_LAYOUT_CONTENT, tar_header
from airgap_bundle.bundle.volumes.naming import volume_name
from airgap_bundle.bundle.volumes.table import START_BYTES, VolumeHash, VolumeTable
from airgap_bundle.core.content import Digest, new_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from airgap_bundle.bundle.layout import Layout
    from airgap_bundle.bundle.volumes.table import VolumeEntry

FIRST_BLOCK = tar_header(OCI_LAYOUT, len(OCI_LAYOUT_CONTENT))


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One volume as it is: its number by its name, the offset of its first byte in the whole, its length."""

    number: int
    name: str
    start: int
    size: int
    place: Path
    read_at: Callable[[int, memoryview], int] = field(repr=False)

    @property
    def end(self) -> int:
        """The offset behind its last byte."""
        return self.start + self.size

    def bytes_at(self, offset: int, size: int) -> bytes:
        """What stands there; less at its end."""
        buffer = bytearray(size)
        done = 0
        while done < size and (count := self.read_at(offset + done, memoryview(buffer)[done:])):
            done += count
        return bytes(buffer[:done])

    def entry(self) -> VolumeEntry:
        """Its digests, of every byte of it."""
        hashing, buffer = VolumeHash(), new_buffer()
        while hashing.count < self.size and (count := self.read_at(hashing.count, buffer)):
            hashing.update(buffer[:count])
        return hashing.entry(volume_name("volume", self.number))


class Witness(Protocol):
    """Somebody who knows what belongs where."""

    def fits(self, part: Part, number: int) -> bool | None:
        """Whether the bytes of `part` are those of volume `number`; None if this cannot be told."""
        ...


class TableWitness:
    """What a table says of the volumes. Not trusted."""

    def __init__(self, table: VolumeTable) -> None:
        self.entries = table.entries
        self._starts: dict[int, Digest] = {}

    def fits(self, part: Part, number: int) -> bool | None:
        """By length and the first bytes."""
        if number > len(self.entries):
            return None
        entry = self.entries[number - 1]
        return part.size == entry.size and self.starts_like(part, entry)

    def starts_like(self, part: Part, entry: VolumeEntry) -> bool:
        """Whether its first bytes are the right ones."""
        if part.number not in self._starts:
            self._starts[part.number] = Digest.of(part.bytes_at(0, min(part.size, START_BYTES)))
        return self._starts[part.number] == entry.start


class LayoutWitness:
    """What the inventory demands at the first header of each volume. `slots` say where each begins and ends."""

    def __init__(self, layout: Layout, slots: Sequence[tuple[int, int]]) -> None:
        extents = sorted(layout.extents.values(), key=lambda extent: extent.header_at)
        places = [extent.header_at for extent in extents]
        self._probes: dict[int, tuple[int, bytes]] = {}
        for number, (start, end) in enumerate(slots, 1):
            index = bisect_left(places, start)
            if index < len(places) and places[index] + BLOCK_BYTES <= end:
                self._probes[number] = (places[index] - start, extents[index].header)

    def fits(self, part: Part, number: int) -> bool | None:
        """By the first tar header that starts in it; none starts in one that lies within one blob."""
        probe = self._probes.get(number)
        return None if probe is None else part.bytes_at(probe[0], BLOCK_BYTES) == probe[1]


class FirstBlockWitness:
    """Every bundle begins with the same block, and hardly anything else does: so volume 1 is known by it."""

    def fits(self, part: Part, number: int) -> bool | None:
        """Only of volume 1 can anything be said, and that something is not it."""
        begins = part.bytes_at(0, BLOCK_BYTES) == FIRST_BLOCK
        if number == 1:
            return begins
        return False if begins else None


def usual_size(parts: Sequence[Part]) -> int:
    """The length that most volumes have; of two the larger."""
    counts = Counter(part.size for part in parts)
    return max(counts, key=lambda size: (counts[size], size))


def slots_of(parts: Sequence[Part], total_bytes: int) -> list[tuple[int, int]]:
    """Where volumes of one length would lie, the last one being the rest; empty where there are more or fewer."""
    step = usual_size(parts) if len(parts) > 1 else total_bytes
    starts = range(0, total_bytes, max(1, step))
    return [(at, min(at + step, total_bytes)) for at in starts] if len(starts) == len(parts) else []
