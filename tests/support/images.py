"""Small but real OCI content, made on the spot and the same for the same seed.

Layers are tars that podman and containerd can unpack, with the `diff_ids` that belong to them. The JSON of each
document has its own odd spacing, and now and then a field that nobody knows, so that whoever serialises a document
again changes its digest and is found out. Compare nothing here with recorded digests: zlib may pack the same bytes
differently on another machine.
"""

from __future__ import annotations

import hashlib
import json
import random
from typing import TYPE_CHECKING, Any

from support.content import Corpus, ImageContent, pointer
from support.layers import Layer, layer, pack

from airgap_bundle.core.content import Digest
from airgap_bundle.core.oci import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    HELM_CONFIG,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Platform,
    parse_document,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airgap_bundle.core.oci import Document

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
HELM_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
IN_TOTO = "application/vnd.in-toto+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
COSIGN_SIGNATURE = "dev.cosignproject.cosign/signature"
SBOM = "application/spdx+json"
SIGSTORE_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PLATFORMS = ("linux/amd64", "linux/arm64")
_MADE_AT = "2023-11-14T00:00:00Z"


def single_image(
    seed: str,
    *,
    layers: int = 2,
    arch: str = "linux/amd64",
    base: str = "base",
    size: int = 2000,
    docker: bool = False,
) -> ImageContent:
    """An image for one platform: a base layer that all images with the same `base` and `arch` share, and its own.

    `layers` counts both; `size` is that of each layer, about. `docker` gives it Docker's schema 2 types.
    """
    platform = Platform.parse(arch)
    parts = [layer(f"{base} {arch}", size=size)] if layers else []
    parts += [layer(f"{seed} {arch} {number}", size=size) for number in range(1, layers)]
    return image_of(seed, parts, platform=platform, docker=docker)


def scratch_image(seed: str) -> ImageContent:
    """An image without any layer."""
    return image_of(seed, [], platform=Platform.parse("linux/amd64"))


def image_with_empty_layers(seed: str) -> ImageContent:
    """An image that names the same empty layer twice, and steps in its history that made no layer."""
    own, empty = layer(seed), pack({})
    return image_of(seed, [own, empty, empty], platform=Platform.parse("linux/amd64"))


def image_of(seed: str, layers: Sequence[Layer], *, platform: Platform, docker: bool = False) -> ImageContent:
    """An image of these very layers."""
    history = [{"created": _MADE_AT, "created_by": f"step {number}"} for number in range(len(layers))]
    config: dict[str, Any] = {
        "architecture": platform.architecture,
        "os": platform.os,
        "created": _MADE_AT,
        "config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/true"], "Labels": {"seed": seed}},
        "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in layers]},
        "history": [*history, {"created": _MADE_AT, "created_by": "ENV A=b", "empty_layer": True}],
    }
    if platform.variant:
        config["variant"] = platform.variant
    return _manifest(
        seed,
        config=(DOCKER_CONFIG if docker else OCI_CONFIG, _json(config, f"config {seed}")),
        layers=[(DOCKER_LAYER if docker else OCI_LAYER, each.data, {}) for each in layers],
        media_type=DOCKER_MANIFEST if docker else OCI_MANIFEST,
    )


def multi_arch_image(
    seed: str,
    platforms: Iterable[str] = PLATFORMS,
    *,
    attestations: bool = True,
    docker: bool = False,
    layers: int = 2,
    size: int = 2000,
    base: str = "base",
) -> ImageContent:
    """An index with a child for each platform and, as BuildKit writes them, an attestation for each child.

    `docker` makes it a Docker manifest list, which has no attestations.
    """
    children = {
        Platform.parse(text): single_image(seed, layers=layers, arch=text, base=base, size=size, docker=docker)
        for text in platforms
    }
    entries = [{**pointer(child.root), "platform": _platform(platform)} for platform, child in children.items()]
    parts = list(children.values())
    if attestations and not docker:
        for child in children.values():
            statement = attestation(child.root)
            parts.append(statement)
            entries.append(
                {
                    **pointer(statement.root),
                    "annotations": {
                        "vnd.docker.reference.digest": child.digest,
                        "vnd.docker.reference.type": "attestation-manifest",
                    },
                    "platform": {"architecture": "unknown", "os": "unknown"},
                }
            )
    return _index(seed, entries, parts, media_type=DOCKER_LIST if docker else OCI_INDEX)


