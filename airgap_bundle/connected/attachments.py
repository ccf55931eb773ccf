"""Signatures, attestations and SBOMs: everything that a registry holds about an image beside the image.

Two ways are in use and both are followed for every digest, children of indexes included, and again for what is found:
OCI 1.1 referrers (by the API or the fallback tag), and cosign's tags `sha256-<hex>.sig`, `.att` and `.sbom`. A registry
that cannot answer stops the work: "could not ask" is never "there is none".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.closure import walk
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.manifest.locked import LockedAttachment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airgap_bundle.core.content import Descriptor, Digest
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import Registry

# An image has a handful; a registry that invents them without end is not followed.
MAX_ATTACHMENTS = 1000
_SUFFIXES = (".sig", ".att", ".sbom")


def find_attachments(
    registry: Registry, repository: str, digests: Iterable[Digest], load: Callable[[Descriptor], Document]
) -> tuple[LockedAttachment, ...]:
    """All that is attached to these documents of `repository`, and to what is attached to them.

    `load` fetches an image document. Raises `RegistryError` where the registry cannot tell, lacks what it lists, or
    lists more than `MAX_ATTACHMENTS`.
    """
    waiting = list(digests)
    asked = set(waiting)
    found: list[LockedAttachment] = []
    known: set[tuple[Digest, str]] = set()
    while waiting:
        subject = waiting.pop(0)
        for attachment in _attached_to(registry, repository, subject):
            # The same manifest may be found by both ways; it is carried once, under its tag if it has one.
            if (attachment.digest, attachment.tag) in known:
                continue
            known.add((attachment.digest, attachment.tag))
            found.append(attachment)
            if len(found) > MAX_ATTACHMENTS:
                raise RegistryError(
                    "AB-REGISTRY-ENDLESS",
                    f"{registry.name} lists more than {MAX_ATTACHMENTS} artifacts attached to images of {repository}",
                    hint="leave them out with `referrers: none` in the manifest if they are not wanted",
                )
            for document in _documents(registry, repository, attachment, load):
                if document.descriptor.digest not in asked:
                    asked.add(document.descriptor.digest)
                    waiting.append(document.descriptor.digest)
    return tuple(found)


def _attached_to(registry: Registry, repository: str, subject: Digest) -> Iterator[LockedAttachment]:
    for descriptor in registry.list_referrers(repository, subject):
        yield LockedAttachment(
            kind="referrer",
            subject=subject,
            digest=descriptor.digest,
            media_type=descriptor.media_type,
            size=descriptor.size,
        )
    for suffix in _SUFFIXES:
        tag = f"{subject.algorithm}-{subject.encoded}{suffix}"
        tagged = registry.head_manifest(repository, tag)
        if tagged is not None:
            yield LockedAttachment(
                kind="tag",
                subject=subject,
                digest=tagged.digest,
                media_type=tagged.media_type,
                size=tagged.size,
                tag=tag,
            )


def _documents(
    registry: Registry, repository: str, attachment: LockedAttachment, load: Callable[[Descriptor], Document]
) -> list[Document]:
    try:
        documents = list(walk(attachment.descriptor, load))
    except InvalidValueError as error:
        raise RegistryError(
            "AB-REGISTRY-DOCUMENT",
            f"{registry.name}/{repository}@{attachment.digest}, attached to {attachment.subject}, "
            f"cannot be carried: {error}",
            hint="leave it out with `referrers: none` in the manifest, or have it repaired at its source",
        ) from error
    top = documents[0]
    if attachment.kind == "referrer" and (top.subject is None or top.subject.digest != attachment.subject):
        raise RegistryError(
            "AB-REGISTRY-DOCUMENT",
            f"{registry.name} lists {attachment.digest} as attached to {attachment.subject} in {repository}, "
            "but it says of itself that it is not",
            hint="the registry's list of referrers is wrong; have it repaired at its source",
        )
    return documents
