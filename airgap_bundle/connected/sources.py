"""Where content comes from: registries, files of other tools, the web, and what was fetched before.

One client for each host, made when it is first asked for.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.connected.cache import BlobCache, cache_directory
from airgap_bundle.connected.downloads import WebClient
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry.client import RegistryClient

if TYPE_CHECKING:
    from airgap_bundle.connected.archives import Archive
    from airgap_bundle.connected.at_hand import HeldDocuments
    from airgap_bundle.connected.chart_repository import Indexes
    from airgap_bundle.connected.stock import Stock
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import ReadableRegistry
    from airgap_bundle.registry.options import ClientOptions


class Sources:
    """Clients by host. Safe to use from several threads; `close` lets go of every connection.

    `directory` is what relative paths start from: that of the manifest. What `held` has is not asked for.
    """

    held: HeldDocuments | None = None

    def __init__(self, options: ClientOptions, directory: Path | None = None) -> None:
        self.directory = directory or Path()
        self.web = WebClient(options)
        self._indexes: Indexes | None = None
        self._options = options
        self._cache: BlobCache | None = None
        self._clients: dict[str, RegistryClient] = {}
        self._archives: dict[tuple[Path, str], Archive] = {}
        self._lock = threading.Lock()

    def registry(self, host: str) -> ReadableRegistry:
        """The client for a host."""
        with self._lock:
            client = self._clients.get(host)
            if client is None:
                client = self._clients[host] = RegistryClient(host, self._options)
            return client

    def document(self, host: str, repository: str, digest: Digest, media_type: str = "") -> Document:
        """An image document that must be there; `RegistryError` where it is not. `media_type` where that is known."""
        document = self.held.document(digest, media_type) if self.held is not None else None
        if document is None:
            document = self.registry(host).get_manifest(repository, digest)
        if document is None:
            raise RegistryError(
                "AB-REGISTRY-MISSING",
                f"{host}/{repository}@{digest} is not there any more",
                hint="the registry has lost or deleted it since the lock was made; make the lock again",
            )
        return document

    def at(self, origin: str) -> Sources:
        """Where an image comes from: these sources themselves, or with `origin` a file that stands in for them."""
        return InFile(self, origin) if origin else self

    def archive(self, origin: str) -> Archive:
        """The file that `origin` names, opened and looked through once."""
        from airgap_bundle.connected.archives import open_archive  # noqa: PLC0415 - most manifests name no files

        with self._lock:
            key = self.directory, origin
            if key not in self._archives:
                self._archives[key] = open_archive(self.directory, origin)
            return self._archives[key]

    @property
    def indexes(self) -> Indexes:
        """What chart repositories list."""
        from airgap_bundle.connected.chart_repository import Indexes  # noqa: PLC0415 - for classic charts alone

        with self._lock:
            if self._indexes is None:
                self._indexes = Indexes(self.web)
            return self._indexes

    @property
    def stock(self) -> Stock:
        """What is fetched or packed while locking."""
        from airgap_bundle.connected.stock import Stock  # noqa: PLC0415 - for charts and files alone

        with self._lock:
            if self._cache is None:
                self._cache = BlobCache(cache_directory(self._options.environment))
            return Stock(cache=self._cache, web=self.web, directory=self.directory)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()
        self.web.close()


class InFile(Sources):
    """A file of another tool in place of every registry: what it lacks is not looked for elsewhere."""

    def __init__(self, sources: Sources, origin: str) -> None:
        # Nothing of its own: it only answers for the registries.
        self.directory = sources.directory
        self._sources = sources
        self._origin = origin

    def registry(self, host: str) -> ReadableRegistry:  # noqa: ARG002 - one file stands in for all of them
        """The file."""
        return self._sources.archive(self._origin)

    def close(self) -> None:
        """Close what stands behind it."""
        self._sources.close()
