"""Layers that podman and containerd can unpack."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

_MADE_AT_SECONDS = 1_700_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A packed layer and the digest of its tar, which the config has to name."""

    data: bytes
    diff_id: Digest


def pack(files: Mapping[str, bytes]) -> Layer:
    """The gzipped tar of some files, the same for the same files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), _MADE_AT_SECONDS, 0o644
            tar.addfile(entry, io.BytesIO(data))
    return Layer(data=gzip.compress(raw.getvalue(), 6, mtime=0), diff_id=Digest.of(raw.getvalue()))


def layer(seed: str, *, size: int = 2000) -> Layer:
    """A layer of three files, `size` bytes of them such that no packer makes them smaller."""
    noise = random.Random(f"layer {seed}")
    stem = hashlib.sha256(seed.encode()).hexdigest()[:8]
    return pack(
        {
            f"opt/{stem}/README": f"made from {seed}\n".encode() * 20,
            f"opt/{stem}/data": noise.randbytes(size),
            f"etc/{stem}.conf": b"",
        }
    )
