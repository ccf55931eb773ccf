"""Image documents that the bundle holds which is to be built, where it was built before: nobody is asked for them.

What lies there may be anything: each document is compared with the digest that it is asked for by.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from airgap_bundle.bundle.reader import BundleReader, read_head, read_inventory
from airgap_bundle.bundle.volumes.naming import is_of_volumes
from airgap_bundle.core.errors import AirgapError, BundleError, InvalidValueError
from airgap_bundle.core.oci import MAX_DOCUMENT_BYTES, parse_document
from airgap_bundle.transfer.opening import open_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Document


class HeldDocuments:
    """The documents in one bundle. Safe between threads."""

    def __init__(self, reader: BundleReader) -> None:
        self._unverified_reader = reader
        self._lock = threading.Lock()

    def document(self, digest: Digest, media_type: str) -> Document | None:
        """The document of this digest, compared with it; None where it is not there, or is of another type.

        `BundleError` where it is damaged: then that bundle is no good, and has to go.
        """
        extent = self._unverified_reader.layout.extents.get(digest)
        if extent is None or extent.size > MAX_DOCUMENT_BYTES:
            return None
        try:
            with self._lock:
                raw = self._unverified_reader.read_blob(digest)
            return parse_document(raw, media_type)
        except BundleError as error:
            raise BundleError(
                error.code, error.message, hint="move it away, and run the same command again: it is built anew"
            ) from error
        except InvalidValueError:
            # It does not say itself what it is: then the registry does.
            return None


@contextmanager
def documents_of(out: Path | None) -> Iterator[HeldDocuments | None]:
    """Those of the bundle `out`, one file or volumes; None where there is none that can be read."""
    with ExitStack() as stack:
        yield None if out is None else _open(out, stack)


def _open(out: Path, stack: ExitStack) -> HeldDocuments | None:
    if not _is_there(out):
        return None
    try:
        medium = stack.enter_context(open_bundle(str(out))).medium
        head = read_head(medium)
        return HeldDocuments(BundleReader(medium, head, read_inventory(head, medium.name)))
    except AirgapError:
        # Whatever it is, the build says what it thinks of it.
        return None


def _is_there(out: Path) -> bool:
    """Whether the bundle or volumes of it may be: most builds are the first."""
    try:
        return out.exists() or any(is_of_volumes(one.name) for one in out.parent.iterdir())
    except OSError:
        return False