def attestation(subject: Document) -> ImageContent:
    """A provenance statement about `subject`, in the shape of an image that cannot run."""
    statement = _statement(subject, "https://slsa.dev/provenance/v0.2")
    config = {
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [Digest.of(statement)]},
    }
    note = {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}
    seed = f"attestation {subject.descriptor.digest}"
    return _manifest(seed, config=(OCI_CONFIG, _json(config, seed)), layers=[(IN_TOTO, statement, note)])


def helm_chart(
    name: str = "acme",
    version: str = "1.2.3",
    *,
    image: str = "registry.example/acme:1",
    files: Mapping[str, bytes] | None = None,
) -> ImageContent:
    """A chart as `helm push` stores it: its Chart.yaml as the config, the packed chart as the only layer.

    `files` are its values and templates, by their paths in the chart, instead of a pod with one image.
    """
    meta = {"apiVersion": "v2", "name": name, "version": version, "type": "application", "appVersion": "1"}
    chart = "".join(f"{key}: {json.dumps(value)}\n" for key, value in meta.items())
    template = (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n"
        "spec:\n  containers:\n    - name: main\n      image: {{ .Values.image }}\n"
    )
    rest = files or {"values.yaml": f"image: {image}\n".encode(), "templates/pod.yaml": template.encode()}
    packed = pack({f"{name}/{path}": data for path, data in {"Chart.yaml": chart.encode(), **rest}.items()})
    return _manifest(
        f"chart {name} {version}",
        config=(HELM_CONFIG, _json(meta, f"chart {name}")),
        layers=[(HELM_LAYER, packed.data, {})],
        annotations={"org.opencontainers.image.title": name, "org.opencontainers.image.version": version},
    )


def made_of(seed: str, config: tuple[str, bytes], *layers: tuple[str, bytes]) -> ImageContent:
    """An image manifest of exactly these parts, each with its type."""
    return _manifest(seed, config=config, layers=[(kind, data, {}) for kind, data in layers])


def artifact(
    seed: str,
    *,
    artifact_type: str = "application/vnd.example.database.v1",
    files: Mapping[str, bytes] | None = None,
    subject: Document | None = None,
) -> ImageContent:
    """An OCI 1.1 artifact: the empty config, an `artifactType`, each file a layer with its title."""
    if files is None:
        files = {f"{seed}.bin": random.Random(f"artifact {seed}").randbytes(700)}
    return _manifest(
        f"artifact {seed}",
        config=(OCI_EMPTY, b"{}"),
        layers=[
            ("application/octet-stream", data, {"org.opencontainers.image.title": name}) for name, data in files.items()
        ],
        artifact_type=artifact_type,
        subject=subject,
    )


def referrer(subject: Document, seed: str = "sbom", *, artifact_type: str = SBOM) -> ImageContent:
    """An artifact that is attached to `subject` by the `subject` field."""
    payload = _statement(subject, artifact_type)
    return artifact(
        f"{seed} of {subject.descriptor.digest}",
        artifact_type=artifact_type,
        files={f"{seed}.json": payload},
        subject=subject,
    )


def signed_referrer(subject: Document, seed: str = "sbom") -> ImageContent:
    """A referrer of `subject` that has a referrer of its own, as a signed SBOM does."""
    sbom = referrer(subject, seed)
    return sbom.with_referrers(referrer(sbom.root, "signature", artifact_type=SIGSTORE_BUNDLE))


