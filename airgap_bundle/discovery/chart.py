"""A chart as a value: what it says of itself, its default values, its templates and its subcharts.

Nothing is rendered here. `unresolved` in `missing` are declared dependencies that the chart does not bring along.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.discovery import archive
from airgap_bundle.manifest.looseyaml import entry, items, parse_bytes, text_of
from airgap_bundle.manifest.yamltext import MappingNode, Node

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Charts in charts in charts: the deepest public one has three levels.
_MAX_SUBCHART_DEPTH = 8
LOCK_NAMES = ("Images.lock", "images.lock", "images-lock.yaml", "images.lock.yaml", ".images.lock.yaml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependency:
    """One entry of `dependencies` in Chart.yaml."""

    name: str
    alias: str = ""
    version: str = ""
    repository: str = ""
    condition: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One chart. `path` is its place in the outermost one, as Helm writes it (`plane/charts/redis`)."""

    name: str
    version: str
    path: str
    # Its own files, and with those of its subcharts.
    files: Mapping[str, bytes] = field(repr=False)
    whole: Mapping[str, bytes] = field(repr=False)
    metadata: Node | None = field(repr=False, default=None)
    values: Node | None = field(repr=False, default=None)
    dependencies: tuple[Dependency, ...] = ()
    subcharts: tuple[Chart, ...] = ()

    @property
    def is_library(self) -> bool:
        """Library charts render nothing themselves."""
        return text_of(entry(self.metadata, "type")) == "library"

    @property
    def templates(self) -> dict[str, str]:
        """The templates by the path that Helm gives them, helpers included."""
        return {
            f"{self.path}/{name}": raw.decode("utf-8", "replace")
            for name, raw in self.files.items()
            if name.startswith("templates/")
        }

    @property
    def annotations(self) -> Mapping[str, Node]:
        """The annotations of Chart.yaml."""
        node = entry(self.metadata, "annotations")
        return node.entries if isinstance(node, MappingNode) else {}

    @property
    def missing(self) -> tuple[Dependency, ...]:
        """Dependencies that are declared and not there."""
        present = {chart.name for chart in self.subcharts}
        return tuple(one for one in self.dependencies if one.name not in present)

    def everywhere(self) -> Iterator[Chart]:
        """This chart and all below it."""
        yield self
        for chart in self.subcharts:
            yield from chart.everywhere()


def make_chart(files: Mapping[str, bytes], parent: str = "", depth: int = 0) -> Chart:
    """A chart from its files, with its subcharts (directories or archives below `charts/`)."""
    metadata = _document(files.get("Chart.yaml", b""), "Chart.yaml")
    name = text_of(entry(metadata, "name")) or "chart"
    path = f"{parent}/charts/{name}" if parent else name
    old = _document(files.get("requirements.yaml", b""), "requirements.yaml")
    declared = items(entry(metadata, "dependencies")) or items(entry(old, "dependencies"))
    return Chart(
        name=name,
        version=text_of(entry(metadata, "version")),
        path=path,
        files={key: raw for key, raw in files.items() if not key.startswith("charts/")},
        whole=files,
        metadata=metadata,
        values=_document(files.get("values.yaml", b""), "values.yaml"),
        dependencies=tuple(_dependency(node) for node in declared),
        subcharts=tuple(_subcharts(files, path, depth)) if depth < _MAX_SUBCHART_DEPTH else (),
    )


def _subcharts(files: Mapping[str, bytes], path: str, depth: int) -> Iterator[Chart]:
    folders: dict[str, dict[str, bytes]] = {}
    for key, raw in files.items():
        first, _, rest = key.removeprefix("charts/").partition("/")
        if not key.startswith("charts/") or first.startswith(("_", ".")):
            continue
        if rest:
            folders.setdefault(first, {})[rest] = raw
        elif first.endswith((".tgz", ".tar.gz")):
            try:
                folders[first] = archive.unpack(raw)
            except InvalidValueError:
                # Helm will say what is wrong with it; here it stays a dependency that is missing.
                continue
    for _, inside in sorted(folders.items()):
        if "Chart.yaml" in inside:
            yield make_chart(inside, path, depth + 1)


def _dependency(node: Node) -> Dependency:
    return Dependency(
        **{key: text_of(entry(node, key)) for key in ("name", "alias", "version", "repository", "condition")}
    )


def _document(raw: bytes, file: str) -> Node | None:
    documents = parse_bytes(raw, file).documents
    return documents[0] if documents else None
