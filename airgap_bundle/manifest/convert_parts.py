"""What a conversion collects: entries that are checked one by one, and everything that was left behind."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.core.oci import Platform, bare_name
from airgap_bundle.core.text import printable
from airgap_bundle.manifest import words
from airgap_bundle.manifest.model import API_VERSION, parse_manifest
from airgap_bundle.manifest.writing import document, entry_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.core.report import Place
    from airgap_bundle.manifest.writing import Fields


_SECTIONS = ("images", "charts", "workloads", "artifacts", "files", "exclude", "verify")
# Something that a tool fills in later: nothing that could be asked for now.
_TEMPLATE = re.compile(r"\$\{|\{\{|###ZARF|\$\(")
_NAME_BAD = re.compile(r"[^a-z0-9]+")


@dataclass(kw_only=True, slots=True)
class Draft:
    """A manifest in the making. `lost` are sentences about what could not be carried over."""

    file: str
    name: str = ""
    version: str = ""
    platforms: list[str] = field(default_factory=list)
    sections: dict[str, list[Fields | str]] = field(default_factory=lambda: {name: [] for name in _SECTIONS})
    lost: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing travels."""
        return not any(self.sections[name] for name in _SECTIONS[:5])

    @property
    def count(self) -> int:
        """How many entries there are."""
        return sum(len(entries) for entries in self.sections.values())

    def call(self, name: str, version: str) -> None:
        """Name and version, if they can be ours and nothing was said before."""
        simple = _NAME_BAD.sub("-", name.lower()).strip("-")
        try:
            self.name = self.name or (words.product_name(simple) if simple else "")
            self.version = self.version or (words.product_version(version) if version else "")
        except InvalidValueError:
            return

    def lose(self, place: Place, what: str) -> None:
        """Something is left behind."""
        sentence = printable(f"line {place.line}: {what}")[:400]
        if sentence not in self.lost:
            self.lost.append(sentence)

    def image(self, written: str, place: Place, *, platforms: Sequence[str] = ()) -> str:
        """An image, which is written in full; its name without tag and digest, or "" where it is left behind."""
        if _TEMPLATE.search(written):
            self.lose(place, f"{written} is filled in later by the other tool")
            return ""
        try:
            reference = words.reference(written.removeprefix("docker://"))
            kept = [str(Platform.parse(one)) for one in platforms]
        except InvalidValueError as error:
            self.lose(place, f"not an image that can be carried: {error}")
            return ""
        if reference.digest is not None:
            kept = []
        entry: Fields | str = {"image": str(reference), "platforms": kept} if kept else str(reference)
        return reference.name if self.add("images", entry, place) else ""

    def add(self, section: str, entry: Fields | str, place: Place) -> bool:
        """An entry, if a manifest with it alone is one; what is there already is not added again."""
        if isinstance(entry, str | dict) and _TEMPLATE.search(str(entry)):
            self.lose(place, f"{section}: {_shown(entry)} is filled in later by the other tool")
            return False
        if entry in self.sections[section]:
            return True
        try:
            head = {"apiVersion": API_VERSION, "name": "x", "version": "1"}
            parse_manifest("".join(document(head, {section: [entry]})).encode(), self.file)
        except DocumentError as error:
            self.lose(place, f"{section}: {_shown(entry)} cannot be written in a manifest: {error.findings[0].message}")
            return False
        self.sections[section].append(entry)
        return True

    def render(self, api_version: str, *, kind: str, name: str, version: str) -> str:
        """The manifest as text; what was lost stands in front as comments."""
        head = [f"# Converted from {printable(self.file)} ({kind}) by airgap-manifest convert.\n"]
        if self.lost:
            head.append("# Not carried over:\n")
            head += [f"# - {sentence}\n" for sentence in self.lost]
        values = {"apiVersion": api_version, "name": name, "version": version, "platforms": self.platforms}
        return "".join((*head, *document(values, self.sections)))


def pattern_of(written: str) -> str:
    """What `exclude` and `verify` compare with: the name in full, without tag and digest; as written if it is none."""
    bare = written.removeprefix("docker://")
    try:
        return words.reference(bare).name
    except InvalidValueError:
        return bare_name(bare)


def _shown(entry: Fields | str) -> str:
    return (entry if isinstance(entry, str) else entry_text(entry))[:160]
