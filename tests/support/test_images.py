"""The images that other tests rely on are what they say they are."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from support.images import (
    PLATFORMS,
    artifact,
    corpus,
    cosign_signature,
    helm_chart,
    image_with_empty_layers,
    multi_arch_image,
    single_image,
)

from airgap_bundle.core.content import Digest
from airgap_bundle.core.oci import OCI_EMPTY
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from support.images import ImageContent

CORPUS = corpus()


@pytest.mark.parametrize("content", CORPUS.tags.values(), ids=lambda content: content.root.descriptor.media_type)
def test_everything_that_a_document_names_is_there_with_its_size(content: ImageContent) -> None:
    documents = {each.descriptor.digest: each for each in content.all_documents()}
    blobs = content.all_blobs()
    for document in documents.values():
        assert all(len(blobs[blob.digest]) == blob.size for blob in document.blobs)
        assert all(documents[child.descriptor.digest].descriptor == child.descriptor for child in document.children)
    assert all(Digest.of(data) == digest for digest, data in blobs.items())


@pytest.mark.parametrize("content", CORPUS.tags.values(), ids=lambda content: content.root.descriptor.media_type)
def test_the_config_names_the_tar_inside_each_layer(content: ImageContent) -> None:
    for document in content.documents:
        if not document.is_image or not all(layer.media_type.endswith("gzip") for layer in document.layers):
            continue
        assert document.config is not None
        config = json.loads(content.blobs[document.config.digest])
        tars = [gzip.decompress(content.blobs[layer.digest]) for layer in document.layers]
        assert config["rootfs"]["diff_ids"] == [Digest.of(tar) for tar in tars]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert multi_arch_image("a").root.raw == multi_arch_image("a").root.raw
    assert multi_arch_image("a").digest != multi_arch_image("b").digest


def test_some_document_is_spelled_as_no_serialiser_would() -> None:
    raws = [document.raw for content in CORPUS.tags.values() for document in content.all_documents()]
    assert sum(raw != json.dumps(json.loads(raw), separators=(",", ":")).encode() for raw in raws) == len(raws)


def test_images_of_one_platform_share_their_base_layer() -> None:
    first, second = single_image("a"), single_image("b")
    assert first.root.layers[0] == second.root.layers[0]
    assert first.root.layers[1] != second.root.layers[1]


def test_each_platform_has_its_attestation() -> None:
    children = multi_arch_image("a").root.children
    images = [child for child in children if child.attests is None]
    assert [str(child.platform) for child in images] == list(PLATFORMS)
    assert [child.attests for child in children if child.attests] == [child.descriptor.digest for child in images]


def test_an_image_can_name_one_layer_twice() -> None:
    layers = image_with_empty_layers("a").root.layers
    assert layers[1] == layers[2]


def test_a_chart_can_be_unpacked() -> None:
    chart = helm_chart("acme")
    with tarfile.open(fileobj=io.BytesIO(chart.blobs[chart.root.layers[0].digest])) as tar:
        assert "acme/Chart.yaml" in tar.getnames()


def test_an_artifact_has_the_empty_config_and_a_type() -> None:
    root = artifact("a").root
    assert root.config is not None
    assert root.config.media_type == OCI_EMPTY
    assert root.artifact_type


def test_a_referrer_can_have_a_referrer() -> None:
    web = CORPUS.tags["library/web", "1.0"]
    sbom = web.referrers[0]
    assert sbom.root.subject == web.root.descriptor
    assert sbom.referrers[0].root.subject == sbom.root.descriptor


def test_a_signature_is_found_by_the_name_that_cosign_uses() -> None:
    image = single_image("a")
    tag, signature = cosign_signature(image.root)
    assert tag == image.digest.replace(":", "-") + ".sig"
    assert image.digest.encode() in signature.blobs[signature.root.layers[0].digest]


def test_a_registry_takes_the_corpus_and_gives_the_same_bytes_back(tmp_path: Path) -> None:
    registry = DirectoryRegistry(tmp_path)
    CORPUS.push_to(registry, below="source")
    for (repository, tag), content in CORPUS.tags.items():
        stored = registry.get_manifest(f"source/{repository}", tag)
        assert stored is not None
        assert stored.raw == content.root.raw
        for each in content.referrers:
            assert each.root.subject is not None
            attached = registry.list_referrers(f"source/{repository}", each.root.subject.digest)
            assert each.root.descriptor in attached
    registry.close()


@pytest.mark.tools("skopeo")
def test_skopeo_reads_the_layout_and_keeps_every_digest(tmp_path: Path) -> None:
    image = multi_arch_image("a", attestations=False)
    image.write_layout(tmp_path / "layout", "acme:1")
    subprocess.run(
        ["skopeo", "copy", "--all", "--quiet", f"oci:{tmp_path}/layout:acme:1", f"dir:{tmp_path}/out"],
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "out" / "manifest.json").read_bytes() == image.root.raw
