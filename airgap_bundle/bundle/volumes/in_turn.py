"""Volumes that are not in reach together: one stick after another, read from front to end as a stream is.

Each is opened when it is due and closed as soon as it was read, so that its medium can be taken out. Nothing is copied.
Where a table says how long each is, those that nobody reads from are passed over: a person need not fetch them.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.volumes.complaints import shrunk, somewhere_in
from airgap_bundle.bundle.volumes.diagnosis import Suspicion
from airgap_bundle.bundle.volumes.naming import volume_name
from airgap_bundle.bundle.volumes.witnesses import Part
from airgap_bundle.core.errors import AirgapError, BundleError, HostError
from airgap_bundle.core.report import Remark, Severity

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.bundle.volumes.finding import FoundVolumes
    from airgap_bundle.bundle.volumes.supply import MediaPlaces
    from airgap_bundle.bundle.volumes.table import VolumeTable
    from airgap_bundle.core.content import Digest

# How often one volume may be put in again after its medium was pulled out or failed, before the medium is given up.
_MAX_RETURNS = 5


class InTurnMedium:
    """One bundle from volumes that come one after another, asked for as they are due. For one thread."""

    seekable = False
    size: int | None = None

    def __init__(self, found: FoundVolumes, places: MediaPlaces) -> None:
        self.name = found.name
        self._places = places
        self._tables: dict[Path, VolumeTable] = dict(found.unverified_tables)
        self._number = 0
        self._file: FileMedium | None = None
        self._start = 0
        self._next_start = 0
        self._position = 0
        self._total_bytes: int | None = None
        self._bundle_id: Digest | None = None
        self._returns = 0
        self._seen: list[tuple[str, int, int]] = []
        self._doubted: tuple[int, int, int] | None = None

    def expect(self, total_bytes: int, bundle_id: Digest) -> None:
        """What the signed inventory says: no volume is asked for behind the end."""
        self._total_bytes, self._bundle_id = total_bytes, bundle_id

    @property
    def can_pass_over(self) -> bool:
        """Whether bytes further on can be read without those before them: it is known in which volume they are."""
        return bool(self._lengths())

    def is_at_hand(self, offset: int) -> bool:
        """Whether no other volume has to be fetched to read what stands there."""
        return self._file is not None and self._start <= offset < self._start + (self._file.size or 0)

    def read_at(self, offset: int, buffer: memoryview) -> int:
        """What stands at `offset`: the next bytes, or some further on. Asks for the volume where it is not there."""
        if offset > self._position and self.can_pass_over:
            self._pass_to(offset)
        if offset != self._position:
            raise BundleError(
                "AB-BUNDLE-ORDER",
                f"{self.name} holds its content in another order than volumes can be read in one after another",
                hint="bring all volumes into reach at once: --media DIR for each medium",
            )
        while True:
            if self._file is None:
                if self._position == self._total_bytes:
                    return 0
                self._open_next()
                continue
            count = self._read(self._file, buffer)
            if count is None:
                continue
            if count or not len(buffer):
                self._position += count
                self._leave_if_read()
                return count
            self._check_whole(self._file)
            self._close_file()

    def explain(self, error: BundleError, start: int, end: int) -> BundleError:
        """The same fault, with the volumes that the bytes came from: those before the last are out of reach."""
        touched = [name for name, begin, stop in self._seen if start < stop and begin < end]
        return somewhere_in(error, touched)

    def close(self) -> None:
        """Let go of the volume that is open."""
        self._close_file()

    def _lengths(self) -> list[int]:
        """How long each volume is, by a table of this very bundle that agrees with the inventory; empty without one.

        Nobody signed it. Where it lies, headers are not where they should be, or digests do not fit.
        """
        for table in self._tables.values():
            if table.bundle_id == self._bundle_id and table.total_bytes == self._total_bytes:
                return [entry.size for entry in table.entries]
        return []

    def _pass_to(self, offset: int) -> None:
        """Go on at `offset`, in the volume that is open or in a later one."""
        if not self.is_at_hand(offset):
            self._close_file()
            ends = list(accumulate(self._lengths()))
            index = bisect_right(ends, offset)
            passed = range(self._number + 1, index + 1)
            if passed:
                first, last = volume_name(self.name, passed[0]), f" to .{passed[-1]:03d}" if len(passed) > 1 else ""
                message = f"{first}{last} {'is' if len(passed) == 1 else 'are'} not needed: nothing in there is lacking"
                self._places.supply.report(Remark(severity=Severity.NOTE, message=message))
            self._number, self._next_start = index, ends[index - 1] if index else 0
        self._position = offset

    def _read(self, file: FileMedium, buffer: memoryview) -> int | None:
        """None where the medium failed and the volume was put in again."""
        try:
            return file.read_at(self._position - self._start, buffer)
        except HostError as error:
            self._returns += 1
            if not self._places.supply.can_wait or self._returns > _MAX_RETURNS:
                raise
            self._close_file()
            self._number -= 1
            self._open_next(why=error.message, size=file.size)
            return None

    def _open_next(self, why: str = "", size: int | None = None) -> None:
        """Open the next volume, once it is there and is not plainly another one; `why` is what was wrong before."""
        number, returned = self._number + 1, bool(why)
        self._check_count(number)
        while True:
            found = self._places.wait_for(number, why)
            self._tables = {**found.unverified_tables, **self._tables}
            try:
                file, complaint = self._look_at(found.files[number], number, size)
            except AirgapError as error:
                # Pulled out again in between, or the medium cannot be read yet.
                if not self._places.supply.can_wait:
                    raise
                why = error.message
                continue
            if complaint is None or self._is_insisted_on(file, complaint):
                break
            file.close()
            if not self._places.supply.can_wait:
                raise complaint
            why = complaint.message
        self._file, self._number = file, number
        if not returned:
            self._start, self._returns = self._next_start, 0
            self._next_start = self._start + (file.size or 0)
            self._seen.append((file.name, self._start, self._next_start))

    def _check_count(self, number: int) -> None:
        """Where the last volume that the table names has passed, no other is asked for."""
        table = next(iter(self._tables.values()), None)
        if table is not None and number > len(table.entries):
            raise self.explain(
                BundleError(
                    "AB-BUNDLE-TRUNCATED",
                    f"{self.name} ends after {self._position} bytes, too early, and all volumes have been read",
                    hint="one of them was cut short: copy them again, and compare them with sha256sum -c",
                ),
                max(0, self._position - 1),
                self._position,
            )

    def _look_at(self, path: Path, number: int, size: int | None) -> tuple[FileMedium, BundleError | None]:
        """Open a volume that has just come; what is wrong with it, as far as can be seen from its beginning."""
        file = FileMedium(path, follow=False)
        if size is not None and file.size != size:
            return file, BundleError(
                "AB-VOLUME-FOREIGN",
                f"{file.name} is not the volume that was there before: it has {file.size} bytes instead of {size}",
                hint="put the same medium in again",
            )
        part = Part(
            number=number,
            name=file.name,
            start=self._next_start,
            size=file.size or 0,
            place=path.parent,
            read_at=file.read_at,
        )
        suspicion = Suspicion(name=self.name, parts=[part], tables=self._tables, layout=None, bundle_id=self._bundle_id)
        try:
            return file, suspicion.alone()
        except AirgapError:
            file.close()
            raise

    def _is_insisted_on(self, file: FileMedium, complaint: BundleError) -> bool:
        """Whether the person gives the very file again that the table complained about: the inventory will decide."""
        if self._places.supply.ask is None or self._places.supply.wait_seconds:
            return False
        if self._doubted == file.identity:
            self._places.supply.report(Remark(severity=Severity.WARNING, message=f"taken all the same: {complaint}"))
            return True
        self._doubted = file.identity
        return False

    def _check_whole(self, file: FileMedium) -> None:
        if file.size is not None and self._position - self._start < file.size:
            raise shrunk(file.name, self._position - self._start, file.size)

    def _leave_if_read(self) -> None:
        """Close a volume as soon as its last byte was read: its medium can be taken out then."""
        if self._file is not None and self._file.size == self._position - self._start:
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
