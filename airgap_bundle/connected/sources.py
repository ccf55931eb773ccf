"""The registries that content comes from: one client for each host, made when it is first asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry.client import RegistryClient

if TYPE_CHECKING:
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.registry.options import ClientOptions


class Sources:
    """Clients by host. Safe to use from several threads; `close` lets go of every connection."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._clients: dict[str, RegistryClient] = {}
        self._lock = threading.Lock()

    def registry(self, host: str) -> Registry:
        """The client for a host."""
        with self._lock:
            client = self._clients.get(host)
            if client is None:
                client = self._clients[host] = RegistryClient(host, self._options)
            return client

    def document(self, host: str, repository: str, digest: Digest) -> Document:
        """An image document that must be there; `RegistryError` where it is not."""
        document = self.registry(host).get_manifest(repository, digest)
        if document is None:
            raise RegistryError(
                "AB-REGISTRY-MISSING",
                f"{host}/{repository}@{digest} is not there any more",
                hint="the registry has lost or deleted it since the lock was made; make the lock again",
            )
        return document

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()
