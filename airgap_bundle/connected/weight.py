"""How many bytes of image documents one bundle may have: the inside keeps all of them in memory, and so do we."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.closure import MAX_DOCUMENTS_BYTES
from airgap_bundle.core.errors import DocumentError

if TYPE_CHECKING:
    from airgap_bundle.core.content import Digest


@dataclass(kw_only=True, slots=True)
class Weight:
    """A sum over documents, each counted once however many items share it. For one thread at a time."""

    limit_bytes: int = MAX_DOCUMENTS_BYTES
    total_bytes: int = 0
    _seen: set[Digest] = field(default_factory=set)

    def add(self, digest: Digest, size: int) -> None:
        """Count a document; `DocumentError` where it is one too many."""
        if digest in self._seen:
            return
        self._seen.add(digest)
        self.total_bytes += size
        if self.total_bytes > self.limit_bytes:
            raise DocumentError(
                "AB-LOCK-TOO-LARGE",
                f"the manifest names more than {self.limit_bytes} bytes of image manifests, too much for one bundle",
                hint="make several manifests of it, each with a part of the images",
            )
