"""What is known of the provenance of a chart that comes as a file: the verdict, made once and made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.connected.chart_package import read_chart
from airgap_bundle.connected.chart_parts import open_part
from airgap_bundle.connected.stock import read_local
from airgap_bundle.core.content import Digest, new_buffer
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.trust.provenance import (
    MAX_PROVENANCE_BYTES,
    Provenance,
    check_package,
    check_signature,
    parse_provenance,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.manifest.entries import ChartEntry
    from airgap_bundle.manifest.locked import LockedItem

_MAX_KEYRING_BYTES = 1024 * 1024


def keyring_verdict(
    entry: ChartEntry, provenance: Provenance, sources: Sources, *, now: dt.datetime
) -> tuple[Mapping[str, str], ...]:
    """Which key of the keyring signed a provenance that fits its package; nothing where no keyring is given."""
    if not entry.keyring:
        return ()
    keyring = read_local(sources.directory, entry.keyring, entry.place, _MAX_KEYRING_BYTES)
    fingerprint = check_signature(provenance, keyring, now=now, name=entry.source)
    return ({"method": "helm-provenance", "key": fingerprint, "keyring": entry.keyring},)


def provenance_verdict(
    item: LockedItem, entry: ChartEntry, sources: Sources, *, now: dt.datetime
) -> tuple[Mapping[str, str], ...]:
    """The same for a chart of a lock, from the parts that it names.

    `TrustError` where the keyring has not signed it, `InvalidValueError` where there is no provenance or another one.
    """
    if not entry.keyring:
        return ()
    if len(item.parts) < 2:  # noqa: PLR2004 - package and provenance file
        raise InvalidValueError("it has no provenance file")
    package, part = item.parts
    if part.size > MAX_PROVENANCE_BYTES:
        raise InvalidValueError(f"its provenance file has {part.size} bytes; {MAX_PROVENANCE_BYTES} are allowed")
    raw = bytearray()
    buffer = new_buffer(part.size + 1)
    with open_part(part, sources.stock, entry.place) as source:
        while (count := source.readinto(buffer)) and len(raw) <= part.size:
            raw += buffer[:count]
    if Digest.of(bytes(raw)) != part.digest:
        raise InvalidValueError("its provenance file has changed since the lock was made")
    with open_part(package, sources.stock, entry.place) as source:
        chart = read_chart(source, item.source)
    provenance = parse_provenance(bytes(raw), f"{item.source}.prov")
    check_package(provenance, chart.file_name, package.digest)
    return keyring_verdict(entry, provenance, sources, now=now)
