"""Says which volume is at fault, and how: missing, truncated, swapped, twice, of another bundle, or damaged.

Two witnesses are asked. The signed inventory says which tar header stands where, so what is at a seam shows whether a
volume is in its place. The table beside the volumes says more, and is not trusted: it is asked only to explain what is
wrong for certain.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.bundle.layout import BLOCK_BYTES
from airgap_bundle.bundle.volumes.naming import table_name, volume_name
from airgap_bundle.bundle.volumes.table import START_BYTES, VolumeHash, VolumeTable
from airgap_bundle.core.content import Digest, new_buffer
from airgap_bundle.core.errors import AirgapError, BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from airgap_bundle.bundle.layout import Layout
    from airgap_bundle.bundle.volumes.table import VolumeEntry

_FOREIGN = "AB-VOLUME-FOREIGN"
_COPY_AGAIN = "copy that volume again, from where the bundle was built, and compare it with sha256sum -c"


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
        """What stands there; less at its end, nothing where it cannot be read."""
        buffer = bytearray(size)
        done = 0
        try:
            while done < size and (count := self.read_at(offset + done, memoryview(buffer)[done:])):
                done += count
        except AirgapError:
            return b""
        return bytes(buffer[:done])

    def entry(self) -> VolumeEntry:
        """Its digests, of every byte of it."""
        hashing, buffer = VolumeHash(), new_buffer()
        while hashing.count < self.size and (count := self.read_at(hashing.count, buffer)):
            hashing.update(buffer[:count])
        return hashing.entry(volume_name("x", self.number))


class Witness(Protocol):
    """Somebody who knows what belongs where."""

    def fits(self, part: Part, number: int) -> bool | None:
        """Whether the bytes of `part` are those of volume `number`; None if this cannot be told."""
        ...


class TableWitness:
    """What a table says of the volumes. Not trusted."""

    def __init__(self, table: VolumeTable) -> None:
        self._entries = table.entries
        self._starts: dict[int, Digest] = {}

    def fits(self, part: Part, number: int) -> bool | None:
        """By length and the first bytes."""
        if number > len(self._entries):
            return None
        entry = self._entries[number - 1]
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspicion:
    """Volumes, and everybody who can say something about them."""

    name: str
    parts: Sequence[Part]
    tables: Mapping[Path, VolumeTable]
    layout: Layout | None
    bundle_id: Digest | None

    @property
    def table(self) -> VolumeTable | None:
        """The one of this very bundle where its id is known, else the first."""
        ours = [one for one in self.tables.values() if self.bundle_id in {None, one.bundle_id}]
        return next(iter(ours), None)

    def by_layout(self) -> BundleError | None:
        """What is wrong at the seams, and with the lengths. Certain."""
        if self.layout is None:
            return None
        fits = sum(part.size for part in self.parts) == self.layout.total_bytes
        actual = [(part.start, part.end) for part in self.parts]
        if fits and (self._complaint(LayoutWitness(self.layout, actual)) is None):
            return None
        # One volume of another length moves all behind it: so they are looked at where they should be.
        slots = self._slots(self.layout.total_bytes)
        complaint = self._complaint(LayoutWitness(self.layout, slots)) if slots else None
        if complaint is not None and complaint.code != _FOREIGN:
            return complaint
        for part, (start, end) in zip(self.parts, slots, strict=False):
            if part.size < end - start:
                return _truncated(part, f"{end - start}")
            if part.size > end - start:
                return _appended(part, f"{end - start}")
        return complaint or (self._complaint(LayoutWitness(self.layout, actual)) if fits else None)

    def _slots(self, total_bytes: int) -> list[tuple[int, int]]:
        """Where volumes of one length would lie, the last one being the rest; empty where there are more or fewer."""
        step = max(part.size for part in self.parts) if len(self.parts) > 1 else total_bytes
        starts = range(0, total_bytes, max(1, step))
        return [(at, min(at + step, total_bytes)) for at in starts] if len(starts) == len(self.parts) else []

    def by_table(self) -> BundleError | None:
        """What the tables complain about. Not certain."""
        for part in self.parts:
            beside = self.tables.get(part.place)
            if self.table is not None and beside is not None and beside.bundle_id != self.table.bundle_id:
                return _foreign(part, self.name, f"{part.place / table_name(self.name)} names another bundle")
        if self.table is None:
            return None
        entries = self.table.entries
        if len(self.parts) > len(entries):
            return _foreign(self.parts[len(entries)], self.name, f"the bundle has {len(entries)} volumes")
        if len(self.parts) < len(entries):
            return missing(self.name, tuple(range(len(self.parts) + 1, len(entries) + 1)))
        return self._complaint(TableWitness(self.table))

    def alone(self) -> BundleError | None:
        """What the table complains about where one volume is all that is in reach. Not certain."""
        (part,) = self.parts
        if self.table is None:
            return None
        beside = self.tables.get(part.place)
        if beside is not None and beside.bundle_id != self.table.bundle_id:
            return _foreign(part, self.name, f"{part.place / table_name(self.name)} names another bundle")
        witness, count = TableWitness(self.table), len(self.table.entries)
        if part.number > count:
            return _foreign(part, self.name, f"the bundle has {count} volumes")
        if witness.fits(part, part.number):
            return None
        for number in range(1, count + 1):
            if witness.fits(part, number):
                return _foreign(part, self.name, f"it holds volume {number}")
        return self._length(part, witness) or _foreign(part, self.name, "its first bytes are others")

    def doubtful(self) -> list[Part]:
        """The volumes that a table complains about, for whoever wants to know for certain."""
        if self.table is None:
            return []
        witness, ours = TableWitness(self.table), self.table.bundle_id
        return [
            part
            for part in self.parts
            if witness.fits(part, part.number) is not True
            or ((beside := self.tables.get(part.place)) is not None and beside.bundle_id != ours)
        ]

    def _complaint(self, witness: Witness) -> BundleError | None:
        wrong = [part for part in self.parts if witness.fits(part, part.number) is False]
        for part in wrong:
            for other in self.parts:
                if other is part or witness.fits(part, other.number) is not True:
                    continue
                if witness.fits(other, other.number) is True:
                    return _twice(part, other)
                return _swapped(part, other)
        for part in wrong:
            if self.table is not None and (error := self._length(part, TableWitness(self.table))):
                return error
        return _foreign(wrong[0], self.name, "its bytes do not go on where those before it end") if wrong else None

    def _length(self, part: Part, witness: TableWitness) -> BundleError | None:
        table = self.table
        if table is None or part.number > len(table.entries):
            return None
        entry = table.entries[part.number - 1]
        if part.size == entry.size:
            return None
        if part.size > entry.size and witness.starts_like(part, entry):
            return _appended(part, f"{entry.size}, as {table_name(self.name)} says")
        if part.size < min(entry.size, START_BYTES) or witness.starts_like(part, entry):
            return _truncated(part, f"{entry.size}, as {table_name(self.name)} says")
        return None


def blame(error: BundleError, suspicion: Suspicion, start: int, end: int) -> BundleError:
    """`error` was found from `start` to `end`, so something is wrong for certain: who is most likely to blame for it.

    1. A volume that is not in its place by the seams; then what the table complains about.
    2. Bytes that should be there and are not: the volumes behind the last one are missing.
    3. Else one of the volumes that the bytes lie in: the one whose digest is not that of the table.
    """
    # 1.
    known = suspicion.by_layout() or suspicion.by_table()
    if known is not None:
        return known
    last = suspicion.parts[-1]
    # 2.
    if start >= last.end:
        return _behind_the_end(suspicion, last)
    touched = [part for part in suspicion.parts if part.start < end and start < part.end]
    # 3.
    table = suspicion.table
    if table is not None:
        damaged = [part for part in touched if _is_damaged(part, table)]
        if damaged:
            return BundleError(
                "AB-VOLUME-DAMAGED",
                f"{' and '.join(part.name for part in damaged)} is damaged: its digest is not the one in "
                f"{table_name(suspicion.name)} ({error.message})",
                hint=_COPY_AGAIN,
            )
    names = " or ".join(part.name for part in touched)
    return BundleError(error.code, f"{error.message} (look at {names})", hint=_COPY_AGAIN)


def missing(name: str, numbers: Sequence[int], why: str = "") -> BundleError:
    """Some volumes are nowhere; `why` where more is known."""
    shown = ", ".join(volume_name(name, number) for number in numbers[:5])
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""  # noqa: PLR2004 - as many as are shown
    return BundleError(
        "AB-VOLUME-MISSING",
        f"{'a volume is' if len(numbers) == 1 else 'volumes are'} missing: {shown}{more}"
        + (f" ({why})" if why else ""),
        hint="name the other media with --media DIR (repeatable), or wait for them with --wait-media SECONDS",
    )


def _behind_the_end(suspicion: Suspicion, last: Part) -> BundleError:
    """The whole is too short. All volumes but the last are equally long, so a shorter one is the last, or was cut."""
    first = suspicion.parts[0]
    shorter = [part for part in suspicion.parts[:-1] if part.size < first.size]
    if shorter:
        return _truncated(shorter[0], str(first.size))
    numbers = [last.number + 1]
    if suspicion.layout is not None:
        left = suspicion.layout.total_bytes - last.end
        numbers = list(range(last.number + 1, last.number + 1 - (-left // max(1, first.size))))
    return missing(suspicion.name, numbers)


def _is_damaged(part: Part, table: VolumeTable) -> bool:
    if part.number > len(table.entries):
        return False
    try:
        return part.entry().digest != table.entries[part.number - 1].digest
    except AirgapError:
        return True


def _truncated(part: Part, due: str) -> BundleError:
    return BundleError(
        "AB-BUNDLE-TRUNCATED", f"{part.name} is truncated: it has {part.size} bytes instead of {due}", hint=_COPY_AGAIN
    )


def _appended(part: Part, due: str) -> BundleError:
    return BundleError(
        "AB-BUNDLE-TRAILING",
        f"{part.name} is too long: it has {part.size} bytes instead of {due}",
        hint="somebody has appended to it: use the volume as it was written",
    )


def _twice(part: Part, other: Part) -> BundleError:
    return BundleError(
        "AB-VOLUME-TWICE",
        f"{part.name} is a second copy of {other.name}, and volume {part.number} itself is missing",
        hint=f"copy volume {part.number} again, from where the bundle was built",
    )


def _swapped(part: Part, other: Part) -> BundleError:
    return BundleError(
        "AB-VOLUME-SWAPPED",
        f"{part.name} holds volume {other.number}, and {other.name} does not: they have each other's names",
        hint="give them the names that they were written under; nothing else is wrong with them",
    )


def _foreign(part: Part, name: str, why: str) -> BundleError:
    return BundleError(
        _FOREIGN,
        f"{part.name} is no volume of this bundle {name}, or its beginning is damaged: {why}",
        hint="look for the volume that was written together with the others, and take this one away",
    )
