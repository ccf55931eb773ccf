"""Small bundles, made with the real layout, inventory and views, whole or with one thing wrong.

`parts_of` turns image content into the parts of a bundle. A test changes what it is about with `dataclasses.replace`,
and `Parts.assemble` puts the bytes together; nothing there checks whether they make sense.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from support.content import Corpus
from support.images import helm_chart, referrer, single_image

from airgap_bundle.bundle import layout
from airgap_bundle.bundle.inventory import BlobEntry, Inventory, Item, MemberEntry, dump_inventory
from airgap_bundle.bundle.layout import blob_name, member_bytes
from airgap_bundle.bundle.signatures import SignatureFile, build_area
from airgap_bundle.bundle.views import docker_manifest, index_json
from airgap_bundle.core.closure import walk
from airgap_bundle.core.content import Digest
from airgap_bundle.core.oci import HELM_CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from support.content import ImageContent

    from airgap_bundle.core.oci import Document

HOST = "registry.example"
CREATED = dt.datetime(2026, 3, 1, 12, 0, 0, tzinfo=dt.UTC)
MANIFEST_TEXT = b"apiVersion: airgap-bundle/v1\nname: acme\nversion: 1.0.0\n"
LOCK_TEXT = b"apiVersion: airgap-bundle/lock.v1\nname: acme\n"
_COSIGN_TAG = re.compile(r"sha256-([0-9a-f]{64})\.(?:sig|att|sbom)")
SOME_SIGNATURE = SignatureFile(name=f"openpgp-{'ab' * 20}.sig", data=b"signature " * 20)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a bundle is put together from, in the order of the tar; `blobs` are in the order of the inventory."""

    inventory: Inventory
    members: Mapping[str, bytes]
    blobs: Mapping[Digest, bytes] = field(repr=False)
    signatures: tuple[SignatureFile, ...] = ()
    area: bytes = field(default=b"", repr=False)
    raw_inventory: bytes = field(default=b"", repr=False)

    @property
    def inventory_bytes(self) -> bytes:
        """What is signed."""
        return self.raw_inventory or dump_inventory(self.inventory)

    def head(self) -> bytes:
        """Everything in front of the first blob."""
        members = {**self.members, layout.INVENTORY: self.inventory_bytes}
        front = b"".join(member_bytes(name, data) for name, data in members.items())
        return front + (self.area or build_area(self.signatures))

    def body(self) -> bytes:
        """The blobs, each with its header."""
        return b"".join(member_bytes(blob_name(digest), data) for digest, data in self.blobs.items())

    def assemble(self) -> bytes:
        """The whole bundle."""
        return self.head() + self.body() + bytes(layout.END_BYTES)

    def signed_by(self, sign: Callable[[bytes], Iterable[SignatureFile]]) -> Parts:
        """The same with the signatures that `sign` makes over the inventory's bytes."""
        return replace(self, signatures=tuple(sign(self.inventory_bytes)))

    def with_inventory(self, **changes: Any) -> Parts:
        """The same with other statements in the inventory."""
        return replace(self, inventory=replace(self.inventory, **changes))

    def with_member(self, name: str, data: bytes) -> Parts:
        """The same with another member in the head, which the inventory vouches for."""
        members = {**self.members, name: data}
        return replace(self, members=members).with_inventory(members=describe(members))

    def write(self, path: Path) -> Path:
        """Put it into a file."""
        path.write_bytes(self.assemble())
        return path


def parts_of(
    corpus: Corpus | Mapping[tuple[str, str], ImageContent] | None = None,
    *,
    signatures: Sequence[SignatureFile] = (),
    **statements: Any,
) -> Parts:
    """The parts of a bundle of this content (by default one image, one chart, and what is attached to the image).

    `statements` are fields of the inventory, such as `audience` or `expires`.
    """
    if corpus is None:
        corpus = small_corpus()
    contents = dict(corpus.tags if isinstance(corpus, Corpus) else corpus)
    pairs = [pair for name, content in contents.items() for pair in _items_of(name, content)]
    documents = {document.descriptor.digest: document for _, each in pairs for document in each}
    held: dict[Digest, bytes] = {}
    for content in contents.values():
        held |= content.all_blobs()
    items = tuple(item for item, _ in pairs)
    blobs = in_tar_order(documents.values(), held)
    members = head_members(items, docker_manifest((item, each) for item, each in pairs if item.kind == "image"))
    fields: dict[str, Any] = {
        "name": "acme",
        "version": "1.0.0",
        "sequence": int(CREATED.timestamp()),
        "created": CREATED,
        "members": describe(members),
        "items": items,
        "blobs": tuple(BlobEntry(digest=digest, size=len(data)) for digest, data in blobs.items()),
        **statements,
    }
    return Parts(inventory=Inventory(**fields), members=members, blobs=blobs, signatures=tuple(signatures))


