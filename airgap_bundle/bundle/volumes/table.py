"""`NAME.volumes.json`, which says what each volume should be, and `NAME.sha256`.

Nobody signs the table. It only helps to say which volume is at fault when the bundle is not what its signed inventory
says; whoever wrote a wrong one has changed nothing but that sentence. FORMAT.md section 8. Opens nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.bundle.volumes.naming import MAX_VOLUMES, parse_volume_name, volume_name
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import MAX_SIZE_BYTES, Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLE_TYPE = "application/vnd.airgap-bundle.volumes+json"
FORMAT = "1.0"
# 999 entries of 500 bytes, with a name as long as file systems have.
MAX_TABLE_BYTES = 1024 * 1024
# The beginning of a volume that tells it from the others: read from a stick in a moment, and no two layers share it.
START_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeEntry:
    """What one volume should be. `start` is the digest of its first `START_BYTES`, or of all of it if it is shorter."""

    name: str
    size: int
    digest: Digest
    start: Digest

    def __post_init__(self) -> None:
        """Refuse what no volume can be."""
        if parse_volume_name(self.name) is None:
            raise InvalidValueError(f"not the name of a volume: {self.name[:100]!r}")
        if not 0 < self.size <= MAX_SIZE_BYTES:
            raise InvalidValueError(f"{self.name} cannot have {self.size} bytes")


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeTable:
    """All volumes of a bundle, in their order."""

    bundle_id: Digest
    entries: tuple[VolumeEntry, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """They are numbered from 001 on, and have one name."""
        if not 0 < len(self.entries) <= MAX_VOLUMES:
            raise InvalidValueError(f"{len(self.entries)} volumes; 1 to {MAX_VOLUMES} are allowed")
        parsed = parse_volume_name(self.entries[0].name)
        for number, entry in enumerate(self.entries, 1):
            if parsed is None or entry.name != volume_name(parsed[0], number):
                raise InvalidValueError(f"{entry.name[:100]!r} stands where volume {number} should")

    @property
    def total_bytes(self) -> int:
        """The length of the bundle."""
        return sum(entry.size for entry in self.entries)


def dump_table(table: VolumeTable) -> bytes:
    """Canonical JSON (RFC 8785): the same volumes give the same bytes."""
    return strictjson.canonical(
        {
            "_type": TABLE_TYPE,
            "format": FORMAT,
            "bundleId": table.bundle_id,
            "volumes": [
                {"name": one.name, "size": one.size, "digest": one.digest, "start": one.start} for one in table.entries
            ],
        }
    )


def parse_table(raw: bytes) -> VolumeTable:
    """What a table says, unverified; `InvalidValueError` where it is none."""
    with Fields(strictjson.parse_object(raw, max_bytes=MAX_TABLE_BYTES)) as fields:
        if fields.text("_type") != TABLE_TYPE or fields.text("format") != FORMAT:
            raise InvalidValueError(f"not a table of volumes of format {FORMAT}")
        return VolumeTable(bundle_id=fields.digest("bundleId"), entries=fields.each("volumes", _entry))


def _entry(fields: Fields) -> VolumeEntry:
    return VolumeEntry(
        name=fields.text("name"),
        size=fields.number("size"),
        digest=fields.digest("digest"),
        start=fields.digest("start"),
    )


def dump_sums(digests: Iterable[tuple[str, Digest]]) -> bytes:
    """Lines for `sha256sum -c`, in the order of the names."""
    return b"".join(f"{digest.encoded}  {name}\n".encode() for name, digest in sorted(digests))


class VolumeHash:
    """The digests of one volume, taken from its bytes as they pass, from front to back."""

    def __init__(self) -> None:
        self._all = hashlib.sha256()
        self._start = hashlib.sha256()
        self.count = 0

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        if self.count < START_BYTES:
            self._start.update(memoryview(data)[: START_BYTES - self.count])
        self._all.update(data)
        self.count += len(data)

    def entry(self, name: str) -> VolumeEntry:
        """What was taken, as the volume of this name."""
        return VolumeEntry(
            name=name,
            size=self.count,
            digest=Digest(f"sha256:{self._all.hexdigest()}"),
            start=Digest(f"sha256:{self._start.hexdigest()}"),
        )
