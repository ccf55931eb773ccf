"""An OCI image layout, in a directory or in a tar: images by name, and what is attached to them.

Its index says what is attached to what: manifests with a `subject`, and entries named like cosign's tags. In a bundle
of ours, where attached entries have no names, the inventory says it. OCI image specification 1.1, image-layout.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.bundle.inventory import MAX_INVENTORY_BYTES, parse_inventory
from airgap_bundle.bundle.layout import INVENTORY
from airgap_bundle.connected.archive_files import Files, read_small
from airgap_bundle.connected.archive_names import not_one, same_name
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import MAX_DOCUMENT_BYTES, OCI_INDEX, OCI_MANIFEST, parse_descriptor, parse_document

if TYPE_CHECKING:
    from airgap_bundle.bundle.inventory import Item
    from airgap_bundle.core.content import Descriptor
    from airgap_bundle.core.oci import Document

# The index of a bundle of 10,000 images has 5 MB.
_MAX_INDEX_BYTES = 16 * 1024 * 1024
_MAX_ENTRIES = 50_000
# `{"imageLayoutVersion":"1.0.0"}`, and room for somebody's spaces.
_MAX_LAYOUT_BYTES = 4096
_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")


@dataclass(slots=True)
class LayoutStore:
    """An OCI image layout, in a directory or in a tar."""

    files: Files
    entries: tuple[Descriptor, ...] = ()
    items: tuple[Item, ...] = ()
    """Of a bundle of ours what its inventory lists; else nothing. Nobody has checked whose word it is."""
    _subjects: dict[Digest, list[Descriptor]] | None = None

    def __post_init__(self) -> None:
        """Read `oci-layout` and `index.json`."""
        layout = read_small(self.files, "oci-layout", _MAX_LAYOUT_BYTES)
        raw = read_small(self.files, "index.json", _MAX_INDEX_BYTES)
        if layout is None or raw is None:
            raise InvalidValueError("is not an OCI image layout: it lacks oci-layout or index.json")
        if strictjson.parse_object(layout, max_bytes=_MAX_LAYOUT_BYTES).get("imageLayoutVersion") != "1.0.0":
            raise InvalidValueError("is an OCI image layout of another version than 1.0.0")
        listed = strictjson.parse_object(raw, max_bytes=_MAX_INDEX_BYTES, floats=True).get("manifests")
        if not isinstance(listed, list) or len(listed) > _MAX_ENTRIES:
            raise InvalidValueError(f"has an index.json without a list of at most {_MAX_ENTRIES} manifests")
        self.entries = tuple(parse_descriptor(entry, f"manifests[{n}]") for n, entry in enumerate(listed))
        inventory = read_small(self.files, INVENTORY, MAX_INVENTORY_BYTES)
        if inventory is not None:
            self.items = parse_inventory(inventory).items

    def top(self, name: str) -> Document:
        """The image of that name."""
        if name:
            found = [entry for entry in self.entries if any(same_name(name, own) for own in _names(entry))]
        else:
            found = [entry for entry in self.entries if _names(entry)] or list(self.entries)
        if len({entry.digest for entry in found}) != 1:
            raise not_one(name, [own for entry in self.entries for own in _names(entry)[:1]], len(found))
        document = self.document(found[0].digest)
        if document is None:
            raise InvalidValueError(f"does not hold {found[0].digest}, which its index.json names")
        return document

    def document(self, digest: Digest) -> Document | None:
        """An image document by its digest."""
        raw = read_small(self.files, _blob_path(digest), MAX_DOCUMENT_BYTES)
        if raw is None:
            return None
        if Digest.of(raw, digest.algorithm) != digest:
            raise InvalidValueError(f"is damaged: the bytes of {digest} do not have that digest")
        # A document may leave its type to whatever points to it; there is only one that fits each shape.
        value = strictjson.parse_object(raw, max_bytes=MAX_DOCUMENT_BYTES, floats=True)
        media_type = "" if value.get("mediaType") else OCI_INDEX if "manifests" in value else OCI_MANIFEST
        return parse_document(raw, media_type)

    def named(self, tag: str, name: str) -> Document | None:
        """What has a name that ends in this tag; in a bundle of ours what has it beside the image called `name`."""
        beside = [item for item in self.items if item.kind == "attached" and item.tag == tag]
        if beside:
            # Two repositories may have the same image, with other signatures under the same tag.
            paths = {item.path for item in self.items if item.kind == "image" and same_name(name, item.source)}
            return self.document(next((item for item in beside if item.path in paths), beside[0]).digest)
        for entry in self.entries:
            if any(own == tag or own.endswith(f":{tag}") for own in _names(entry)):
                return self.document(entry.digest)
        return None

    def attached(self, subject: Digest) -> tuple[Descriptor, ...]:
        """The entries whose manifests say that `subject` is what they are about."""
        if self._subjects is None:
            self._subjects = {}
            for digest in dict.fromkeys(entry.digest for entry in self.entries):
                document = self.document(digest)
                if document is not None and document.subject is not None:
                    self._subjects.setdefault(document.subject.digest, []).append(document.descriptor)
        return tuple(self._subjects.get(subject, ()))

    def blob(self, digest: Digest) -> str | None:
        """Where a blob lies."""
        return _blob_path(digest)


def _blob_path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def _names(entry: Descriptor) -> list[str]:
    return [entry.annotations[key] for key in _NAMES if entry.annotations.get(key)]
