"""Asks a registry which bytes a name means today, and what belongs to them.

One entry of the manifest becomes one locked item. Only image documents are fetched, and the config of an image that is
no index when somebody wants to know its platform.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.connected.attachments import find_attachments
from airgap_bundle.connected.carrying import check_content
from airgap_bundle.connected.platforms import choose_children
from airgap_bundle.core import strictjson
from airgap_bundle.core.closure import walk
from airgap_bundle.core.content import Descriptor, copy_verified, new_buffer
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.core.oci import Platform
from airgap_bundle.core.partial_index import keep_children
from airgap_bundle.manifest.locked import LockedItem, LockedPlatform

if TYPE_CHECKING:
    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.oci import Document, Reference
    from airgap_bundle.core.report import Place

# Image configs are some kilobytes; what is larger was made to hurt.
_MAX_CONFIG_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What one entry of a manifest asks a registry for. `kind` and `path` are those of the locked item.

    `origin` is the file of another tool that is asked in place of the registry (`words.Origin`).
    """

    kind: str
    reference: Reference
    path: str
    place: Place
    platforms: tuple[Platform, ...] = ()
    referrers: bool = True
    foreign_layers: bool = False
    origin: str = ""

    @property
    def source(self) -> str:
        """The reference in full, as it stands in the lock."""
        return str(self.reference)


def resolve(wish: Wish, sources: Sources) -> LockedItem:
    """The locked item for one entry.

    Raises `RegistryError`, naming the place in the manifest, where the name or one of its parts is not there, lacks a
    platform or cannot be carried.
    """
    host, repository = wish.reference.host, wish.reference.repository
    registry = sources.registry(host)
    try:
        asked = registry.get_manifest(repository, wish.reference.asked)
        if asked is None:
            raise RegistryError(
                "AB-REGISTRY-NOT-FOUND",
                f"{wish.place}: {wish.source} does not exist",
                hint="check the spelling, and whether you may see it: a registry hides what needs a login",
            )
        alone = _platform_of(wish, asked, sources) if wish.platforms and not asked.is_index else None
        kept = _keep(wish, asked, alone, sources)
        loaded = {kept.descriptor.digest: kept}

        def load(descriptor: Descriptor) -> Document:
            document = loaded.get(descriptor.digest)
            return document or sources.document(host, repository, descriptor.digest)

        documents = list(walk(kept.descriptor, load))
        check_content(documents, foreign_layers=wish.foreign_layers)
        digests = [document.descriptor.digest for document in documents]
        return LockedItem(
            kind=wish.kind,
            source=wish.source,
            path=wish.path,
            tag=wish.reference.tag,
            digest=kept.descriptor.digest,
            media_type=kept.descriptor.media_type,
            size=kept.descriptor.size,
            original=asked.descriptor if asked.descriptor != kept.descriptor else None,
            platforms=_platforms(asked, alone, documents),
            attached=find_attachments(registry, repository, digests, load, foreign_layers=wish.foreign_layers)
            if wish.referrers
            else (),
            referrers="" if wish.referrers else "none",
            origin=wish.origin,
        )
    except InvalidValueError as error:
        raise RegistryError(
            "AB-REGISTRY-DOCUMENT",
            f"{wish.place}: {wish.source} cannot be carried: {error}",
            hint="ask its publisher for an image that other tools accept, or leave it out",
        ) from error


def _keep(wish: Wish, asked: Document, alone: Platform | None, sources: Sources) -> Document:
    """The document that travels: the one asked for, a child of it, or the index rewritten.

    `alone` is the platform of an image that is no index.
    """
    if not wish.platforms:
        return asked
    if alone is not None:
        if not any(alone.serves(wanted) for wanted in wish.platforms):
            raise _no_platform(wish, f"is for {alone} only")
        return asked
    try:
        children = choose_children(asked, wish.platforms)
    except InvalidValueError as error:
        raise _no_platform(wish, str(error)) from error
    if len(wish.platforms) == 1:
        return sources.document(wish.reference.host, wish.reference.repository, children[0].descriptor.digest)
    return keep_children(asked, {child.descriptor.digest for child in children})


def _platform_of(wish: Wish, document: Document, sources: Sources) -> Platform:
    """What a single image says of itself in its config."""
    config = document.config
    if config is None or not document.is_image:
        raise _no_platform(wish, "is no image but an artifact, which has no platform")
    if config.size > _MAX_CONFIG_BYTES:
        raise InvalidValueError(f"its config claims {config.size} bytes")
    sink = io.BytesIO()
    registry = sources.registry(wish.reference.host)
    with registry.open_blob(wish.reference.repository, config.digest, config.size) as source:
        copy_verified(source, sink, digest=config.digest, size=config.size, buffer=new_buffer(max(1, config.size)))
    value = strictjson.parse_object(sink.getvalue(), max_bytes=_MAX_CONFIG_BYTES, floats=True)
    parts = [value.get(key, "") for key in ("os", "architecture", "variant")]
    if not all(isinstance(part, str) for part in parts):
        raise InvalidValueError("the platform in its config is not text")
    return Platform(os=parts[0], architecture=parts[1], variant=parts[2])


def _platforms(asked: Document, alone: Platform | None, documents: list[Document]) -> tuple[LockedPlatform, ...]:
    """Every child of the index asked for that travels, or the image itself where somebody asked for its platform."""
    if alone is not None:
        found = asked.descriptor
        return (LockedPlatform(platform=alone, digest=found.digest, size=found.size),)
    travelling = {document.descriptor.digest for document in documents}
    return tuple(
        LockedPlatform(platform=child.platform, digest=child.descriptor.digest, size=child.descriptor.size)
        for child in asked.children
        if child.platform is not None and child.descriptor.digest in travelling
    )


def _no_platform(wish: Wish, why: str) -> RegistryError:
    return RegistryError(
        "AB-REGISTRY-PLATFORM",
        f"{wish.place}: {wish.source} {why}",
        hint="change `platforms` in the manifest, or leave it out for this image to carry all there are",
    )
