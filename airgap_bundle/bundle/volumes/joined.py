"""Volumes that are all in reach, read as the one bundle that they are: nothing is joined, copied or changed."""

from __future__ import annotations

import resource
from bisect import bisect_right
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.volumes.complaints import shrunk
from airgap_bundle.bundle.volumes.diagnosis import Suspicion, blame
from airgap_bundle.bundle.volumes.witnesses import Part
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.bundle.layout import Layout
    from airgap_bundle.bundle.volumes.finding import FoundVolumes
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.errors import BundleError

# What a command has open besides: connections, ledger, journal, standard streams.
_OTHER_FILES = 128


class JoinedMedium:
    """One bundle in several files, all of them open: what was checked is what is sent.

    Safe to use from several threads. `warn` hears of a table that says wrong things of good volumes.
    """

    seekable = True

    def __init__(self, found: FoundVolumes, warn: Callable[[str], None]) -> None:
        self.name = found.name
        self.warn = warn
        self._tables = dict(found.unverified_tables)
        allow_open_files(len(found.files))
        self._files: list[FileMedium] = []
        try:
            for number in sorted(found.files):
                self._files.append(FileMedium(found.files[number], follow=False))
        except BaseException:
            self.close()
            raise
        self._sizes = [file.size or 0 for file in self._files]
        self._starts = [0, *accumulate(self._sizes)]
        self.size: int | None = self._starts.pop()
        self._places = [found.files[number].parent for number in sorted(found.files)]
        self._layout: Layout | None = None
        self._bundle_id: Digest | None = None

    def read_at(self, offset: int, buffer: memoryview) -> int:
        """One positioned read, of one volume."""
        index = bisect_right(self._starts, offset) - 1
        within = offset - self._starts[index]
        if within >= self._sizes[index]:
            return 0
        count = self._files[index].read_at(within, buffer[: self._sizes[index] - within])
        if not count and len(buffer):
            raise shrunk(self._files[index].name, within, self._sizes[index])
        return count

    def know(self, layout: Layout, bundle_id: Digest) -> None:
        """What the signed inventory says: from now on a fault can be put down to a volume for certain."""
        self._layout, self._bundle_id = layout, bundle_id

    def explain(self, error: BundleError, start: int, end: int) -> BundleError:
        """The same fault, with the volume that is to blame."""
        return blame(error, self.suspicion(), start, end)

    def forget_cache(self) -> None:
        """Read from the media themselves from now on, as far as the system lets us."""
        for file in self._files:
            file.forget_cache()

    def close(self) -> None:
        """Let go of every file."""
        while self._files:
            self._files.pop().close()

    def suspicion(self) -> Suspicion:
        """The volumes, and everybody who can say something about them."""
        parts = [
            Part(number=number, name=file.name, start=start, size=size, place=place, read_at=file.read_at)
            for number, (file, start, size, place) in enumerate(
                zip(self._files, self._starts, self._sizes, self._places, strict=True), 1
            )
        ]
        return Suspicion(
            name=self.name, parts=parts, tables=self._tables, layout=self._layout, bundle_id=self._bundle_id
        )


def allow_open_files(count: int) -> None:
    """Let this process have `count` files open besides its others; `HostError` where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or wanted <= soft:
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return
    raise HostError(
        "AB-HOST-OPEN-FILES",
        f"{count} volumes have to be open at once, and this process may have {soft} files open",
        hint="raise the limit (ulimit -n 2048), or cut the bundle into fewer volumes",
    )
