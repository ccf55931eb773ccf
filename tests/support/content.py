"""What a tag points to, with all that hangs below it, ready to be put into a registry or a directory."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from airgap_bundle.core.content import BytesSource, new_buffer
from airgap_bundle.core.oci import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from airgap_bundle.core.content import Digest, Source
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import Registry


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageContent:
    """What a tag points to, with all that hangs below it.

    `documents` has the manifests and indexes, children before parents and `root` last; `blobs` the configs and layers.
    `referrers` are attached to documents of this image, and may have referrers of their own.
    """

    root: Document
    documents: tuple[Document, ...]
    blobs: Mapping[Digest, bytes]
    referrers: tuple[ImageContent, ...] = ()

    @property
    def digest(self) -> Digest:
        """The digest of the root."""
        return self.root.descriptor.digest

    def all_documents(self) -> tuple[Document, ...]:
        """Own documents, then those of the referrers, and theirs."""
        return (*self.documents, *(document for each in self.referrers for document in each.all_documents()))

    def all_blobs(self) -> dict[Digest, bytes]:
        """Own blobs and those of the referrers, and theirs."""
        result = dict(self.blobs)
        for each in self.referrers:
            result |= each.all_blobs()
        return result

    def with_referrers(self, *referrers: ImageContent) -> ImageContent:
        """The same image with more attached to it."""
        return ImageContent(
            root=self.root, documents=self.documents, blobs=self.blobs, referrers=(*self.referrers, *referrers)
        )

    def push_to(self, registry: Registry, repository: str, tag: str = "") -> None:
        """Put everything into `repository`: blobs, children by digest, the root under `tag`, then what is attached.

        Without a tag the root too is put by its digest.
        """
        buffer = new_buffer(64 * 1024)
        for digest, data in self.blobs.items():
            registry.push_blob(repository, digest, len(data), partial(_open, data), buffer=buffer)
        for document in self.documents[:-1]:
            registry.put_manifest(repository, document.descriptor.digest, document)
        registry.put_manifest(repository, tag or self.digest, self.root)
        for referrer in self.referrers:
            referrer.push_to(registry, repository)

    def write_layout(self, directory: Path, name: str) -> None:
        """Add everything to the OCI image layout in `directory` (made if missing) under the reference name `name`."""
        index = directory / "index.json"
        entries = json.loads(index.read_bytes())["manifests"] if index.exists() else []
        entries.append({**pointer(self.root), "annotations": {"org.opencontainers.image.ref.name": name}})
        contents = self.all_blobs() | {each.descriptor.digest: each.raw for each in self.all_documents()}
        for digest, data in contents.items():
            path = directory / "blobs" / digest.algorithm / digest.encoded
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        index.write_text(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """Images by repository and tag, as a registry would hold them."""

    tags: Mapping[tuple[str, str], ImageContent] = field(default_factory=dict)

    def push_to(self, registry: Registry, *, below: str = "") -> None:
        """Put every image into the registry, in repositories below the path `below`."""
        for (repository, tag), content in self.tags.items():
            content.push_to(registry, f"{below}/{repository}" if below else repository, tag)


def pointer(document: Document) -> dict[str, Any]:
    """A descriptor of the document, as JSON has it."""
    descriptor = document.descriptor
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def _open(data: bytes) -> AbstractContextManager[Source]:
    return nullcontext(BytesSource(data))
