"""`index.json` and `manifest.json`: what makes a bundle an OCI image layout and a docker archive at the same time.

Both are functions of what the inventory lists, so that a reader can demand exactly these bytes. FORMAT.md section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airgap_bundle.bundle.layout import blob_name
from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import OCI_INDEX, Platform, Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airgap_bundle.bundle.inventory import Item
    from airgap_bundle.core.oci import Document

NAME_ANNOTATION = "dev.airgap-bundle.name"
_PREFERRED_PLATFORM = Platform(os="linux", architecture="amd64")


def index_json(items: Iterable[Item]) -> bytes:
    """The root index of the layout: one entry per item, in their order.

    Only images carry the names that runtimes look for: a chart with such a name makes `ctr images import` fail.
    """

    def entry_of(item: Item) -> dict[str, Any]:
        entry: dict[str, Any] = {"mediaType": item.media_type, "digest": item.digest, "size": item.size}
        if item.kind == "image":
            entry["annotations"] = {
                "io.containerd.image.name": item.source,
                "org.opencontainers.image.ref.name": item.source,
            }
        elif item.kind != "attached":
            entry["annotations"] = {NAME_ANNOTATION: item.source}
        return entry

    return strictjson.canonical_object({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": map(entry_of, items)})


def docker_manifest(images: Iterable[tuple[Item, Sequence[Document]]]) -> bytes:
    """`manifest.json` for `docker load` and `podman load`: for each image one platform, linux/amd64 where there is one.

    `images` pairs each item with its documents, the top one first. What no runtime can load is left out.
    """
    return strictjson.canonical_array(
        {
            "Config": blob_name(chosen.config.digest),
            "RepoTags": _repo_tags(item.source),
            "Layers": [blob_name(layer.digest) for layer in chosen.layers],
        }
        for item, documents in images
        if (chosen := _one_platform(documents)) is not None and chosen.config is not None
    )


def _one_platform(documents: Sequence[Document]) -> Document | None:
    by_digest = {document.descriptor.digest: document for document in documents}
    top = documents[0]
    if not top.is_index:
        return top if top.is_image else None
    runnable = [
        (child.platform, document)
        for parent in documents
        for child in parent.children
        if child.platform is not None
        and not child.platform.is_unknown
        and (document := by_digest.get(child.descriptor.digest)) is not None
        and document.is_image
    ]
    for platform, document in runnable:
        if platform == _PREFERRED_PLATFORM:
            return document
    return runnable[0][1] if runnable else None


def _repo_tags(source: str) -> list[str]:
    try:
        reference = Reference.parse(source)
    except InvalidValueError:
        return []
    return [f"{reference.name}:{reference.tag}"] if reference.tag else []
