"""Bundles whose makers are trusted and whose evidence of upstream signatures is not what it says."""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support import upstream
from support.bundles import Parts, parts_of
from support.content import Corpus
from support.images import helm_chart, multi_arch_image, single_image
from support.site import Site, now

from airgap_bundle.boundary.judging import carried_signatures
from airgap_bundle.boundary.judging.verify import verify_head
from airgap_bundle.bundle.inventory import BlobEntry
from airgap_bundle.bundle.media import StreamMedium
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import TrustError
from airgap_bundle.core.oci import OCI_INDEX, parse_document
from airgap_bundle.core.partial_index import keep_children
from airgap_bundle.trust import upstream_evidence
from airgap_bundle.trust.policy_files import load_policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.content import ImageContent

REPOSITORY = "plane/app"
REFUSED = "AB-TRUST-UPSTREAM-UNMET"


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def site(tmp_path: Path, key: Any) -> Site:
    made = Site(path=tmp_path)
    pem = textwrap.indent(upstream.public_pem(key).decode(), " " * 10)
    made.write_policy(
        "roles:\n  release: {signers: [bob], threshold: 1}\n"
        'products:\n  plane:\n    require: [release]\n    repositories: ["registry.example/**"]\n'
        f"    upstream:\n      - match: '**'\n        publicKey: |-\n{pem}"
    )
    return made


def signature(key: Any, digest: Digest) -> ImageContent:
    content = upstream.payload(digest)
    return upstream.signature_image((content, upstream.key_notes(key, content)))


def parts(site: Site, *contents: tuple[str, ImageContent]) -> Parts:
    """A bundle of these contents, by tag."""
    inventory = site.parts().inventory
    corpus = Corpus(tags={(REPOSITORY, tag): content for tag, content in contents})
    return parts_of(corpus, name=inventory.name, created=inventory.created, sequence=inventory.sequence)


def with_blobs(whole: Parts, blobs: Mapping[Digest, bytes]) -> Parts:
    """The same with more blobs, that nothing points to."""
    every = {**whole.blobs, **blobs}
    entries = tuple(BlobEntry(digest=digest, size=len(data)) for digest, data in every.items())
    return replace(whole, blobs=every).with_inventory(blobs=entries)


def saying(whole: Parts, **statements: Any) -> Parts:
    """The same with other statements about its first item."""
    first, *others = whole.inventory.items
    return whole.with_inventory(items=(replace(first, **statements), *others))


def evidence(made: ImageContent, digest: Digest) -> tuple[dict[str, str], dict[Digest, bytes]]:
    """A verdict that names a signature, and the blobs of that."""
    layer = made.root.layers[0]
    verdict = {"digest": str(digest), "signature": str(made.digest), "payload": str(layer.digest)}
    return verdict, {made.digest: made.root.raw, layer.digest: made.blobs[layer.digest]}


def bundle(site: Site, whole: Parts) -> Path:
    return site.bundle("bob", parts=whole)


def test_a_signature_among_the_items_holds(site: Site, key: Any) -> None:
    image = single_image("app")
    made = parts(site, ("1.0", image), (upstream.beside(image.digest), signature(key, image.digest)))
    site.pushed(bundle(site, made))


def test_a_signature_that_lies_there_as_evidence_holds(site: Site, key: Any) -> None:
    image = single_image("app")
    verdict, blobs = evidence(signature(key, image.digest), image.digest)
    site.pushed(bundle(site, saying(with_blobs(parts(site, ("1.0", image)), blobs), upstream=(verdict,))))


def _filtered(index: ImageContent, *, tamper: bool = False) -> tuple[ImageContent, Digest]:
    """A part of an index as an image of its own."""
    kept = [child.descriptor.digest for child in index.root.children[:2]]
    document = keep_children(index.root, kept)
    if tamper:
        # One child more, that the index does not have.
        other = multi_arch_image("evil")
        value = document.value
        value["manifests"].append(other.root.value["manifests"][0])
        document = parse_document(json.dumps(value).encode(), OCI_INDEX)
        index = replace(index, documents=(*index.documents, *other.documents), blobs={**index.blobs, **other.blobs})
    return replace(index, root=document, documents=(document, *index.documents)), index.root.descriptor.digest


@pytest.mark.parametrize("tamper", [False, True])
def test_a_signature_over_an_index_counts_for_what_is_nothing_but_a_part_of_it(
    site: Site, key: Any, *, tamper: bool
) -> None:
    index = multi_arch_image("app", platforms=("linux/amd64", "linux/arm64", "linux/s390x"), attestations=False)
    part, original = _filtered(index, tamper=tamper)
    verdict, blobs = evidence(signature(key, original), original)
    whole = with_blobs(parts(site, ("1.0", part)), {original: index.root.raw, **blobs})
    made = bundle(site, saying(whole, original=original, upstream=(verdict,)))
    if tamper:
        site.refuses(made, REFUSED, "a signature of another image")
    else:
        site.pushed(made)