def small_corpus(seed: str = "small", *, size: int = 300) -> Corpus:
    """One image with something attached to it, and a chart: as small as a bundle with every kind of blob can be."""
    image = single_image(seed, size=size)
    return Corpus(
        tags={
            ("library/app", "1.0"): image.with_referrers(referrer(image.root)),
            ("charts/acme", "1.2.3"): helm_chart(),
        }
    )


def head_members(items: Iterable[Item], docker: bytes | None) -> dict[str, bytes]:
    """The members in front of the inventory; without `manifest.json` where `docker` is None."""
    members = {layout.OCI_LAYOUT: layout.OCI_LAYOUT_CONTENT, layout.INDEX: index_json(items)}
    if docker is not None:
        members[layout.DOCKER_MANIFEST] = docker
    return {**members, layout.MANIFEST: MANIFEST_TEXT, layout.LOCK: LOCK_TEXT}


def describe(members: Mapping[str, bytes]) -> tuple[MemberEntry, ...]:
    """What an inventory says of the members in front of it."""
    return tuple(
        MemberEntry(name=name, digest=Digest.of(data), size=len(data))
        for name, data in members.items()
        if name != layout.OCI_LAYOUT
    )


def in_tar_order(documents: Iterable[Document], held: Mapping[Digest, bytes]) -> dict[Digest, bytes]:
    """Documents as they come, then configs, then all that is left in the order of first use (FORMAT.md section 7)."""
    documents = list(documents)
    blobs = {document.descriptor.digest: document.raw for document in documents}
    for document in documents:
        if document.config is not None:
            blobs[document.config.digest] = held[document.config.digest]
    for document in documents:
        blobs |= {layer.digest: held[layer.digest] for layer in document.layers}
    return blobs


def _items_of(name: tuple[str, str], content: ImageContent) -> list[tuple[Item, tuple[Document, ...]]]:
    """The item of a content and those of what is attached to it, each with its documents, the top one first."""
    repository, tag = name
    item = _item(content, f"{HOST}/{repository}:{tag}", repository, tag)
    return [(item, _documents(content)), *_attached(content, repository)]


def _attached(content: ImageContent, repository: str) -> list[tuple[Item, tuple[Document, ...]]]:
    pairs = []
    for each in content.referrers:
        item = _item(each, f"{HOST}/{repository}@{each.digest}", repository, "", kind="attached")
        pairs += [(item, _documents(each)), *_attached(each, repository)]
    return pairs


def _item(content: ImageContent, source: str, repository: str, tag: str, *, kind: str = "") -> Item:
    root = content.root
    subject = root.subject.digest if kind and root.subject is not None else None
    if beside := _COSIGN_TAG.fullmatch(tag):
        kind, subject = "attached", Digest(f"sha256:{beside[1]}")
    return Item(
        kind=kind or _kind_of(root),
        source=source,
        path=f"{HOST}/{repository}",
        tag=tag,
        digest=content.digest,
        media_type=root.descriptor.media_type,
        size=root.descriptor.size,
        subject=subject,
    )


def _kind_of(root: Document) -> str:
    if root.is_index or root.is_image:
        return "image"
    return "chart" if root.config is not None and root.config.media_type == HELM_CONFIG else "artifact"


def _documents(content: ImageContent) -> tuple[Document, ...]:
    known = {document.descriptor.digest: document for document in content.documents}
    return tuple(walk(content.root.descriptor, lambda descriptor: known[descriptor.digest]))
