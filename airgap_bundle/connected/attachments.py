"""Signatures, attestations and SBOMs: everything that a registry holds about an image beside the image.

Three ways are in use and all are followed for every digest, children of indexes included, and again for what is found:
OCI 1.1 referrers, the list of them that clients keep under the tag `sha256-<hex>` (also where the registry has the API:
it may have got it after the list was made), and cosign's tags `sha256-<hex>.sig`, `.att` and `.sbom`. A registry that
cannot answer stops the work: "could not ask" is never "there is none".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airgap_bundle.connected.carrying import check_content
from airgap_bundle.core.closure import walk
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.manifest.locked import LockedAttachment
from airgap_bundle.trust.upstream_evidence import SIGNATURE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airgap_bundle.core.content import Descriptor, Digest
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import ReadableRegistry

# An image has a handful; a registry that invents them without end is not followed.
MAX_ATTACHMENTS = 1000
_SUFFIXES = (SIGNATURE_SUFFIX, ".att", ".sbom")


def find_attachments(
    registry: ReadableRegistry,
    repository: str,
    digests: Iterable[Digest],
    load: Callable[[Descriptor], Document],
    *,
    foreign_layers: bool = False,
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
        for attachment in attached_to(registry, repository, subject):
            # A manifest that is found by a tag and as a referrer stands there twice: it has to arrive in both ways.
            if (attachment.digest, attachment.tag) in known:
                continue
            known.add((attachment.digest, attachment.tag))
            if len(known) > MAX_ATTACHMENTS:
                raise RegistryError(
                    "AB-REGISTRY-ENDLESS",
                    f"{registry.name} lists more than {MAX_ATTACHMENTS} artifacts attached to images of {repository}",
                    hint="leave them out with `referrers: none` in the manifest if they are not wanted",
                )
            documents = _documents(registry, repository, attachment, load, foreign_layers=foreign_layers)
            found.append(replace(attachment, artifact_type=documents[0].artifact_type))
            for document in documents:
                if document.descriptor.digest not in asked:
                    asked.add(document.descriptor.digest)
                    waiting.append(document.descriptor.digest)
    return tuple(found)


def attached_to(registry: ReadableRegistry, repository: str, subject: Digest) -> Iterator[LockedAttachment]:
    """What the registry says is attached to one digest, unread; the same one may come twice."""
    for descriptor in registry.list_referrers(repository, subject):
        yield _referrer(subject, descriptor)
    yield from _listed_under_tag(registry, repository, subject)
    for suffix in _SUFFIXES:
        tag = beside(subject, suffix)
        tagged = registry.head_manifest(repository, tag)
        if tagged is not None:
            yield _tagged(subject, tag, tagged)


def beside(subject: Digest, suffix: str) -> str:
    """The tag beside an image that says something about it: `sha256-<hex>.sig`."""
    return f"{subject.algorithm}-{subject.encoded}{suffix}"


def _listed_under_tag(registry: ReadableRegistry, repository: str, subject: Digest) -> Iterator[LockedAttachment]:
    """The fallback list of referrers; whatever else somebody put under its tag is carried as it is."""
    tag = beside(subject, "")
    document = registry.get_manifest(repository, tag)
    # Some registries, such as GitLab's, take that name for the digest itself.
    if document is None or document.descriptor.digest == subject:
        return
    if not document.is_index:
        yield _tagged(subject, tag, document.descriptor)
    for child in document.children:
        yield _referrer(subject, child.descriptor)


def _referrer(subject: Digest, descriptor: Descriptor) -> LockedAttachment:
    return LockedAttachment(
        kind="referrer",
        subject=subject,
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        size=descriptor.size,
    )


def _tagged(subject: Digest, tag: str, descriptor: Descriptor) -> LockedAttachment:
    return LockedAttachment(
        kind="tag",
        subject=subject,
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        size=descriptor.size,
        tag=tag,
    )


def _documents(
    registry: ReadableRegistry,
    repository: str,
    attachment: LockedAttachment,
    load: Callable[[Descriptor], Document],
    *,
    foreign_layers: bool,
) -> list[Document]:
    try:
        documents = list(walk(attachment.descriptor, load))
        check_content(documents, foreign_layers=foreign_layers)
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
