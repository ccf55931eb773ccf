"""Where the parts of a chart come from that is in no OCI registry: its package, and its provenance file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airgap_bundle.connected.local_files import open_local
from airgap_bundle.connected.supplies import FromDirectory, FromFile, FromWeb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.connected.stock import Stock
    from airgap_bundle.core.content import Source
    from airgap_bundle.core.report import Place
    from airgap_bundle.manifest.locked import LockedPart


def supply_of(part: LockedPart) -> FromWeb | FromDirectory | FromFile:
    """Where a part of a chart comes from."""
    if "://" in part.source:
        return FromWeb(part.source)
    if part.source.endswith("/"):
        return FromDirectory(part.source.removesuffix("/"), is_chart=True)
    return FromFile(part.source)


@contextmanager
def open_part(part: LockedPart, stock: Stock, place: Place) -> Iterator[Source]:
    """The bytes of a part, compared with the lock where they come from the cache."""
    supply = supply_of(part)
    if isinstance(supply, FromFile):
        with open_local(stock.directory, supply.path, place) as source:
            yield source
    else:
        with stock.open(supply, part.digest, part.size, place) as source:
            yield source