def cosign_signature(subject: Document, *, suffix: str = "sig") -> tuple[str, ImageContent]:
    """The tag and the image manifest under which cosign keeps a signature beside what it signs (`att`, `sbom` too)."""
    digest = subject.descriptor.digest
    payload = {
        "critical": {
            "identity": {"docker-reference": ""},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    signature = {COSIGN_SIGNATURE: hashlib.sha256(digest.encode()).hexdigest()}
    config = {"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    seed = f"{suffix} of {digest}"
    content = _manifest(
        seed,
        config=(OCI_CONFIG, _json(config, seed)),
        layers=[(SIMPLE_SIGNING, json.dumps(payload, separators=(",", ":")).encode(), signature)],
    )
    return f"{digest.algorithm}-{digest.encoded}.{suffix}", content


def corpus(seed: str = "corpus", *, size: int = 2000) -> Corpus:
    """One of each kind: what a delivery holds, in little."""
    web = multi_arch_image(f"{seed} web", size=size)
    web = web.with_referrers(signed_referrer(web.root), referrer(web.documents[0], "child-sbom"))
    service = single_image(f"{seed} service", layers=3, size=size)
    service = service.with_referrers(referrer(service.root))
    signature_tag, signature = cosign_signature(service.root)
    return Corpus(
        tags={
            ("library/web", "1.0"): web,
            ("library/service", "2.1"): service,
            ("library/service", signature_tag): signature,
            ("library/worker", "2.1"): single_image(f"{seed} worker", size=size),
            ("acme/legacy", "7"): multi_arch_image(f"{seed} legacy", docker=True, size=size),
            ("acme/old", "3"): single_image(f"{seed} old", docker=True, size=size),
            ("acme/empty-steps", "1"): image_with_empty_layers(f"{seed} empty"),
            ("acme/scratch", "1"): scratch_image(f"{seed} scratch"),
            ("charts/acme", "1.2.3"): helm_chart(),
            ("acme/database", "2"): artifact(f"{seed} database"),
        }
    )


def _manifest(
    seed: str,
    *,
    config: tuple[str, bytes],
    layers: Sequence[tuple[str, bytes, Mapping[str, str]]],
    media_type: str = OCI_MANIFEST,
    artifact_type: str = "",
    subject: Document | None = None,
    annotations: Mapping[str, str] | None = None,
) -> ImageContent:
    """An image manifest of these contents; types come first, then the bytes."""
    config_type, config_data = config
    value: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _describe(config_type, config_data, {}),
        "layers": [_describe(*each) for each in layers],
    }
    if artifact_type:
        value["artifactType"] = artifact_type
    if subject is not None:
        value["subject"] = pointer(subject)
    if annotations:
        value["annotations"] = dict(annotations)
    root = parse_document(_json(value, seed), media_type)
    blobs = {Digest.of(data): data for data in (config_data, *(data for _, data, _ in layers))}
    return ImageContent(root=root, documents=(root,), blobs=blobs)


def _index(
    seed: str, entries: Sequence[Mapping[str, Any]], parts: Sequence[ImageContent], *, media_type: str
) -> ImageContent:
    root = parse_document(
        _json({"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)}, f"index {seed}"), media_type
    )
    blobs: dict[Digest, bytes] = {}
    for part in parts:
        blobs |= part.blobs
    return ImageContent(root=root, documents=(*(part.root for part in parts), root), blobs=blobs)


def _describe(media_type: str, data: bytes, annotations: Mapping[str, str]) -> dict[str, Any]:
    value: dict[str, Any] = {"mediaType": media_type, "digest": Digest.of(data), "size": len(data)}
    if annotations:
        value["annotations"] = dict(annotations)
    return value


def _platform(platform: Platform) -> dict[str, str]:
    value = {"architecture": platform.architecture, "os": platform.os}
    if platform.variant:
        value["variant"] = platform.variant
    return value


def _statement(subject: Document, predicate_type: str) -> bytes:
    digest = subject.descriptor.digest
    return json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": predicate_type,
            "subject": [{"name": "image", "digest": {digest.algorithm: digest.encoded}}],
            "predicate": {},
        }
    ).encode()


def _json(value: Mapping[str, Any], seed: str) -> bytes:
    """The object in some spelling of its own that no serialiser would choose by itself."""
    dice = random.Random(f"json {seed}")
    unknown = {"x-unknown-to-us": {"ratio": 0.5, "note": "naïve é \u2192"}} if dice.random() < 0.5 else {}
    indent = dice.choice([None, 1, 3, "\t"])
    separators = dice.choice([(" ,", " : "), (",", ":  "), (", ", ":")])
    text = json.dumps({**value, **unknown}, indent=indent, separators=separators, ensure_ascii=dice.random() < 0.5)
    return (text + dice.choice(["", "\n", "\r\n  "])).encode()