def test_the_index_of_somebody_else_vouches_for_nothing(site: Site, key: Any) -> None:
    image, index = single_image("evil"), multi_arch_image("signed")
    verdict, blobs = evidence(signature(key, index.digest), index.digest)
    whole = with_blobs(parts(site, ("1.0", image)), {index.digest: index.root.raw, **blobs})
    made = bundle(site, saying(whole, original=index.digest, upstream=(verdict,)))
    site.refuses(made, REFUSED, "a signature of another image")


@pytest.mark.parametrize(
    "change",
    [
        {"signature": "sha256:" + "0" * 64},
        {"payload": "sha256:" + "0" * 64},
        {"signature": "garbage"},
        {"signature": "sha512:" + "0" * 128},
        {"payload": ""},
    ],
)
def test_evidence_that_is_not_there_is_none(site: Site, key: Any, change: dict[str, str]) -> None:
    image = single_image("app")
    verdict, blobs = evidence(signature(key, image.digest), image.digest)
    whole = saying(with_blobs(parts(site, ("1.0", image)), blobs), upstream=({**verdict, **change},))
    site.refuses(bundle(site, whole), REFUSED)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"x" * 100, b'{"manifests": 1}', b'{"layers": [{}]}', b"{" * 4000])
def test_evidence_that_is_no_image_manifest_is_none(site: Site, key: Any, raw: bytes) -> None:
    image = single_image("app")
    verdict, blobs = evidence(signature(key, image.digest), image.digest)
    false = Digest.of(raw)
    whole = with_blobs(parts(site, ("1.0", image)), {**blobs, false: raw})
    site.refuses(bundle(site, saying(whole, upstream=({**verdict, "signature": str(false)},))), REFUSED)


def test_a_signature_that_a_delta_left_out_is_none(site: Site, key: Any) -> None:
    image = single_image("app")
    verdict, blobs = evidence(signature(key, image.digest), image.digest)
    gone = Digest(verdict["payload"])
    whole = with_blobs(parts(site, ("1.0", image)), {gone: blobs[gone], **blobs})
    left = {digest: data for digest, data in whole.blobs.items() if digest != gone}
    entries = tuple(BlobEntry(digest=digest, size=len(data)) for digest, data in left.items())
    assumed = (BlobEntry(digest=gone, size=len(blobs[gone])),)
    whole = replace(whole, blobs=left).with_inventory(
        blobs=entries, assumed=assumed, base=(Digest("sha256:" + "1" * 64),)
    )
    made = bundle(site, saying(whole, upstream=(verdict,)))
    site.refuses(made, REFUSED, "left out of this delta")


def test_more_artifacts_than_are_looked_into_are_refused(site: Site, key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried_signatures, "_MAX_ATTACHED", 2)
    image = single_image("app")
    referrers = [upstream.bundle_referrer(image.root, b"%d" % n, "https://slsa.dev/provenance/v1") for n in range(3)]
    made = bundle(site, parts(site, ("1.0", image.with_referrers(*referrers))))
    site.refuses(made, "AB-TRUST-UPSTREAM-LIMITS", "more than 2 artifacts")


def test_evidence_named_again_and_again_is_looked_at_once(site: Site, key: Any) -> None:
    image = single_image("app")
    wrong = ec.generate_private_key(ec.SECP256R1())
    content = upstream.payload(image.digest)
    notes = upstream.key_notes(wrong, content)
    made = upstream.signature_image(*[(content, {**notes, "n": str(number)}) for number in range(300)])
    verdict, blobs = evidence(made, image.digest)
    again = tuple({**verdict, "rule": str(number)} for number in range(100))
    whole = saying(with_blobs(parts(site, ("1.0", image)), blobs), upstream=again)
    site.refuses(bundle(site, whole), REFUSED, f"none of {upstream_evidence.MAX_SIGNATURES} attempts holds")


def test_a_stream_with_more_signatures_than_are_kept_is_refused(
    site: Site, key: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = single_image("app")
    made = bundle(site, parts(site, ("1.0", image), (upstream.beside(image.digest), signature(key, image.digest))))
    policy = load_policy(site.policy)
    with made.open("rb", buffering=0) as file:
        verified = verify_head(StreamMedium(file.fileno()), policy, now())
        assert (verified.upstream.is_demanded, verified.verdicts) == (True, ())
    monkeypatch.setattr(carried_signatures, "_MAX_KEPT_BYTES", 100)
    with made.open("rb", buffering=0) as file, pytest.raises(TrustError, match="not kept in memory") as caught:
        verify_head(StreamMedium(file.fileno()), policy, now())
    assert caught.value.code == "AB-TRUST-UPSTREAM-LIMITS"


def test_of_a_chart_the_provenance_has_to_be_its_own(site: Site, key: Any) -> None:
    site.refuses(bundle(site, parts(site, ("1.0", helm_chart()))), REFUSED, "no signature over it")
