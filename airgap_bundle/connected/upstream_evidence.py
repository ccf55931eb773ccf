"""Where signatures over an image are found: cosign's tag beside it, and Sigstore bundles that refer to it.

Nothing is judged here, and nothing that is found is believed. A registry that cannot answer stops the work.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from airgap_bundle.connected.attachments import MAX_ATTACHMENTS, attached_to
from airgap_bundle.core.content import copy_verified, new_buffer
from airgap_bundle.core.errors import InvalidValueError, TrustError
from airgap_bundle.trust.upstream_evidence import (
    MAX_SIGNATURE_BYTES,
    MAX_SIGNATURES,
    SIGNATURE_SUFFIX,
    Candidate,
    candidates_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Reference


def find_candidates(
    sources: Sources,
    reference: Reference,
    signed: Digest,
    earlier: Iterable[Digest] = (),
    *,
    only_earlier: bool = False,
) -> tuple[Candidate, ...]:
    """Everything in the repository that may be a signature over `signed`, what is in the manifests `earlier` first.

    `earlier` may be gone from the tag, which moves whenever somebody adds a signature, and still be there by its
    digest; with `only_earlier` nothing else is looked for. Two people who sign one payload leave two layers with the
    same digest, so that layers are not compared.

    `RegistryError` where the registry cannot tell; `TrustError` where there are more than can be looked at.
    """
    registry = sources.registry(reference.host)
    found: list[Candidate] = []
    seen: set[Digest] = set()
    for digest in earlier:
        document = registry.get_manifest(reference.repository, digest)
        if document is not None:
            seen.add(digest)
            found += candidates_in(document)
    for attachment in () if only_earlier else attached_to(registry, reference.repository, signed):
        if attachment.digest in seen or (attachment.tag and not attachment.tag.endswith(SIGNATURE_SUFFIX)):
            continue
        seen.add(attachment.digest)
        if len(seen) > MAX_ATTACHMENTS:
            raise _too_many(reference, signed, f"more than {MAX_ATTACHMENTS} artifacts attached to it")
        document = sources.document(reference.host, reference.repository, attachment.digest)
        found += candidates_in(document)
        if len(found) > MAX_SIGNATURES:
            break
    if len(found) > MAX_SIGNATURES:
        raise _too_many(reference, signed, f"more than {MAX_SIGNATURES} signatures")
    return tuple(found)


def read_content(sources: Sources, reference: Reference, candidate: Candidate) -> bytes:
    """The bytes of a candidate, digest checked; `InvalidValueError` where they are too many for a signature."""
    layer = candidate.layer
    if layer.size > MAX_SIGNATURE_BYTES:
        raise InvalidValueError(f"a signature of {layer.size} bytes; {MAX_SIGNATURE_BYTES} are read")
    sink = io.BytesIO()
    registry = sources.registry(reference.host)
    with registry.open_blob(reference.repository, layer.digest, layer.size) as source:
        copy_verified(source, sink, digest=layer.digest, size=layer.size, buffer=new_buffer(max(1, layer.size)))
    return sink.getvalue()


def _too_many(reference: Reference, signed: Digest, what: str) -> TrustError:
    return TrustError(
        "AB-TRUST-UPSTREAM-LIMITS",
        f"{reference.name}@{signed} has {what}, which are not looked through",
        hint="have its publisher clear them away, or verify it in another way and take it out of the rule",
    )
