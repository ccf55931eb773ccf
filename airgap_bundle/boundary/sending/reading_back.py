"""Reads a blob back from the destination, where it is needed once more and the bundle cannot give it (again)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airgap_bundle.boundary.sending.presence import lost
from airgap_bundle.core.content import ContentMismatchError
from airgap_bundle.core.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.core.content import Digest, Source
    from airgap_bundle.registry.abilities import Registry


@contextmanager
def open_there(registry: Registry, destination: str, repository: str, digest: Digest, size: int) -> Iterator[Source]:
    """A blob as the destination has it, to be compared by whoever copies it.

    `RegistryError` where it is gone since it was asked for, and where its bytes turn out to be others.
    """
    try:
        stream = registry.open_blob(repository, digest, size)
    except RegistryError as error:
        if registry.has_blob(repository, digest, size):
            raise
        raise lost(destination, repository, digest) from error
    with stream:
        try:
            yield stream
        except ContentMismatchError as error:
            raise RegistryError(
                "AB-REGISTRY-CONTENT",
                f"{destination} sends other bytes for {digest} of {repository} than it should",
                hint="its storage is damaged; airgap-import drift --deep finds what else is",
            ) from error
