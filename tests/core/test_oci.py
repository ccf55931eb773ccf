"""References, platforms and image documents."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from support.images import corpus, cosign_signature, helm_chart, multi_arch_image, single_image

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MAX_CHILDREN,
    MAX_DOCUMENT_BYTES,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Platform,
    Reference,
    check_host,
    parse_descriptor,
    parse_document,
)

DIGEST = Digest.of(b"")
DESCRIPTOR: dict[str, Any] = {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 0}
MANIFEST: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": DESCRIPTOR, "layers": []}
INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": OCI_INDEX,
    "manifests": [{**DESCRIPTOR, "mediaType": OCI_MANIFEST}],
}


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7.2.4", "docker.io/library/redis:7.2.4"),
        ("acme/app", "docker.io/acme/app:latest"),
        ("docker.io/redis", "docker.io/library/redis:latest"),
        ("index.docker.io/library/redis:7", "docker.io/library/redis:7"),
        ("registry-1.docker.io/redis:7", "docker.io/library/redis:7"),
        ("ghcr.io/acme/app:1.0", "ghcr.io/acme/app:1.0"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("registry:5000/app", "registry:5000/app:latest"),
        ("Registry/app:1", "Registry/app:1"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1"),
        ("[::1]/app:1", "[::1]/app:1"),
        ("127.0.0.1:5000/a/b/c:1", "127.0.0.1:5000/a/b/c:1"),
        (f"redis@{DIGEST}", f"docker.io/library/redis@{DIGEST}"),
        (f"redis:7@{DIGEST}", f"docker.io/library/redis:7@{DIGEST}"),
        ("ghcr.io/a__b/c-d---e/f.g:_x", "ghcr.io/a__b/c-d---e/f.g:_x"),
        ("z" * 64, f"docker.io/library/{'z' * 64}:latest"),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(text: str, full: str) -> None:
    assert str(Reference.parse(text)) == full


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ":",
        ":tag",
        "@",
        "redis:",
        "redis@",
        f"redis@{DIGEST}@{DIGEST}",
        f"redis@{DIGEST[:-1]}",
        f"redis@{DIGEST.upper()}",
        f"redis@{DIGEST}\n",
        "redis:7\n",
        "redis :7",
        " redis:7",
        "redis:7 ",
        "redis:-x",
        "redis:" + "x" * 129,
        "redis:a:b",
        "acme/App",
        "ghcr.io/acme/App:1",
        "ghcr.io//app",
        "ghcr.io/app/",
        "ghcr.io/",
        "/app",
        "ghcr.io/../app",
        "ghcr.io/a/../../b",
        "ghcr.io/.app",
        "ghcr.io/app-",
        "ghcr.io/a..b",
        "ghcr.io/a___b",
        "http://ghcr.io/app",
        "https://ghcr.io/app:1",
        "oci://ghcr.io/app:1",
        "ghcr.io:99999/app",
        "ghcr.io:0/app",
        "ghcr.io:/app",
        "ghcr.io:5000x/app",
        "user@ghcr.io/app",
        "user:password@ghcr.io/app",
        "b\u00fccher.example/app",
        "ghcr.io/\u00e4pp",
        "ghcr.io/app:\u0661",
        "ghcr.io/app?x=y",
        "ghcr.io/app#x",
        "ghcr.io/app%2f..",
        "-ghcr.io/app",
        "ghcr..io/app",
        "a" * 64,
        "0123456789abcdef" * 4 + ":tag",
        "ghcr.io/" + "a" * 300,
        "ghcr.io/" + "a" * 250,
        "a." * 150 + "io/app",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        Reference.parse(text)


def test_a_refused_reference_is_quoted_in_part_only() -> None:
    with pytest.raises(InvalidValueError) as caught:
        Reference.parse("ghcr.io/" + "A" * 100_000)
    assert len(str(caught.value)) < 500


def test_with_tag_and_digest_the_digest_is_asked_for() -> None:
    both = Reference.parse(f"redis:7@{DIGEST}")
    assert both.asked == DIGEST
    assert both.tag == "7"
    assert Reference.parse("redis:7").asked == "7"
    assert both.name == "docker.io/library/redis"


@pytest.mark.parametrize("host", ["ghcr.io", "registry:5000", "10.0.0.1", "[fd00::1]:443", "a-b.c", "x:65535"])
def test_a_registry_host_is_a_name_with_or_without_a_port(host: str) -> None:
    assert check_host(host) == host


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a/b", "a:65536", "a:", ":5000", "a_b.c", "::1", "[::1", "a\n", "a:\u0665", "a@b", "-a", "a-.b!"],
)
def test_what_is_no_registry_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidValueError, match="not a registry host"):
        check_host(host)


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm/v7", "linux/arm64/v8", "windows/amd64", "linux/s390x"])
def test_a_platform_reads_back_as_itself(text: str) -> None:
    assert str(Platform.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "linux", "linux/", "/amd64", "linux/arm/", "linux/arm/v7/x", "linux amd64", "linux/amd64\n", "../../etc"],
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="not a platform"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("has", "wanted", "served"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/amd64", "windows/amd64", False),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64/v9", "linux/arm64", False),
        ("linux/arm/v7", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/arm/v7", "linux/arm", False),
        ("linux/amd64/v3", "linux/amd64", False),
        ("unknown/unknown", "linux/amd64", False),
    ],
)
def test_a_platform_serves_what_somebody_means(has: str, wanted: str, served: bool) -> None:  # noqa: FBT001 - a table
    assert Platform.parse(has).serves(Platform.parse(wanted)) is served


def test_the_platform_of_attestations_is_known_as_unknown() -> None:
    assert Platform.parse("unknown/unknown").is_unknown
    assert not Platform.parse("linux/amd64").is_unknown


@pytest.mark.parametrize("content", corpus().tags.values(), ids=lambda content: content.root.descriptor.media_type)
def test_a_document_keeps_its_very_bytes(content: Any) -> None:
    for document in content.all_documents():
        again = parse_document(document.raw, document.descriptor.media_type)
        assert again == document
        assert again.descriptor.digest == Digest.of(again.raw)
        assert again.value == json.loads(document.raw)


def test_the_type_is_taken_from_the_document_where_nothing_came_with_it() -> None:
    assert parse_document(json.dumps(MANIFEST).encode()).descriptor.media_type == OCI_MANIFEST


def test_the_type_that_came_with_it_is_enough() -> None:
    untyped = {key: value for key, value in MANIFEST.items() if key != "mediaType"}
    assert parse_document(json.dumps(untyped).encode(), OCI_MANIFEST).descriptor.media_type == OCI_MANIFEST


def test_an_index_knows_its_children_and_their_attestations() -> None:
    index = multi_arch_image("a").root
    assert index.is_index
    assert index.blobs == ()
    platforms = [child.platform for child in index.children if child.attests is None]
    assert [str(platform) for platform in platforms] == ["linux/amd64", "linux/arm64"]
    assert all(child.platform is not None and child.platform.is_unknown for child in index.children if child.attests)


def test_an_attestation_for_no_digest_attests_nothing() -> None:
    notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": "x"}
    index = {**INDEX, "manifests": [{**INDEX["manifests"][0], "annotations": notes}]}
    assert parse_document(json.dumps(index).encode()).children[0].attests is None


def test_blobs_are_the_config_and_then_the_layers() -> None:
    root = single_image("a", layers=3).root
    assert root.blobs == (root.config, *root.layers)
    assert root.is_image


def test_what_many_documents_have_in_common_is_held_once() -> None:
    raw = single_image("acme").root.raw
    known = {str(blob.digest): blob.digest for blob in parse_document(raw).blobs}
    first, second = (parse_document(raw, name=known.__getitem__) for _ in range(2))
    for one, other in zip(first.blobs, second.blobs, strict=True):
        assert one.digest is other.digest
        assert one.media_type is other.media_type
        assert one.annotations is other.annotations


def test_a_chart_is_no_image() -> None:
    assert not helm_chart().root.is_image


def test_a_document_knows_its_subject() -> None:
    web = corpus().tags["library/web", "1.0"]
    assert web.referrers[0].root.subject == web.root.descriptor


def test_a_signature_manifest_is_a_document_like_others() -> None:
    _, signature = cosign_signature(single_image("a").root)
    assert len(signature.root.layers) == 1


def test_null_layers_are_no_layers() -> None:
    assert parse_document(json.dumps({**MANIFEST, "layers": None}).encode()).layers == ()


def without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != key}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({**MANIFEST, "mediaType": 5}, "mediaType is not a string"),
        ({**MANIFEST, "mediaType": OCI_INDEX}, "its content is not what its type says"),
        ({**INDEX, "mediaType": OCI_MANIFEST}, "its content is not what its type says"),
        ({**INDEX, "mediaType": DOCKER_MANIFEST}, "its content is not what its type says"),
        ({**MANIFEST, "mediaType": DOCKER_LIST}, "its content is not what its type says"),
        ({**MANIFEST, "manifests": []}, "both or neither"),
        ({**INDEX, "layers": []}, "both or neither"),
        ({**INDEX, "config": DESCRIPTOR}, "both or neither"),
        ({"schemaVersion": 2, "mediaType": OCI_MANIFEST}, "both or neither"),
        (without(MANIFEST, "mediaType"), "no media type"),
        ({**MANIFEST, "mediaType": "text/html"}, "neither an image manifest nor an index: text/html"),
        ({**MANIFEST, "schemaVersion": 1}, "schema 1"),
        ({**MANIFEST, "mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws"}, "schema 1"),
        ({**MANIFEST, "schemaVersion": 3}, "schemaVersion is not 2"),
        ({**MANIFEST, "schemaVersion": "2"}, "schemaVersion is not 2"),
        ({**MANIFEST, "schemaVersion": 2.0}, "schemaVersion is not 2"),
        (without(MANIFEST, "schemaVersion"), "schemaVersion is not 2"),
        ({**MANIFEST, "artifactType": ["x"]}, "artifactType is not a string"),
        ({**MANIFEST, "config": None}, "config is not a descriptor"),
        (without(MANIFEST, "config"), "config is not a descriptor"),
        ({**MANIFEST, "layers": {"a": 1}}, "layers is not a list"),
        ({**MANIFEST, "layers": ["x"]}, r"layers\[0\] is not a descriptor"),
        ({**MANIFEST, "layers": [DESCRIPTOR, {**DESCRIPTOR, "size": -1}]}, r"layers\[1\]: not a size"),
        ({**MANIFEST, "layers": [DESCRIPTOR] * (MAX_CHILDREN + 1)}, "layers is not a list of at most"),
        ({**MANIFEST, "subject": "x"}, "subject is not a descriptor"),
        ({**MANIFEST, "subject": {**DESCRIPTOR, "digest": "x"}}, "subject: not a digest"),
        ({**INDEX, "manifests": {"a": 1}}, "manifests is not a list"),
        ({**INDEX, "manifests": [7]}, r"manifests\[0\] is not a descriptor"),
        ({**INDEX, "manifests": [{**DESCRIPTOR, "platform": "x"}]}, r"manifests\[0\].platform is not an object"),
        ({**INDEX, "manifests": [{**DESCRIPTOR, "platform": {"os": 1}}]}, "a part that is not a string"),
        ({**INDEX, "manifests": [{**DESCRIPTOR, "platform": {"os": "linux"}}]}, r"manifests\[0\].platform: not a plat"),
    ],
)
def test_what_is_no_document_is_refused(value: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidValueError, match=complaint):
        parse_document(json.dumps(value).encode())


def test_a_document_that_came_as_something_else_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=re.escape(f"came as {OCI_INDEX} but calls itself {OCI_MANIFEST}")):
        parse_document(json.dumps(MANIFEST).encode(), OCI_INDEX)


def test_a_document_of_more_than_a_registry_takes_is_refused() -> None:
    raw = json.dumps(MANIFEST).encode()
    with pytest.raises(InvalidValueError, match="more than"):
        parse_document(raw + b" " * (MAX_DOCUMENT_BYTES - len(raw) + 1))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, "x is not a descriptor"),
        ([], "x is not a descriptor"),
        (without(DESCRIPTOR, "mediaType"), "x lacks mediaType or digest"),
        (without(DESCRIPTOR, "digest"), "x lacks mediaType or digest"),
        ({**DESCRIPTOR, "digest": 5}, "x lacks mediaType or digest"),
        (without(DESCRIPTOR, "size"), "x.size is not an integer"),
        ({**DESCRIPTOR, "size": True}, "x.size is not an integer"),
        ({**DESCRIPTOR, "size": 1.0}, "x.size is not an integer"),
        ({**DESCRIPTOR, "size": "1"}, "x.size is not an integer"),
        ({**DESCRIPTOR, "size": 2**63}, "x: not a size"),
        ({**DESCRIPTOR, "digest": f"{DIGEST}\n"}, "x: not a digest"),
        ({**DESCRIPTOR, "mediaType": ""}, "x: not a media type"),
        ({**DESCRIPTOR, "annotations": ["a"]}, "x.annotations is not a map of strings"),
        ({**DESCRIPTOR, "annotations": {"a": 1}}, "x.annotations is not a map of strings"),
    ],
)
def test_what_is_no_descriptor_is_refused_with_its_place(value: object, complaint: str) -> None:
    with pytest.raises(InvalidValueError, match=complaint):
        parse_descriptor(value, "x")
