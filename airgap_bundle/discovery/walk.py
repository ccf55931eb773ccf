"""Walks a Kubernetes document, or any YAML that is like one, and says which images it names and where.

Sure are: `image` of containers, OCI volumes, `RELATED_IMAGE_*`, arguments and variables whose name says image and
whose value is plainly one, and `image` keys of custom resources. What only looks like an image is a guess. Schemas of
custom resources are passed over: their defaults are not deployed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.discovery import naming
from airgap_bundle.discovery.finds import Certainty, Unresolved
from airgap_bundle.discovery.naming import Plainness
from airgap_bundle.manifest.looseyaml import entry, items, parse_stream, text_of
from airgap_bundle.manifest.yamltext import MappingNode, Node, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from airgap_bundle.core.oci import Reference
    from airgap_bundle.core.report import Place

# Counted at every visit, so that aliases of aliases end too. The largest public chart has 60,000 nodes.
MAX_VISITS = 1_000_000
# YAML inside a ConfigMap, and YAML inside that; nobody goes deeper.
_MAX_EMBEDDED = 3
_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_SCHEMA_KEYS = frozenset({"openAPIV3Schema", "managedFields"})
_FLAG = re.compile(r"(?P<flag>--?[A-Za-z][A-Za-z0-9._-]*)=(?P<value>\S+)")
_IN_SCRIPT = re.compile(
    r"(?:--[a-z-]*image|(?:docker|podman|nerdctl) (?:run|pull)(?: -[-a-z=0-9]+)*)[= ]([^\s'\"`;|&)]+)"
)
_IN_TEMPLATE = re.compile(
    r"^\s*-?\s*[\"']?(?P<key>[A-Za-z_-]*[iI]mage)[\"']?\s*:\s*[\"']?(?P<value>[^\s\"',}#]+)", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spotted:
    """One image as a document names it. `key` is the path inside; `how` says what kind of place that is."""

    reference: Reference
    written: str
    certainty: Certainty
    place: Place
    key: str
    how: str = ""


@dataclass(kw_only=True, slots=True)
class Walk:
    """One walk over any number of documents; results pile up in `spotted` and `unresolved`."""

    spotted: list[Spotted] = field(default_factory=list)
    unresolved: list[Unresolved] = field(default_factory=list)
    _visits: int = 0

    def document(self, node: Node) -> None:
        """One document; schemas of custom resources are passed over."""
        if text_of(entry(node, "kind")) == "CustomResourceDefinition":
            return
        self._foreign_install(node)
        self._node(node, "", 0)

    def broken(self, text: str, place: Place, message: str) -> None:
        """A document that is no YAML: what looks like an image in it is a guess, and the rest is said."""
        self._text_scan(text, place, "")
        self.unresolved.append(Unresolved(where=str(place), message=f"not readable as YAML: {message}"))

    def _node(self, node: Node, path: str, embedded: int) -> None:
        self._visits += 1
        if self._visits > MAX_VISITS:
            if self._visits == MAX_VISITS + 1:
                message = f"more than {MAX_VISITS} values; the rest was not looked at"
                self.unresolved.append(Unresolved(where=str(node.place), message=message))
            return
        if isinstance(node, MappingNode):
            self._mapping(node, path, embedded)
        elif isinstance(node, SequenceNode):
            for number, item in enumerate(node.items):
                self._node(item, f"{path}[{number}]", embedded)

    def _mapping(self, node: MappingNode, path: str, embedded: int) -> None:
        self._variable(node, path)
        is_data = not path and text_of(node.entries.get("kind")) in {"ConfigMap", "Secret"}
        for key, value in node.entries.items():
            if key in _SCHEMA_KEYS:
                continue
            here = f"{path}.{key}" if path else key
            if is_data and key in {"data", "stringData", "binaryData"}:
                self._data(value, here, embedded)
                continue
            if key in _CONTAINERS:
                self._containers(value, here)
            elif key in {"args", "command"}:
                self._arguments(value, here)
            elif isinstance(value, ScalarNode):
                self._scalar(key, value, here)
            elif key == "image" or naming.is_image_key(key):
                self._image_map(value, here)
            self._node(value, here, embedded)

    def _containers(self, node: Node, path: str) -> None:
        """Here even a bare word is an image; those with a path or a tag are found as any `image` key is."""
        for number, item in enumerate(items(node)):
            image = entry(item, "image")
            text = text_of(image)
            if image is not None and text and naming.plainness(text) is Plainness.WORD:
                self._add(text, Certainty.RENDERED, image.place, f"{path}[{number}].image")
            elif image is not None and text and naming.parse(text) is None:
                message = f"{path}[{number}].image is no reference: {text[:120]}"
                self.unresolved.append(Unresolved(where=str(image.place), message=message))

    def _scalar(self, key: str, value: ScalarNode, path: str) -> None:
        if not naming.is_image_key(key) or value.is_nothing:
            return
        plain = naming.plainness(value.text)
        if plain >= Plainness.FULL or (plain is Plainness.NAME and key == "image"):
            self._add(value.text, Certainty.RENDERED, value.place, path)
        elif plain is Plainness.NAME:
            self._add(value.text, Certainty.GUESS, value.place, path)

    def _image_map(self, node: Node, path: str) -> None:
        """`image: {repository: …, tag: …}` as custom resources have it, and `image: {reference: …}` of OCI volumes."""
        if not isinstance(node, MappingNode):
            return
        reference = node.entries.get("reference")
        if reference is not None and naming.plainness(text_of(reference)) >= Plainness.NAME:
            self._add(text_of(reference), Certainty.RENDERED, reference.place, f"{path}.reference", "an OCI volume")
            return
        text = naming.joined(lambda key: text_of(node.entries.get(key)))
        if naming.plainness(text) >= Plainness.NAME:
            self._add(text, Certainty.RENDERED, node.place, path)

    def _variable(self, node: MappingNode, path: str) -> None:
        """An environment variable: a map with `name` and `value`."""
        name, value = text_of(node.entries.get("name")), node.entries.get("value")
        if not name or not isinstance(value, ScalarNode) or value.is_nothing:
            return
        plain = naming.plainness(value.text)
        if (name.startswith("RELATED_IMAGE_") and plain) or (naming.is_image_key(name) and plain >= Plainness.FULL):
            self._add(value.text, Certainty.RENDERED, value.place, path, f"variable {name}")
        elif plain is Plainness.HOSTED or (naming.is_image_key(name) and plain is Plainness.NAME):
            self._add(value.text, Certainty.GUESS, value.place, path, f"variable {name}")

    def _arguments(self, node: Node, path: str) -> None:
        previous = ""
        for number, item in enumerate(items(node) or (node,)):
            text = text_of(item)
            if match := _FLAG.fullmatch(text):
                self._option(match["flag"], match["value"], item.place, f"{path}[{number}]")
            elif "\n" in text or " " in text:
                self._text_scan(text, item.place, f"{path}[{number}]")
            elif previous.startswith("-") and "=" not in previous:
                self._option(previous, text, item.place, f"{path}[{number}]")
            previous = text

    def _option(self, flag: str, value: str, place: Place, path: str) -> None:
        plain, says_image = naming.plainness(value), "image" in flag.lower()
        if plain is Plainness.HOSTED or (says_image and plain >= Plainness.FULL):
            self._add(value, Certainty.RENDERED, place, path, f"argument {flag}")
        elif says_image and plain is Plainness.NAME:
            self._add(value, Certainty.GUESS, place, path, f"argument {flag}")

    def _data(self, node: Node, path: str, embedded: int) -> None:
        """What a ConfigMap or Secret holds: values that are images, and whole documents."""
        if not isinstance(node, MappingNode):
            return
        for key, value in node.entries.items():
            if not isinstance(value, ScalarNode):
                continue
            here = f"{path}[{key}]"
            self._scalar(key, value, here)
            if ":" in value.text and ("\n" in value.text or value.text.lstrip().startswith("{")):
                self._embedded(value, here, embedded + 1)

    def _embedded(self, value: ScalarNode, path: str, embedded: int) -> None:
        if embedded > _MAX_EMBEDDED:
            return
        if "{{" in value.text:
            self._text_scan(value.text, value.place, path)
            return
        inner = Walk(_visits=self._visits)
        for document in parse_stream(value.text, value.place.file).documents:
            if isinstance(document, MappingNode | SequenceNode):
                inner._node(document, "", embedded)
        self._visits = inner._visits
        for one in inner.spotted:
            # Places inside are places of the text, not of the file.
            self._add(one.written, one.certainty, value.place, f"{path} → {one.key}", one.how)
        self.unresolved += inner.unresolved

    def _text_scan(self, text: str, place: Place, path: str) -> None:
        """Scripts, templates within templates, broken documents: what looks like an image there is a guess."""
        values = [match[1] for match in _IN_SCRIPT.finditer(text)]
        values += [match["value"] for match in _IN_TEMPLATE.finditer(text)]
        for value in dict.fromkeys(values):
            if "{{" in value or "$" in value:
                message = f"{path or 'the text'} builds an image name that is not known before it runs: {value[:80]}"
                self.unresolved.append(Unresolved(where=str(place), message=message))
            elif naming.plainness(value) >= Plainness.NAME:
                self._add(value, Certainty.GUESS, place, path, "in a text")

    def _foreign_install(self, node: Node) -> None:
        """Custom resources that install another chart, whose images are nowhere in this one."""
        kind = text_of(entry(node, "kind"))
        chart = {
            "HelmRelease": entry(node, "spec", "chart", "spec", "chart"),
            "HelmChart": entry(node, "spec", "chart"),
            "Application": entry(node, "spec", "source", "chart"),
            "OCIRepository": entry(node, "spec", "url"),
            "HelmRepository": entry(node, "spec", "url"),
            "GitRepository": entry(node, "spec", "url"),
        }.get(kind)
        if text_of(chart):
            message = f"{kind} takes {text_of(chart)} from elsewhere at run time; its images are not known here"
            self.unresolved.append(Unresolved(where=str(node.place), message=message))

    def _add(self, text: str, certainty: Certainty, place: Place, key: str, how: str = "") -> None:
        reference = naming.parse(text)
        if reference is not None:
            self.spotted.append(
                Spotted(reference=reference, written=text, certainty=certainty, place=place, key=key, how=how)
            )
