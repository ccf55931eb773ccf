"""Which values of a chart are switches, and what they are turned to: one more rendering for each.

First what is false, with the switches above it turned on as well; then words that a template compares with (`kind` is
`Deployment`, the template knows `DaemonSet` too); then what templates ask for and values leave open; last what is true,
since some images only come where something is turned off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airgap_bundle.discovery.values import STUB, Keys, get, leaves, merged, nested, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_ACTION = re.compile(r"\{\{-?(.{1,2000}?)-?\}\}", re.DOTALL)
_CONDITION = re.compile(r"\s*(?:if|else if|with|else with)\b|\b(?:and|or|not|eq|ne|ternary|has|default)\b")
_PATH = re.compile(r"\.Values((?:\.[A-Za-z_][A-Za-z0-9_]*)+)")
_COMPARED = re.compile(
    r"\b(?:eq|ne)\s+\(?\s*(?:(?:toString|lower)\s+)?\.Values(?P<path>(?:\.[A-Za-z_][A-Za-z0-9_]*)+)\s*\)?\s+\"(?P<word>[^\"]{1,60})\""
    r"|\b(?:eq|ne)\s+\"(?P<word2>[^\"]{1,60})\"\s+\(?\s*(?:(?:toString|lower)\s+)?\.Values(?P<path2>(?:\.[A-Za-z_][A-Za-z0-9_]*)+)"
)
# What a filled-in word would only be the name or the version of: no switch, and every image made of it a false one.
_NAMING = re.compile(
    r"image|repository|registry|tag$|digest|version|name(?:Override)?$|^global$|labels$|annotations$", re.IGNORECASE
)
# Turned off or on, these change how something runs and never what.
_INNER = re.compile(
    r"allowPrivilegeEscalation|readOnlyRootFilesystem|runAsNonRoot|automount|privileged|hostNetwork|hostPID|hostIPC"
    r"|skipVerify|silent|debug|verbose|anonym|optional|readOnly|shareProcessNamespace",
    re.IGNORECASE,
)
_ENABLING = re.compile(
    r"(?:^|_)(?:enabled?|create|install|deploy|local_setup|local|internal)$|[a-z](?:Enabled|Create)$"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Switch:
    """One thing to turn: `label` names it as Helm's `--set` would."""

    keys: Keys
    value: Any
    # What has to be on for this one to matter.
    above: tuple[Keys, ...] = ()
    # Whether the value is made up: that it cannot be rendered says nothing then.
    filled: bool = False
    # Whether it looks like one that brings something along; the others are tried several at a time.
    likely: bool = True

    @property
    def label(self) -> str:
        """`controller.image.chroot=true`."""
        value = (
            {True: "true", False: "false"}.get(self.value, self.value) if isinstance(self.value, bool) else self.value
        )
        return f"{spelled(self.keys)}={value if isinstance(value, str | int) else '…'}"

    @property
    def alone(self) -> dict[str, Any]:
        """The values that turn just this one."""
        return nested(self.keys, self.value)

    @property
    def overrides(self) -> dict[str, Any]:
        """The values that turn it, and on what is above it."""
        result: dict[str, Any] = {}
        for keys in self.above:
            result = merged(result, nested(keys, value=True))
        return merged(result, self.alone)


def switches(
    values: Mapping[str, Any], templates: Iterable[tuple[Keys, str]], absent: Sequence[Keys] = ()
) -> list[Switch]:
    """All switches, the likeliest first, none twice.

    `templates` are texts with the path that the values of their chart have (`()` for the outermost one). What lies
    below a path in `absent` is for charts that are not there.
    """
    flat = [(keys, value) for keys, value in leaves(values) if not any(keys[: len(one)] == one for one in absent)]
    off = [keys for keys, value in flat if value is False and not _INNER.search(keys[-1])]
    enabling = {keys for keys in off if _ENABLING.search(keys[-1])}
    asked, compared = _mentions(templates)
    result: dict[tuple[Keys, str], Switch] = {}

    def add(keys: Keys, value: object, *, filled: bool = False, likely: bool = True) -> None:
        above = tuple(sorted(one for one in enabling if one != keys and one[:-1] == keys[: len(one) - 1]))
        result.setdefault(
            (keys, repr(value)), Switch(keys=keys, value=value, above=above, filled=filled, likely=likely)
        )

    for keys in [*sorted(enabling, key=lambda k: (len(k), k)), *(k for k in off if k not in enabling)]:
        add(keys, value=True, likely=keys in enabling)
    for keys, word in compared:
        if get(values, keys) != word:
            add(keys, word)
    for keys in asked:
        value = get(values, keys)
        if not value and value is not False and not _NAMING.search(keys[-1]):
            add(keys, _filled(keys, value), filled=True, likely=False)
    for keys, value in flat:
        if value is True and not _INNER.search(keys[-1]):
            add(keys, value=False, likely=_ENABLING.search(keys[-1]) is not None)
    return list(result.values())


def _filled(keys: Keys, value: object) -> object:
    """Something where there was nothing, of the same kind."""
    if value is None and _ENABLING.search(keys[-1]):
        return True
    if isinstance(value, dict):
        return {STUB: STUB}
    if isinstance(value, list):
        return [STUB]
    return 1 if isinstance(value, int | float) else STUB


def _mentions(templates: Iterable[tuple[Keys, str]]) -> tuple[list[Keys], list[tuple[Keys, str]]]:
    """The paths that conditions of templates mention, and the words that some are compared with."""
    asked: dict[Keys, None] = {}
    compared: dict[tuple[Keys, str], None] = {}
    for prefix, text in templates:
        for action in _actions(text):
            for match in _COMPARED.finditer(action):
                path, word = match["path"] or match["path2"], match["word"] or match["word2"]
                compared[(*prefix, *path.strip(".").split(".")), word] = None
            for match in _PATH.finditer(action):
                asked[(*prefix, *match[1].strip(".").split("."))] = None
    return list(asked), list(compared)


def _actions(text: str) -> Iterator[str]:
    for match in _ACTION.finditer(text):
        if _CONDITION.search(match[1]):
            yield match[1]
