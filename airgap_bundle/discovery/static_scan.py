"""Images in the values and templates of a chart that is not rendered: all of them guesses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.discovery import naming
from airgap_bundle.discovery.finds import Certainty, Sighting
from airgap_bundle.discovery.naming import Plainness
from airgap_bundle.manifest.looseyaml import text_of
from airgap_bundle.manifest.yamltext import MappingNode, Node, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airgap_bundle.discovery.chart import Chart

_LITERAL = re.compile(r"^\s*-?\s*(?:image|[a-z]+Image)\s*:\s*[\"']?([^\s\"'{}#]+)[\"']?\s*$")
_DEFAULT = re.compile(r"\|\s*default\s+\"([^\"]+)\"")
_PART = re.compile(r"(.*?)([rR]epository|[iI]mageRepository|image)")
_MAX_VISITS = 200_000


def scan(chart: Chart) -> Iterator[Sighting]:
    """Everything that looks like an image, in the chart and its subcharts."""
    for one in chart.everywhere():
        app_version = text_of(one.metadata.entries.get("appVersion")) if isinstance(one.metadata, MappingNode) else ""
        if one.values is not None:
            yield from _values(one.values, "", f"{one.path}/values.yaml", app_version, [_MAX_VISITS])
        for path, text in one.templates.items():
            yield from _template(path, text)


def _values(node: Node, path: str, file: str, app_version: str, left: list[int]) -> Iterator[Sighting]:
    left[0] -= 1
    if left[0] < 0:
        return
    if isinstance(node, SequenceNode):
        for number, item in enumerate(node.items):
            yield from _values(item, f"{path}[{number}]", file, app_version, left)
        return
    if not isinstance(node, MappingNode):
        return
    yield from _parts(node, path, file, app_version)
    for key, value in node.entries.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, ScalarNode):
            # `image` with `tag` beside it is a part of one, and was joined above.
            if (
                naming.is_image_key(key)
                and "tag" not in node.entries
                and naming.plainness(value.text) >= Plainness.NAME
            ):
                yield from _guess(value.text, f"{file}:{value.place.line} (values {here})")
        else:
            yield from _values(value, here, file, app_version, left)


def _parts(node: MappingNode, path: str, file: str, app_version: str) -> Iterator[Sighting]:
    """`repository` with `tag`, or `fooRepository` with `fooTag`; an empty tag is `appVersion`."""
    for key, value in node.entries.items():
        stem = _PART.fullmatch(key)
        if stem is None or not text_of(value) or (stem[2] == "image" and "tag" not in node.entries):
            continue

        def beside(name: str, stem: str = stem[1]) -> str:
            own = f"{stem}{name[0].upper()}{name[1:]}" if stem else name
            return text_of(node.entries.get(own)) or text_of(node.entries.get(name))

        parts = {
            "repository": text_of(value),
            "tag": beside("tag") or beside("imageTag") or app_version,
            "digest": beside("digest"),
            "registry": beside("registry"),
        }
        where = f"{file}:{value.place.line} (values {path or key})"
        yield from _guess(naming.joined(_getter(parts)), where)


def _getter(parts: Mapping[str, str]) -> Callable[[str], str]:
    return lambda name: parts.get(name, "")


def _template(path: str, text: str) -> Iterator[Sighting]:
    for number, line in enumerate(text.split("\n"), 1):
        if match := _LITERAL.match(line):
            yield from _guess(match[1], f"{path}:{number}", weak=True)
        elif "image" in line.lower():
            for word in _DEFAULT.findall(line):
                if naming.plainness(word) >= Plainness.FULL:
                    yield from _guess(word, f"{path}:{number}")


def _guess(text: str, where: str, *, weak: bool = False) -> Iterator[Sighting]:
    reference = naming.parse(text)
    if reference is not None and (weak or naming.plainness(text) >= Plainness.NAME):
        yield Sighting(reference=reference, certainty=Certainty.GUESS, where=where)
