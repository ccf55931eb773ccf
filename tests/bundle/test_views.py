"""`index.json` and `manifest.json`, as the runtimes that read them need them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from support.bundles import parts_of
from support.images import (
    artifact,
    attestation,
    corpus,
    helm_chart,
    image_with_empty_layers,
    multi_arch_image,
    scratch_image,
    single_image,
)

from airgap_bundle.bundle.layout import DOCKER_MANIFEST, INDEX, blob_name
from airgap_bundle.bundle.views import NAME_ANNOTATION, docker_manifest, index_json
from airgap_bundle.core.oci import OCI_INDEX

if TYPE_CHECKING:
    from pathlib import Path

    from support.content import ImageContent

RUNTIME_NAMES = {"io.containerd.image.name", "org.opencontainers.image.ref.name"}


def index_of(**contents: ImageContent) -> dict[str, Any]:
    parts = parts_of({(f"library/{name}", "1"): content for name, content in contents.items()})
    value: dict[str, Any] = json.loads(parts.members[INDEX])
    return value


def docker_of(**contents: ImageContent) -> list[dict[str, Any]]:
    parts = parts_of({(f"library/{name}", "1"): content for name, content in contents.items()})
    value: list[dict[str, Any]] = json.loads(parts.members[DOCKER_MANIFEST])
    return value


def test_an_image_carries_its_full_name_for_containerd_and_for_the_layout() -> None:
    image = single_image("app")
    entry = index_of(app=image)["manifests"][0]
    assert entry == {
        "mediaType": image.root.descriptor.media_type,
        "digest": image.digest,
        "size": len(image.root.raw),
        "annotations": dict.fromkeys(sorted(RUNTIME_NAMES), "registry.example/library/app:1"),
    }


@pytest.mark.parametrize("content", [helm_chart(), artifact("database")], ids=["chart", "artifact"])
def test_what_is_no_image_has_no_name_that_runtimes_look_for(content: ImageContent) -> None:
    annotations = index_of(thing=content)["manifests"][0]["annotations"]
    assert annotations == {NAME_ANNOTATION: "registry.example/library/thing:1"}


def test_what_is_attached_has_no_name_at_all() -> None:
    parts = parts_of(corpus())
    entries = json.loads(parts.members[INDEX])["manifests"]
    kinds = [item.kind for item in parts.inventory.items]
    assert "attached" in kinds
    assert all("annotations" not in entry for entry, kind in zip(entries, kinds, strict=True) if kind == "attached")


def test_the_index_has_one_entry_for_each_item_in_their_order() -> None:
    parts = parts_of(corpus())
    value = json.loads(parts.members[INDEX])
    assert [entry["digest"] for entry in value["manifests"]] == [item.digest for item in parts.inventory.items]
    assert (value["schemaVersion"], value["mediaType"]) == (2, OCI_INDEX)


def test_both_views_are_canonical() -> None:
    parts = parts_of(corpus())
    for name in (INDEX, DOCKER_MANIFEST):
        assert rfc8785.dumps(json.loads(parts.members[name])) == parts.members[name]


def test_an_index_of_nothing_is_an_index() -> None:
    assert json.loads(index_json([]))["manifests"] == []


def config_and_layers(content: ImageContent, number: int) -> tuple[str, list[str]]:
    document = content.documents[number]
    assert document.config is not None
    return blob_name(document.config.digest), [blob_name(layer.digest) for layer in document.layers]


def test_docker_gets_config_layers_and_name() -> None:
    image = single_image("app", layers=3)
    config, layers = config_and_layers(image, 0)
    assert docker_of(app=image) == [
        {"Config": config, "Layers": layers, "RepoTags": ["registry.example/library/app:1"]}
    ]


def test_docker_gets_the_platform_that_most_machines_have() -> None:
    image = multi_arch_image("app", ("linux/arm64", "linux/amd64", "linux/s390x"))
    assert docker_of(app=image)[0]["Config"] == config_and_layers(image, 1)[0]


def test_docker_gets_the_first_platform_where_that_one_is_missing() -> None:
    image = multi_arch_image("app", ("linux/s390x", "linux/arm64"))
    assert docker_of(app=image)[0]["Config"] == config_and_layers(image, 0)[0]


def test_docker_never_gets_an_attestation() -> None:
    image = single_image("app", arch="linux/arm64")
    statement = attestation(image.root)
    assert docker_of(other=image, statement=statement)[0]["RepoTags"] == ["registry.example/library/other:1"]
    every = multi_arch_image("app", ("linux/arm64",), attestations=True)
    assert [entry["Config"] for entry in docker_of(app=every)] == [config_and_layers(every, 0)[0]]


def test_docker_gets_old_images_and_lists_of_its_own_types() -> None:
    old, listed = single_image("old", docker=True), multi_arch_image("list", docker=True)
    assert len(docker_of(old=old, listed=listed)) == 2


def test_docker_gets_neither_charts_nor_artifacts() -> None:
    assert docker_of(chart=helm_chart(), thing=artifact("thing")) == []


def test_docker_gets_each_layer_as_often_as_the_config_names_it() -> None:
    layers = docker_of(app=image_with_empty_layers("app"))[0]["Layers"]
    assert (len(layers), len(set(layers))) == (3, 2)


def test_docker_gets_images_without_layers() -> None:
    assert docker_of(app=scratch_image("app"))[0]["Layers"] == []


def test_an_image_known_by_digest_only_has_no_name_for_docker() -> None:
    image = single_image("app")
    item = parts_of({("library/app", "1"): image}).inventory.items[0]
    by_digest = replace(item, source=f"registry.example/library/app@{image.digest}", tag="")
    assert json.loads(docker_manifest([(by_digest, image.documents)]))[0]["RepoTags"] == []


def test_an_index_without_the_child_that_would_be_chosen_gives_docker_another() -> None:
    image = multi_arch_image("app", ("linux/amd64", "linux/arm64"), attestations=False)
    item = parts_of({("library/app", "1"): image}).inventory.items[0]
    held = (image.root, image.documents[1])
    assert json.loads(docker_manifest([(item, held)]))[0]["Config"] == config_and_layers(image, 1)[0]


@pytest.mark.tools("skopeo")
def test_skopeo_finds_an_image_by_its_full_name_and_its_exact_bytes(tmp_path: Path) -> None:
    image = single_image("app")
    path = parts_of({("library/app", "1"): image, ("charts/acme", "2"): helm_chart()}).write(tmp_path / "x.tar")
    name = f"oci-archive:{path}:registry.example/library/app:1"
    raw = subprocess.run(["skopeo", "inspect", "--raw", name], check=True, capture_output=True).stdout
    assert raw == image.root.raw


@pytest.mark.tools("skopeo")
def test_skopeo_reads_a_bundle_as_a_docker_archive(tmp_path: Path) -> None:
    path = parts_of(corpus(size=200)).write(tmp_path / "x.tar")
    listed = subprocess.run(["skopeo", "list-tags", f"docker-archive:{path}"], check=True, capture_output=True).stdout
    names = {"library/web:1.0", "library/service:2.1", "library/worker:2.1"}
    assert {f"registry.example/{name}" for name in names} <= set(json.loads(listed)["Tags"])
