"""A packed Helm chart (`.tgz`) as an OCI artifact that is a function of the package and its provenance file alone.

The package travels byte for byte and is never unpacked: its names are looked through within limits, and of its contents
only Chart.yaml is read. Helm, `pkg/chart/metadata.go` and `pkg/registry` (media types, annotations, tags).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airgap_bundle.bundle.tar_members import Kind, members
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.core.oci import HELM_CONFIG, OCI_MANIFEST, TITLE, check_repository, parse_document
from airgap_bundle.manifest import words
from airgap_bundle.manifest.entries import chart_tag
from airgap_bundle.manifest.looseyaml import entry, items, text_of, texts
from airgap_bundle.manifest.yamltext import MappingNode, complaint_of, parse_foreign
from airgap_bundle.trust.provenance import CHART_LAYER, PROVENANCE_LAYER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.core.content import Descriptor, Source
    from airgap_bundle.core.oci import Document
    from airgap_bundle.manifest.yamltext import Node

# Helm itself refuses charts that unpack to more than this.
MAX_UNPACKED_BYTES = 100 * 1024 * 1024
MAX_PACKED_BYTES = MAX_UNPACKED_BYTES
# Helm refuses files of more than 5 MiB in a chart; a Chart.yaml with a long list of changes has 50 KB.
_MAX_METADATA_BYTES = 1024 * 1024
_MAX_METADATA_NODES = 20_000
_PIECE_BYTES = 64 * 1024
_METADATA = "Chart.yaml"
_TEXTS = ("name", "home", "version", "description", "icon", "apiVersion", "condition", "tags", "appVersion")
_MORE_TEXTS = ("kubeVersion", "type")
_DEPENDENCY_TEXTS = ("name", "version", "repository", "condition", "alias")
_MAINTAINER_TEXTS = ("name", "email", "url")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartPackage:
    """What a package says of itself. `config` is Chart.yaml as Helm puts it into a registry: JSON.

    `missing` are the charts that it depends on and does not hold, so that Helm would look for them on the network.
    """

    name: str
    version: str
    config: bytes = field(repr=False)
    missing: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """What Helm calls the file, and what a provenance file has to call it."""
        return f"{self.name}-{self.version}.tgz"

    @property
    def tag(self) -> str:
        """The tag in a registry."""
        return chart_tag(self.version)


def read_chart(source: Source, name: str) -> ChartPackage:
    """Look through a `.tgz`; `InvalidValueError` where it is none, `name` being what messages call it.

    Refused are names that lead out of the chart, more than one Chart.yaml, and more than `MAX_UNPACKED_BYTES`.
    """
    metadata: bytes | None = None
    folders: set[str] = set()
    stream = _Inflating(source)
    for member in members(stream):
        parts = member.name.removeprefix("./").split("/")
        if member.name.startswith("/") or ".." in parts or "\\" in member.name:
            raise InvalidValueError(f"it holds {member.name[:160]!r}, which would lead out of the chart")
        if len(parts) > 2 and parts[1] == "charts":  # noqa: PLR2004 - CHART/charts/NAME
            folders.add(parts[2])
        if len(parts) != 2 or parts[1] != _METADATA or member.kind is not Kind.FILE:  # noqa: PLR2004 - CHART/Chart.yaml
            continue
        if metadata is not None:
            raise InvalidValueError(f"it holds two files called {_METADATA}")
        if member.size > _MAX_METADATA_BYTES:
            raise InvalidValueError(f"its {_METADATA} has {member.size} bytes; {_MAX_METADATA_BYTES} are allowed")
        metadata = stream.read(member.size)
    stream.finish()
    if metadata is None:
        raise InvalidValueError(f"it holds no {_METADATA}")
    return _described(metadata, folders, name)


def chart_document(chart: ChartPackage, package: Descriptor, provenance: Descriptor | None) -> Document:
    """The artifact's manifest. It holds no time and no file name: the same chart is the same everywhere."""
    layers = [(CHART_LAYER, package), *([(PROVENANCE_LAYER, provenance)] if provenance else [])]
    raw = strictjson.canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": HELM_CONFIG, "digest": Digest.of(chart.config), "size": len(chart.config)},
            "layers": [{"mediaType": kind, "digest": layer.digest, "size": layer.size} for kind, layer in layers],
            "annotations": {
                TITLE: chart.name,
                "org.opencontainers.image.version": chart.version,
            },
        }
    )
    return parse_document(raw, OCI_MANIFEST)


