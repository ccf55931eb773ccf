"""Images that a chart names beside its templates: annotations of Chart.yaml, and the lock files of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.discovery import naming
from airgap_bundle.discovery.chart import LOCK_NAMES
from airgap_bundle.discovery.finds import Certainty, Sighting, Unresolved
from airgap_bundle.manifest.looseyaml import entry, items, parse_bytes, parse_stream, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.discovery.chart import Chart
    from airgap_bundle.manifest.yamltext import Node

_ANNOTATIONS = ("images", "artifacthub.io/images", "helm.sh/images")


def from_annotations(chart: Chart) -> Iterator[Sighting | Unresolved]:
    """What the author lists; it may hold more than is deployed, so it counts as a switch until a template says so."""
    for key in _ANNOTATIONS:
        node = chart.annotations.get(key)
        where = f"{chart.path}/Chart.yaml:{node.place.line} (annotation {key})" if node is not None else ""
        stream = parse_stream(text_of(node), "Chart.yaml")
        for trouble in stream.troubles:
            yield Unresolved(where=where, message=f"the annotation is no YAML: {trouble.message}")
        for document in stream.documents:
            yield from _listed(items(document), where)


def from_locks(chart: Chart) -> Iterator[Sighting | Unresolved]:
    """`Images.lock` of helm-dt, and what hauler calls it."""
    for name in LOCK_NAMES:
        if name in chart.files:
            for document in parse_bytes(chart.files[name], name).documents:
                yield from _listed(items(entry(document, "images")), f"{chart.path}/{name}")


def _listed(nodes: tuple[Node, ...], where: str) -> Iterator[Sighting | Unresolved]:
    for node in nodes:
        text = text_of(entry(node, "image")) or text_of(node)
        reference = naming.parse(text)
        if reference is not None:
            yield Sighting(reference=reference, certainty=Certainty.SWITCH, where=where)
        elif text:
            yield Unresolved(where=where, message=f"not a reference: {text[:120]}")
