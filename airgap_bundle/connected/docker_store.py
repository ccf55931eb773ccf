"""What `docker save`, podman and skopeo write as a docker archive, made into OCI images that are functions of it.

Config and layers stay as they are, byte for byte; the manifest is new, since the archive holds none. Docker image
specification 1.2.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airgap_bundle.connected.archive_files import Files, read_small
from airgap_bundle.connected.archive_names import not_one, same_name
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest, new_buffer
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import OCI_CONFIG, OCI_MANIFEST, parse_document

if TYPE_CHECKING:
    from airgap_bundle.core.content import Descriptor
    from airgap_bundle.core.oci import Document

# An image with 100 layers takes 10 KB of manifest.json.
_MAX_INDEX_BYTES = 16 * 1024 * 1024
_MAX_CONFIG_BYTES = 4 * 1024 * 1024
_HEX_NAME = re.compile(r"([0-9a-f]{64})(?:\.json)?")


@dataclass(slots=True)
class DockerStore:
    """What `docker save` and its likes write: `manifest.json`, a config for each image, and layers."""

    files: Files
    images: tuple[dict[str, Any], ...] = ()
    _blobs: dict[Digest, str] = field(default_factory=dict)
    _documents: dict[Digest, Document] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read `manifest.json`."""
        raw = read_small(self.files, "manifest.json", _MAX_INDEX_BYTES)
        if raw is None:
            raise InvalidValueError("is not a docker archive: it has no manifest.json")
        # The reader wants an object; the file holds a list.
        listed = strictjson.parse_object(b'{"images":' + raw + b"}", max_bytes=_MAX_INDEX_BYTES + 16)["images"]
        if not isinstance(listed, list) or not all(isinstance(image, dict) for image in listed):
            raise InvalidValueError("has a manifest.json that is not a list of images")
        self.images = tuple(listed)

    def top(self, name: str) -> Document:
        """The image of that name, made into an OCI image."""
        if name:
            found = [image for image in self.images if any(same_name(name, tag) for tag in _texts(image, "RepoTags"))]
        else:
            found = list(self.images)
        if len(found) != 1:
            raise not_one(name, [tag for image in self.images for tag in _texts(image, "RepoTags")[:1]], len(found))
        document = self._converted(found[0])
        self._documents[document.descriptor.digest] = document
        return document

    def document(self, digest: Digest) -> Document | None:
        """What `top` made; all of it, where nothing was made yet."""
        if not self._documents:
            for image in self.images:
                document = self._converted(image)
                self._documents[document.descriptor.digest] = document
        return self._documents.get(digest)

    def named(self, tag: str, name: str) -> Document | None:  # noqa: ARG002 - it holds nothing but images
        """Nothing."""
        return None

    def attached(self, subject: Digest) -> tuple[Descriptor, ...]:  # noqa: ARG002 - see `named`
        """Nothing."""
        return ()

    def blob(self, digest: Digest) -> str | None:
        """The file that has this digest."""
        return self._blobs.get(digest)

    def _converted(self, image: dict[str, Any]) -> Document:
        config_name, layer_names = image.get("Config"), _texts(image, "Layers")
        config = read_small(self.files, config_name, _MAX_CONFIG_BYTES) if isinstance(config_name, str) else None
        if config is None or not isinstance(config_name, str):
            raise InvalidValueError("lacks the config of an image")
        digest = Digest.of(config)
        match = _HEX_NAME.fullmatch(config_name.rpartition("/")[2])
        if match is not None and match[1] != digest.encoded:
            raise InvalidValueError(f"is damaged: the config {config_name} has the digest {digest}")
        self._blobs[digest] = config_name
        layers = [self._layer(name) for name in layer_names]
        _check_layers(config, layers)
        raw = strictjson.canonical(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": digest, "size": len(config)},
                "layers": layers,
            }
        )
        return parse_document(raw, OCI_MANIFEST)

    def _layer(self, name: str) -> dict[str, Any]:
        size = self.files.size(name)
        if size is None:
            raise InvalidValueError(f"lacks the layer {name[:160]!r}")
        hasher, buffer, start, done = hashlib.sha256(), new_buffer(), b"", 0
        with self.files.open(name) as source:
            while count := source.readinto(buffer):
                start = start or bytes(buffer[: min(count, 4)])
                hasher.update(buffer[:count])
                done += count
        if done != size:
            raise InvalidValueError("changes while it is read")
        digest = Digest(f"sha256:{hasher.hexdigest()}")
        self._blobs[digest] = name
        return {"mediaType": _layer_type(start), "digest": digest, "size": size}


def _check_layers(config: bytes, layers: list[dict[str, Any]]) -> None:
    """As many layers as the config says, and those that are not compressed are the ones that it names."""
    rootfs = strictjson.parse_object(config, max_bytes=_MAX_CONFIG_BYTES, floats=True).get("rootfs")
    named = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(named, list) or len(named) != len(layers):
        raise InvalidValueError("holds an image whose config names other layers than manifest.json")
    for diff_id, layer in zip(named, layers, strict=True):
        if layer["mediaType"] == _layer_type(b"") and layer["digest"] != diff_id:
            raise InvalidValueError(f"is damaged: a layer has the digest {layer['digest']}, and {diff_id} is due")


def _layer_type(start: bytes) -> str:
    suffix = {b"\x1f\x8b": "+gzip", b"\x28\xb5": "+zstd"}.get(start[:2], "")
    return f"application/vnd.oci.image.layer.v1.tar{suffix}"


def _texts(image: dict[str, Any], key: str) -> list[str]:
    values = image.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidValueError(f"has a manifest.json where {key} is not a list of texts")
    return values
