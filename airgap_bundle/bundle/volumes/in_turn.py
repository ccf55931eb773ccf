"""Volumes that are not in reach together: one stick after another, read from front to end as a stream is.

Each is opened when it is due and closed as soon as it was read, so that its medium can be taken out. Nothing is copied.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.volumes.complaints import shrunk, somewhere_in
from airgap_bundle.bundle.volumes.diagnosis import Suspicion
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
        self._position = 0
        self._total_bytes: int | None = None
        self._bundle_id: Digest | None = None
        self._returns = 0
        self._seen: list[tuple[str, int, int]] = []
        self._doubted: tuple[int, int, int] | None = None

    def expect(self, total_bytes: int, bundle_id: Digest) -> None:
        """What the signed inventory says: no volume is asked for behind the end."""
        self._total_bytes, self._bundle_id = total_bytes, bundle_id

    def read_at(self, offset: int, buffer: memoryview) -> int:
        """The next bytes; `offset` says where the caller believes to be. Asks for the next volume where one ends."""
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
            self._start, self._returns = self._position, 0
            self._seen.append((file.name, self._start, self._start + (file.size or 0)))

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
            start=self._position,
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
