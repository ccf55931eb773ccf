"""Where an image in rendered text came from: the line of the template, and the key in the values.

Helm keeps no such record, so both are found by looking: lines of the template that set the same key, told apart by
what they mention; values whose text is the image or its repository. Where several fit, the likeliest is named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airgap_bundle.core.oci import bare_name
from airgap_bundle.discovery.values import STUB, Keys, leaves, spelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airgap_bundle.discovery.walk import Spotted

_VALUES_PATH = re.compile(r"\.Values\.([A-Za-z_][\w.]*)")
_KEY_OF_LINE = re.compile(r"[\s\-\"']*([A-Za-z0-9_.\-/]+)[\"']?\s*[:=]")
_REPOSITORY_KEYS = frozenset({"repository", "image", "name", "imageRepository", "imageName"})
_SHORTEST_TEXT = 4


class Tracer:
    """Looks places up for one chart: its template sources by path, and its values with everything merged."""

    def __init__(self, templates: Mapping[str, str], values: Mapping[str, Any]) -> None:
        self._lines = {path: text.split("\n") for path, text in templates.items()}
        self._texts: dict[str, list[Keys]] = {}
        for keys, value in leaves(values):
            if isinstance(value, str) and len(value) >= _SHORTEST_TEXT and STUB not in value:
                self._texts.setdefault(value, []).append(keys)

    def where(self, template: str, rendered: list[str], spotted: Spotted) -> str:
        """`plane/templates/x.yaml:57 (values minio.image)`."""
        line = self._line(template, rendered, spotted)
        key = self._values_key(spotted)
        # A chart under an alias has another path than its files; then the line is that of the rendered text.
        place = f"{template}:{line}" if line else f"{template} (rendered line {spotted.place.line})"
        notes = [note for note in (f"values {key}" if key else "", spotted.how) if note]
        if line == 0 or not notes:
            notes.append(spotted.key)
        return f"{place} ({', '.join(notes)})"

    def _line(self, template: str, rendered: list[str], spotted: Spotted) -> int:
        """The line of the template, 0 where none stands out."""
        source = self._lines.get(template, [])
        number = spotted.place.line
        text = rendered[number - 1] if 0 < number <= len(rendered) else ""
        match = _KEY_OF_LINE.match(text)
        key = match[1] if match else "image"
        literal = [n for n, line in enumerate(source, 1) if spotted.written in line]
        if literal:
            return literal[0]
        setting = re.compile(rf"[\s\-\"']*{re.escape(key)}[\"']?\s*[:=]")
        candidates = [n for n, line in enumerate(source, 1) if setting.match(line) and "{{" in line]
        if len(candidates) <= 1:
            return candidates[0] if candidates else 0
        mentioned = {spelled(keys) for text in self._parts(spotted) for keys in self._texts.get(text, [])}
        for candidate in candidates:
            paths = _VALUES_PATH.findall(source[candidate - 1])
            if any(path in mentioned or any(one.startswith(f"{path}.") for one in mentioned) for path in paths):
                return candidate
        # As many in the template as in the text: the same one counted from the top.
        same = [n for n, line in enumerate(rendered, 1) if setting.match(line)]
        return candidates[same.index(number)] if len(same) == len(candidates) and number in same else candidates[0]

    def _parts(self, spotted: Spotted) -> list[str]:
        """The texts that values may hold of an image, the longest first."""
        reference, written = spotted.reference, spotted.written.strip("\"'")
        bare = written.partition("@")[0]
        name = bare_name(written)
        tail = name.partition("/")[2]
        parts = [
            written,
            bare,
            name,
            tail,
            reference.name,
            reference.repository,
            reference.repository.rpartition("/")[2],
        ]
        return [part for part in dict.fromkeys(parts) if len(part) >= _SHORTEST_TEXT]

    def _values_key(self, spotted: Spotted) -> str:
        for part in self._parts(spotted):
            paths = self._texts.get(part, [])
            naming = [keys for keys in paths if "image" in spelled(keys).lower() or keys[-1] in _REPOSITORY_KEYS]
            if naming:
                keys = naming[0]
                return spelled(keys[:-1] if keys[-1] in {"repository", "name"} and len(keys) > 1 else keys)
        return ""
