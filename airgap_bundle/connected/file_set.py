"""The files of a manifest as one OCI artifact: a layer for each, named by its title. A function of the lock alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.inventory import Item
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.oci import OCI_EMPTY, OCI_MANIFEST, TITLE, Document, parse_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.manifest.locked import LockedItem

FILES_TYPE = "application/vnd.airgap-bundle.files.v1"
_EMPTY_CONFIG = b"{}"


def files_path(product: str) -> str:
    """The repository below DEST that a product's files go to."""
    return f"files/{product}"


def file_set(product: str, version: str, files: Sequence[LockedItem]) -> tuple[Item, Document, bytes]:
    """The inventory's item, the artifact's manifest, and the bytes of its empty config."""
    raw = strictjson.canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": FILES_TYPE,
            "config": {"mediaType": OCI_EMPTY, "digest": Digest.of(_EMPTY_CONFIG), "size": len(_EMPTY_CONFIG)},
            "layers": [
                {
                    "mediaType": file.media_type,
                    "digest": file.digest,
                    "size": file.size,
                    "annotations": {TITLE: file.path},
                }
                for file in files
            ],
            "annotations": {"org.opencontainers.image.version": version, TITLE: f"files of {product}"},
        }
    )
    document = parse_document(raw, OCI_MANIFEST)
    item = Item(
        kind="files",
        source=f"{files_path(product)}:{version}",
        path=files_path(product),
        tag=version,
        digest=document.descriptor.digest,
        media_type=OCI_MANIFEST,
        size=len(raw),
    )
    return item, document, _EMPTY_CONFIG
