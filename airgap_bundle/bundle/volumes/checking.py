"""Looks at the volumes of a bundle before any of it is used: none is missing, out of place, or of another bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.media import FileMedium, StreamMedium
from airgap_bundle.core.content import copy_verified, new_buffer
from airgap_bundle.core.errors import BundleError

if TYPE_CHECKING:
    from airgap_bundle.bundle.reader import BundleReader
    from airgap_bundle.core.content import Digest


class _Nowhere:
    def write(self, data: memoryview, /) -> None:
        """Forget it."""


def check_shape(reader: BundleReader, bundle_id: Digest) -> None:
    """The bundle is as long as its inventory demands, and each of its volumes is in its place; else `BundleError`.

    1. Every volume at its seam, and the length of the whole: certain, and read in a moment.
    2. Where the table beside them complains all the same, what lies in those volumes is read: the inventory decides.
       So a volume within one long blob is found out before anything is sent, and a table that lies is only a warning.

    Of volumes that come one after another only the length of the whole is known; each is checked as it comes.
    """
    medium = reader.medium
    if isinstance(medium, FileMedium | StreamMedium):
        reader.check_length()
        return
    from airgap_bundle.bundle.volumes.in_turn import InTurnMedium  # noqa: PLC0415 - most bundles are one file
    from airgap_bundle.bundle.volumes.joined import JoinedMedium  # noqa: PLC0415 - the same

    if isinstance(medium, InTurnMedium):
        medium.expect(reader.layout.total_bytes, bundle_id)
    if not isinstance(medium, JoinedMedium):
        reader.check_length()
        return
    # 1.
    medium.know(reader.layout, bundle_id)
    reader.check_length()
    suspicion = medium.suspicion()
    if error := suspicion.by_layout():
        raise medium.explain(error, 0, reader.layout.total_bytes)
    # 2.
    complaint = suspicion.by_table()
    if complaint is None:
        return
    doubtful = suspicion.doubtful()
    buffer = new_buffer()
    for extent in reader.layout.extents.values():
        if any(part.start < extent.end and extent.header_at < part.end for part in doubtful):
            try:
                with reader.open_blob(extent.digest) as source, reader.damage_of(extent.digest):
                    copy_verified(source, _Nowhere(), digest=extent.digest, size=extent.size, buffer=buffer)
            except BundleError as error:
                raise complaint from error
    medium.warn(f"the table beside {medium.name} is wrong, and not believed: the volumes are good ({complaint})")
