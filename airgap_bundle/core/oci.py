"""References, platforms, and image documents with the bytes that were hashed.

A `Document` keeps its exact bytes beside what they say: nothing is ever serialised again to be sent on. OCI image
specification 1.1 (manifest.md, image-index.md), distribution specification 1.1, and the Docker schema 2 types.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airgap_bundle.core import strictjson
from airgap_bundle.core.content import NO_ANNOTATIONS, Descriptor, Digest
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
# The annotation that gives a layer of an artifact its file name (OCI image specification, annotations.md).
TITLE = "org.opencontainers.image.title"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
DOCUMENT_TYPES = INDEX_TYPES | MANIFEST_TYPES
IMAGE_CONFIG_TYPES = frozenset({OCI_CONFIG, DOCKER_CONFIG})
FOREIGN_LAYER_TYPES = frozenset(
    {
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    }
)
SCHEMA1_TYPES = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
# Registries must take manifests of 4 MiB (distribution specification, "Pushing Manifests"); few take more.
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
# The largest public index seen has 60 children; a million would be an attack on memory.
MAX_CHILDREN = 10_000

DEFAULT_HOST = "docker.io"
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})?)*|\[[0-9a-fA-F:]{2,45}\])(?::[0-9]{1,5})?"
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_BARE_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLATFORM_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# distribution specification: host + "/" + repository within 255 bytes, as many clients and stores hold it.
_MAX_NAME = 255


def bare_name(reference: str) -> str:
    """A reference, as it was written, without tag and digest. A port stays: no slash follows a tag."""
    name = reference.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def check_repository(path: str) -> str:
    """`path` if it is a repository name (distribution specification, `<name>`), else `InvalidValueError`."""
    if len(path) > _MAX_NAME or _REPOSITORY.fullmatch(path) is None:
        raise InvalidValueError(f"not a repository name: {path[:300]!r}")
    return path


def check_tag(tag: str) -> str:
    """`tag` if it is a tag (distribution specification, `<reference>`), else `InvalidValueError`."""
    if _TAG.fullmatch(tag) is None:
        raise InvalidValueError(f"not a tag: {tag[:160]!r}")
    return tag


def check_host(host: str) -> str:
    """`HOST` or `HOST:PORT`, else `InvalidValueError`. IPv6 stands in brackets."""
    match = _HOST.fullmatch(host)
    port = host.rpartition(":")[2] if match and host.rpartition(":")[1] and not host.endswith("]") else ""
    if match is None or len(host) > _MAX_NAME or (port and not 0 < int(port) < 65536):  # noqa: PLR2004 - ports
        raise InvalidValueError(f"not a registry host: {host[:300]!r}")
    return host


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """The full name of an image: host, repository, and a tag or a digest or both.

    With both the digest says what is meant and the tag is only a name for it. The text is always written in full:
    `docker.io/library/redis:7`, never `redis:7`.
    """

    host: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    def __post_init__(self) -> None:
        """Check each part: they become parts of URLs and paths."""
        check_host(self.host)
        check_repository(self.repository)
        if len(self.name) > _MAX_NAME:
            raise InvalidValueError(f"host and repository have more than {_MAX_NAME} characters: {self.name[:300]!r}")
        if self.tag:
            check_tag(self.tag)

    def __str__(self) -> str:
        """The reference in full."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"

    @property
    def name(self) -> str:
        """Host and repository, without tag and digest."""
        return f"{self.host}/{self.repository}"

    @property
    def asked(self) -> Digest | str:
        """What a registry is asked for: the digest where there is one, else the tag."""
        return self.digest or self.tag

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference as Docker does: `redis` is `docker.io/library/redis:latest`.

        The first component is a host if it has a dot, a colon or a capital letter, or is `localhost`. A bare 64 digit
        name is refused, since it would be taken for an image id.
        """
        rest, at, digest_text = text.partition("@")
        digest = Digest(digest_text) if at else None
        first, slash, remainder = rest.partition("/")
        if slash and (any(c in first for c in ".:") or first == "localhost" or first != first.lower()):
            host, path = first, remainder
        else:
            host, path = DEFAULT_HOST, rest
        path, colon, tag = path.partition(":")
        if colon and not tag:
            raise InvalidValueError(f"the tag is empty: {text[:300]!r}")
        if _BARE_DIGEST.fullmatch(path):
            raise InvalidValueError(f"a name of 64 hexadecimal digits looks like an image id: {text[:300]!r}")
        if host in {"index.docker.io", "registry-1.docker.io"}:
            host = DEFAULT_HOST
        if host == DEFAULT_HOST and "/" not in path:
            path = f"library/{path}"
        if not tag and digest is None:
            tag = "latest"
        return cls(host=host, repository=path, tag=tag, digest=digest)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Platform:
    """`os/architecture[/variant]`, as in `linux/amd64` or `linux/arm/v7`."""

    os: str
    architecture: str
    variant: str = ""

    def __post_init__(self) -> None:
        """Check each part."""
        for part in (self.os, self.architecture, *([self.variant] if self.variant else [])):
            if _PLATFORM_PART.fullmatch(part) is None:
                raise InvalidValueError(f"not a platform: {part[:80]!r}")

    def __str__(self) -> str:
        """The text form."""
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `os/architecture[/variant]`."""
        os, _, rest = text.partition("/")
        architecture, slash, variant = rest.partition("/")
        if slash and not variant:
            raise InvalidValueError(f"not a platform: {text[:80]!r}")
        return cls(os=os, architecture=architecture, variant=variant)

    @property
    def is_unknown(self) -> bool:
        """BuildKit gives attestations the platform `unknown/unknown`."""
        return self.os == "unknown" and self.architecture == "unknown"

    def serves(self, wanted: Platform) -> bool:
        """Whether an image for this platform is what somebody means who asks for `wanted`.

        `linux/arm64` means `linux/arm64/v8` too, which is the only variant in use; elsewhere a variant must be asked
        for where there is one.
        """
        if (self.os, self.architecture) != (wanted.os, wanted.architecture):
            return False
        if self.architecture == "arm64":
            return {self.variant or "v8"} == {wanted.variant or "v8"}
        return self.variant == wanted.variant


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """One entry of an index."""

    descriptor: Descriptor
    platform: Platform | None = None

    @property
    def attests(self) -> Digest | None:
        """The sibling that this entry is a BuildKit attestation for."""
        if self.descriptor.annotations.get("vnd.docker.reference.type") != "attestation-manifest":
            return None
        try:
            return Digest(self.descriptor.annotations.get("vnd.docker.reference.digest", ""))
        except InvalidValueError:
            return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """An image manifest or an index: the bytes that were hashed, and what they say.

    `descriptor` names exactly `raw`. `children` is for indexes; `config` and `layers` for image manifests.
    """

    raw: bytes
    descriptor: Descriptor
    artifact_type: str = ""
    children: tuple[Child, ...] = ()
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None

    @property
    def value(self) -> dict[str, Any]:
        """The whole JSON object, unknown fields and all; parsed anew each time, as thousands of them are held."""
        return strictjson.parse_object(self.raw, max_bytes=MAX_DOCUMENT_BYTES, floats=True)

    @property
    def is_index(self) -> bool:
        """An index has children; an image manifest has a config and layers."""
        return self.descriptor.media_type in INDEX_TYPES

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config first, then the layers in order; empty for an index."""
        return (*([self.config] if self.config else []), *self.layers)

    @property
    def is_image(self) -> bool:
        """Whether a container runtime can run it: an image config, and layers that are not attestations."""
        return self.config is not None and self.config.media_type in IMAGE_CONFIG_TYPES and not self.artifact_type


def parse_document(raw: bytes, media_type: str = "", *, name: Callable[[str], Digest] = Digest) -> Document:
    """Read an image manifest or an index from the bytes that a registry or a bundle holds.

    `media_type` is what came with them; empty, what the document says of itself is taken. The two must agree, and
    nothing may be both a manifest and an index (CVE-2021-41190). Raises `InvalidValueError`.

    `name` makes a digest of its text. Whoever holds many already gives the one it has, so that each is held once.
    """
    value = strictjson.parse_object(raw, max_bytes=MAX_DOCUMENT_BYTES, floats=True)
    own = value.get("mediaType", "")
    if not isinstance(own, str):
        raise InvalidValueError("mediaType is not a string")
    if media_type and own and media_type != own:
        raise InvalidValueError(f"came as {media_type[:120]} but calls itself {own[:120]}")
    actual = media_type or own
    if actual in SCHEMA1_TYPES or value.get("schemaVersion") == 1:
        raise InvalidValueError("a Docker schema 1 manifest; it was retired in 2019 and cannot be carried")
    if actual not in DOCUMENT_TYPES:
        raise InvalidValueError(f"neither an image manifest nor an index: {actual[:120] or 'no media type'}")
    if value.get("schemaVersion") != 2 or not isinstance(value["schemaVersion"], int):  # noqa: PLR2004 - the version
        raise InvalidValueError("schemaVersion is not 2")
    if ("manifests" in value) == ("config" in value or "layers" in value):
        raise InvalidValueError("has to be either an index or an image manifest, and is both or neither")
    if ("manifests" in value) != (actual in INDEX_TYPES):
        raise InvalidValueError(f"its content is not what its type says: {actual}")
    descriptor = Descriptor(media_type=actual, digest=Digest.of(raw), size=len(raw))
    artifact_type = value.get("artifactType", "")
    if not isinstance(artifact_type, str):
        raise InvalidValueError("artifactType is not a string")
    subject = parse_descriptor(value["subject"], "subject", name) if value.get("subject") is not None else None
    if actual in INDEX_TYPES:
        children = tuple(_children(value["manifests"], name))
        return Document(raw=raw, descriptor=descriptor, artifact_type=artifact_type, children=children, subject=subject)
    return Document(
        raw=raw,
        descriptor=descriptor,
        artifact_type=artifact_type,
        config=parse_descriptor(value.get("config"), "config", name),
        layers=tuple(parse_descriptor(layer, f"layers[{n}]", name) for n, layer in enumerate(_list(value, "layers"))),
        subject=subject,
    )


def parse_descriptor(value: object, path: str, name: Callable[[str], Digest] = Digest) -> Descriptor:
    """One descriptor inside a document; `path` is its place there, for the complaint."""
    if not isinstance(value, dict):
        raise InvalidValueError(f"{path} is not a descriptor")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str) or not isinstance(digest, str):
        raise InvalidValueError(f"{path} lacks mediaType or digest")
    if not isinstance(size, int) or isinstance(size, bool):
        raise InvalidValueError(f"{path}.size is not an integer")
    annotations = value.get("annotations") or {}
    if not isinstance(annotations, dict) or not all(isinstance(v, str) for v in annotations.values()):
        raise InvalidValueError(f"{path}.annotations is not a map of strings")
    try:
        return Descriptor(
            # The same few types again and again, in documents that are held by the thousand.
            media_type=sys.intern(media_type),
            digest=name(digest),
            size=size,
            annotations=annotations or NO_ANNOTATIONS,
        )
    except InvalidValueError as error:
        raise InvalidValueError(f"{path}: {error}") from error


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    # "layers": null is what some old builders wrote for an image without layers.
    items = value.get(key) or []
    if not isinstance(items, list) or len(items) > MAX_CHILDREN:
        raise InvalidValueError(f"{key} is not a list of at most {MAX_CHILDREN}")
    return items


def _children(items: object, name: Callable[[str], Digest]) -> Iterator[Child]:
    for n, item in enumerate(_list({"manifests": items}, "manifests")):
        descriptor = parse_descriptor(item, f"manifests[{n}]", name)
        platform = item.get("platform")
        if platform is None:
            yield Child(descriptor=descriptor)
            continue
        if not isinstance(platform, dict):
            raise InvalidValueError(f"manifests[{n}].platform is not an object")
        os, architecture, variant = (platform.get(k, "") for k in ("os", "architecture", "variant"))
        if not all(isinstance(part, str) for part in (os, architecture, variant)):
            raise InvalidValueError(f"manifests[{n}].platform has a part that is not a string")
        try:
            yield Child(descriptor=descriptor, platform=Platform(os=os, architecture=architecture, variant=variant))
        except InvalidValueError as error:
            raise InvalidValueError(f"manifests[{n}].platform: {error}") from error
