"""Says which volume is at fault, and how: missing, truncated, swapped, twice, of another bundle, or damaged.

What the signed inventory says is certain. What the table says explains what is wrong for certain, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.bundle.volumes import complaints
from airgap_bundle.bundle.volumes.naming import table_name
from airgap_bundle.bundle.volumes.table import START_BYTES, VolumeTable
from airgap_bundle.bundle.volumes.witnesses import (
    FirstBlockWitness,
    LayoutWitness,
    Part,
    TableWitness,
    Witness,
    slots_of,
    usual_size,
)
from airgap_bundle.core.errors import AirgapError, BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from airgap_bundle.bundle.layout import Layout
    from airgap_bundle.core.content import Digest

# These say what has happened, and what to do about it: nothing else explains more.
_TELLING = {complaints.SWAPPED, complaints.TWICE}


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
        total = self.layout.total_bytes
        at_seams = None
        if sum(part.size for part in self.parts) == total:
            at_seams = self._misplaced(LayoutWitness(self.layout, [(part.start, part.end) for part in self.parts]))
            if at_seams is None:
                return None
        beyond = [part for part in self.parts if part.start >= total]
        if beyond:
            return complaints.foreign(beyond[0].name, self.name, f"the bundle ends with volume {beyond[0].number - 1}")
        # One volume of another length moves all behind it: so they are looked at where they should be.
        slots = slots_of(self.parts, total)
        misplaced = self._misplaced(LayoutWitness(self.layout, slots)) if slots else None
        if misplaced is not None and misplaced.code in _TELLING:
            return misplaced
        return self._of_another_length([end - start for start, end in slots]) or misplaced or at_seams

    def by_table(self) -> BundleError | None:
        """What the tables complain about. Not certain."""
        table = self.table
        if table is None:
            return self._by_other_table()
        for part in self.parts:
            if error := self._beside_another(part, table):
                return error
        entries = table.entries
        if len(self.parts) > len(entries):
            return complaints.foreign(self.parts[len(entries)].name, self.name, f"there are {len(entries)} volumes")
        if len(self.parts) < len(entries):
            return complaints.missing(self.name, tuple(range(len(self.parts) + 1, len(entries) + 1)))
        witness = TableWitness(table)
        misplaced = self._misplaced(witness)
        if misplaced is not None and misplaced.code not in _TELLING:
            lengths = [self._length(part, witness) for part in self.parts]
            return next((error for error in lengths if error), misplaced)
        return misplaced

    def by_shape(self) -> BundleError | None:
        """What can be seen without anybody's word: who begins as a bundle, and who has another length. A guess."""
        usual = usual_size(self.parts)
        sizes = [usual] * (len(self.parts) - 1)
        misplaced = self._misplaced(FirstBlockWitness())
        telling = misplaced if misplaced is not None and misplaced.code in _TELLING else None
        return telling or self._of_another_length(sizes)

    def alone(self) -> BundleError | None:
        """What the table complains about where one volume is all that is in reach. Not certain."""
        (part,) = self.parts
        if self.table is None:
            return None
        if error := self._beside_another(part, self.table):
            return error
        witness, count = TableWitness(self.table), len(self.table.entries)
        if part.number > count:
            return complaints.foreign(part.name, self.name, f"there are {count} volumes")
        if witness.fits(part, part.number):
            return None
        held = next((number for number in range(1, count + 1) if witness.fits(part, number)), None)
        if held is not None:
            return complaints.foreign(part.name, self.name, f"it holds volume {held}")
        return self._length(part, witness) or complaints.foreign(part.name, self.name, "its first bytes are others")

    def doubtful(self) -> list[Part]:
        """The volumes that a table complains about, for whoever wants to know for certain."""
        if self.table is None:
            return []
        witness = TableWitness(self.table)
        return [
            part
            for part in self.parts
            if witness.fits(part, part.number) is not True or self._beside_another(part, self.table)
        ]

    def _beside_another(self, part: Part, table: VolumeTable) -> BundleError | None:
        """A volume lies beside the table of another bundle."""
        beside = self.tables.get(part.place)
        if beside is None or beside.bundle_id == table.bundle_id:
            return None
        why = f"{part.place / table_name(self.name)} names another bundle"
        return complaints.foreign(part.name, self.name, why)

    def _by_other_table(self) -> BundleError | None:
        """The first volume says which bundle it is, no table knows of it: is the first volume the odd one?"""
        for table in self.tables.values():
            witness = TableWitness(table)
            odd = [part for part in self.parts if witness.fits(part, part.number) is not True]
            if odd and len(odd) < len(self.parts) and odd[0].number == 1:
                return complaints.foreign(odd[0].name, self.name, "the others belong to another bundle")
        return None

    def _misplaced(self, witness: Witness) -> BundleError | None:
        """The first volume that is not in its place, and where it belongs if that can be told."""
        wrong = [part for part in self.parts if witness.fits(part, part.number) is False]
        for part in wrong:
            for other in self.parts:
                if other is part or witness.fits(part, other.number) is not True:
                    continue
                if witness.fits(other, other.number) is True:
                    return complaints.twice(part.name, other.name, part.number)
                return complaints.swapped(part.name, other.name, other.number)
        if not wrong:
            return None
        return complaints.foreign(wrong[0].name, self.name, "its bytes do not go on where those before it end")

    def _of_another_length(self, sizes: Sequence[int]) -> BundleError | None:
        """The first volume whose length is not the one due."""
        for part, size in zip(self.parts, sizes, strict=False):
            last = self.parts[-1]
            if part.size != size and (part.size, last.size) == (sizes[-1], size) and part is not last:
                return complaints.swapped(part.name, last.name, last.number)
            if part.size < size:
                return complaints.truncated(part.name, part.size, str(size))
            if part.size > size:
                return complaints.appended(part.name, part.size, str(size))
        return None

    def _length(self, part: Part, witness: TableWitness) -> BundleError | None:
        if part.number > len(witness.entries):
            return None
        entry = witness.entries[part.number - 1]
        due = f"{entry.size}, as {table_name(self.name)} says"
        if part.size > entry.size and witness.starts_like(part, entry):
            return complaints.appended(part.name, part.size, due)
        if part.size < entry.size and (part.size < START_BYTES or witness.starts_like(part, entry)):
            return complaints.truncated(part.name, part.size, due)
        return None