class _Inflating:
    """The tar inside a gzip file, read forward and never beyond the limit. Several gzip members may follow another."""

    def __init__(self, source: Source) -> None:
        self.position = 0
        self._source = source
        self._buffer = memoryview(bytearray(_PIECE_BYTES))
        self._inflate = zlib.decompressobj(wbits=31)
        self._input = b""
        self._ready = bytearray()
        self._total = 0

    def read(self, count: int) -> bytes:
        """The next `count` bytes of the tar; fewer at the end only."""
        while len(self._ready) < count and self._more():
            pass
        data = bytes(self._ready[:count])
        del self._ready[:count]
        self.position += len(data)
        return data

    def skip(self, count: int) -> None:
        """Pass over `count` bytes of the tar."""
        while count > 0:
            passed = len(self.read(min(count, _PIECE_BYTES)))
            if passed == 0:
                raise InvalidValueError("it is cut short")
            count -= passed

    def finish(self) -> None:
        """Read to the end, so that what is cut off, or hidden behind the tar, is noticed."""
        while self._more():
            self._ready.clear()

    def _more(self) -> bool:
        """Inflate another piece; False at the end of the file."""
        if not self._input:
            count = self._source.readinto(self._buffer)
            if count == 0:
                if not self._inflate.eof:
                    raise InvalidValueError("it is cut short, or not compressed with gzip")
                return False
            self._input = bytes(self._buffer[:count])
        if self._inflate.eof:
            self._inflate = zlib.decompressobj(wbits=31)
        try:
            piece = self._inflate.decompress(self._input, _PIECE_BYTES)
        except zlib.error as error:
            raise InvalidValueError("it is damaged, or not compressed with gzip") from error
        self._input = self._inflate.unused_data or self._inflate.unconsumed_tail
        self._total += len(piece)
        if self._total > MAX_UNPACKED_BYTES:
            raise InvalidValueError(f"it would unpack to more than {MAX_UNPACKED_BYTES} bytes, which Helm refuses too")
        self._ready += piece
        return True


def _described(metadata: bytes, folders: set[str], name: str) -> ChartPackage:
    try:
        node = parse_foreign(
            metadata, f"{_METADATA} in {name}", max_bytes=_MAX_METADATA_BYTES, max_nodes=_MAX_METADATA_NODES
        )
    except DocumentError as error:
        raise InvalidValueError(f"its {_METADATA}, {complaint_of(error)}") from error
    if not isinstance(node, MappingNode):
        raise InvalidValueError(f"its {_METADATA} is not a map")
    chart_name, version = text_of(node.entries.get("name")), text_of(node.entries.get("version"))
    if "/" in chart_name:
        raise InvalidValueError(f"its name cannot be a repository: {chart_name[:160]!r}")
    check_repository(chart_name)
    if not words.is_exact_version(version):
        raise InvalidValueError(f"its version is not one: {version[:160]!r}")
    wanted = [text_of(entry(item, "name")) for item in items(node.entries.get("dependencies"))]
    return ChartPackage(
        name=chart_name,
        version=version,
        config=strictjson.canonical(_metadata(node)),
        missing=tuple(one for one in wanted if one and not _is_held(one, folders)),
    )


def _is_held(wanted: str, folders: set[str]) -> bool:
    return any(held == wanted or (held.startswith(f"{wanted}-") and held.endswith(".tgz")) for held in folders)


def _metadata(node: MappingNode) -> dict[str, Any]:
    """Chart.yaml with the fields that Helm knows and in the types that it reads; texts stay as they were written."""
    value: dict[str, Any] = _texts(node, (*_TEXTS, *_MORE_TEXTS))
    for key in ("keywords", "sources"):
        if listed := texts(node.entries.get(key)):
            value[key] = listed
    if maintainers := [_texts(item, _MAINTAINER_TEXTS) for item in items(node.entries.get("maintainers"))]:
        value["maintainers"] = maintainers
    if _is_true(node.entries.get("deprecated")):
        value["deprecated"] = True
    annotations = node.entries.get("annotations")
    if isinstance(annotations, MappingNode) and annotations.entries:
        value["annotations"] = {key: text_of(each) for key, each in annotations.entries.items()}
    if dependencies := [_dependency(item) for item in items(node.entries.get("dependencies"))]:
        value["dependencies"] = dependencies
    return value


def _dependency(node: Node) -> dict[str, Any]:
    value: dict[str, Any] = {"name": "", "repository": "", **_texts(node, _DEPENDENCY_TEXTS)}
    if tags := texts(entry(node, "tags")):
        value["tags"] = tags
    if _is_true(entry(node, "enabled")):
        value["enabled"] = True
    if imports := [_import(item) for item in items(entry(node, "import-values"))]:
        value["import-values"] = imports
    return value


def _import(node: Node) -> str | dict[str, str]:
    return _texts(node, ("child", "parent")) if isinstance(node, MappingNode) else text_of(node)


def _texts(node: Node, keys: Sequence[str]) -> dict[str, str]:
    return {key: found for key in keys if (found := text_of(entry(node, key)))}


def _is_true(node: Node | None) -> bool:
    return text_of(node) in {"true", "True", "TRUE"}
