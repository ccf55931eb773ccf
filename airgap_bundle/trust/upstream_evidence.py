"""What may be a signature over an image, once its image manifest has been read: which layers, in which form.

Both sides judge the same things: the connected one finds them in registries, the boundary one in a bundle. Nothing is
judged here, and nothing that is named is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airgap_bundle.core.content import Descriptor, Digest
    from airgap_bundle.core.oci import Document

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGSTORE_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
# What cosign writes on the manifest of a bundle: what the statement inside is about.
PREDICATE_NOTE = "dev.sigstore.bundle.predicateType"
SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1"
# The tag beside an image under which cosign keeps its signatures ends so.
SIGNATURE_SUFFIX = ".sig"
# Each costs a check, and outside a request. Images have one to five; builds that sign every night have some dozens.
MAX_SIGNATURES = 100
# A payload of cosign has 250 bytes, a bundle with certificate and log entry 10 kB.
MAX_SIGNATURE_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """Something that looks like a signature. `manifest` is the image manifest that holds it, `layer` its content."""

    manifest: Digest
    layer: Descriptor

    @property
    def is_bundle(self) -> bool:
        """A Sigstore bundle; else a payload of cosign with the signature in its annotations."""
        return self.layer.media_type == SIGSTORE_BUNDLE

    @property
    def how(self) -> str:
        """The form in a word or two, for verdicts."""
        return "sigstore bundle" if self.is_bundle else "cosign payload"

    @property
    def unverified_notes(self) -> Mapping[str, str]:
        """The annotations, where cosign keeps signature, certificate and log entry."""
        return self.layer.annotations


def candidates_in(document: Document) -> Iterator[Candidate]:
    """Everything in one image manifest that may be a signature. Two people may have signed one and the same payload."""
    notes = document.value.get("annotations")
    about = notes.get(PREDICATE_NOTE, SIGN_PREDICATE) if isinstance(notes, dict) else SIGN_PREDICATE
    for layer in document.layers:
        # Bundles of attestations can be large, and say themselves that they are no signatures.
        if layer.media_type == SIMPLE_SIGNING or (layer.media_type == SIGSTORE_BUNDLE and about == SIGN_PREDICATE):
            yield Candidate(manifest=document.descriptor.digest, layer=layer)