def blame(error: BundleError, suspicion: Suspicion, start: int, end: int) -> BundleError:
    """`error` was found from `start` to `end`, so something is wrong for certain: who is most likely to blame for it.

    1. A volume that is not in its place: by the seams or by the table, whoever can say more; else by what can be seen.
    2. Bytes that should be there and are not: the volumes behind the last one are missing.
    3. Else one of the volumes that the bytes lie in: the one whose digest is not that of the table.

    `error` itself where the volumes cannot be looked at.
    """
    try:
        return _blame(error, suspicion, start, end)
    except AirgapError:
        return error


def _blame(error: BundleError, suspicion: Suspicion, start: int, end: int) -> BundleError:
    # 1.
    said = [one for one in (suspicion.by_layout(), suspicion.by_table()) if one is not None]
    if said and suspicion.table is None:
        # The table of another bundle has something to say only where the first volume alone is not of that one.
        return said[-1]
    if said:
        return next((one for one in said if one.code in _TELLING), said[0])
    last = suspicion.parts[-1]
    if suspicion.table is None and (seen := suspicion.by_shape()):
        return seen
    # 2.
    if start >= last.end:
        numbers = [last.number + 1]
        if suspicion.layout is not None:
            count = -(-(suspicion.layout.total_bytes - last.end) // max(1, suspicion.parts[0].size))
            numbers = list(range(last.number + 1, last.number + 1 + count))
        return complaints.missing(suspicion.name, numbers)
    # 3.
    touched = [part for part in suspicion.parts if part.start < end and start < part.end]
    table = suspicion.table
    bad = [part.name for part in touched if _is_damaged(part, table)] if table is not None else []
    if bad:
        return complaints.damaged(bad, table_name(suspicion.name), error)
    return complaints.somewhere_in(error, [part.name for part in touched])


def _is_damaged(part: Part, table: VolumeTable) -> bool:
    if part.number > len(table.entries):
        return False
    try:
        return part.entry().digest != table.entries[part.number - 1].digest
    except AirgapError:
        return True
