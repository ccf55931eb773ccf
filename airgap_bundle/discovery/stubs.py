"""Values that a template demands, guessed from what Helm says when they are missing.

`required "config.API_URL is required" …`, `fail "set database.host"`, a nil pointer in `<.Values.a.b>`, or the schema
of the chart: each names what it wants somewhere. What is stubbed is reported, and an image made of a stub is no find.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airgap_bundle.discovery.values import STUB, Keys, get, merged, nested

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WHERE = re.compile(r"\b(?:execution error at|template:) \(?[^\s():]+:\d+(?::\d+)?\)?:?")
_DOTTED = re.compile(r"(?<![\w/.-])(?:\$?\.?Values\.)?([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)")
_NIL = re.compile(r"<\$?\.Values\.([\w.]+)>:\s*(?:nil pointer evaluating interface \{\}|wrong type)", re.DOTALL)
_SCHEMA_AT = re.compile(r"- at '(?P<at>[^']*)': (?P<what>[^\n]*)")
_PROPERTY = re.compile(r"missing (?:property|properties):? (?P<names>'[^']+'(?:, '[^']+')*)")
_WANTED = re.compile(
    r"want (?P<type>string|object|array|boolean|integer|number)|value must be one of '(?P<word>[^']*)'"
)
_TYPED: Mapping[str, object] = {
    "string": STUB,
    "object": {STUB: STUB},
    "array": [STUB],
    "boolean": True,
    "integer": 1,
    "number": 1,
}
_VALUES_PATH = re.compile(r"\.Values\.([A-Za-z_][\w.]*)")
_QUOTED = re.compile(r"(?:required|fail)\s+\(?(?:printf\s+)?\"((?:[^\"\\]|\\.){4,300})\"([^}]{0,200})")
# How far in front of a `fail` its conditions stand.
_BEFORE_BYTES = 600


def proposals(message: str, values: Mapping[str, Any], templates: Sequence[str]) -> Iterator[tuple[Keys, Any]]:
    """What to set, the likeliest first; things that are set already are left out."""
    seen: set[str] = set()
    for keys, value in _all(message, values, templates):
        if keys and repr((keys, value)) not in seen:
            seen.add(repr((keys, value)))
            yield keys, value


def _all(message: str, values: Mapping[str, Any], templates: Sequence[str]) -> Iterator[tuple[Keys, Any]]:
    yield from _from_schema(message, values)
    for match in _NIL.finditer(message):
        keys = tuple(match[1].split("."))
        if not get(values, keys):
            yield keys, STUB
    known = {*values, *(path.split(".")[0] for text in templates for path in _VALUES_PATH.findall(text))}
    for match in _DOTTED.finditer(_WHERE.sub(" ", message)):
        keys = tuple(match[1].split("."))
        if keys[0] in known and (len(keys) > 1 or "Values." in match[0]):
            yield from _fill(keys, values)
    yield from _from_source(message, values, templates)


def _fill(keys: Keys, values: Mapping[str, Any]) -> Iterator[tuple[Keys, Any]]:
    value = get(values, keys)
    if value:
        return
    if isinstance(value, bool):
        yield keys, True
    elif isinstance(value, list):
        yield keys, [STUB]
    elif isinstance(value, dict):
        yield keys, {STUB: STUB}
    elif isinstance(value, int | float):
        yield keys, 1
    else:
        yield keys, STUB


def _from_schema(message: str, values: Mapping[str, Any]) -> Iterator[tuple[Keys, Any]]:
    for match in _SCHEMA_AT.finditer(message):
        keys = tuple(part.replace("~1", "/").replace("~0", "~") for part in match["at"].split("/") if part)
        if missing := _PROPERTY.search(match["what"]):
            for name in re.findall(r"'([^']+)'", missing["names"]):
                yield _in_lists((*keys, name), STUB, values)
        elif wanted := _WANTED.search(match["what"]):
            yield _in_lists(keys, _TYPED[wanted["type"]] if wanted["type"] else wanted["word"], values)
        elif keys and ("minLength" in match["what"] or "pattern" in match["what"]):
            yield _in_lists(keys, STUB, values)


def _in_lists(keys: Keys, value: object, values: Mapping[str, Any]) -> tuple[Keys, Any]:
    """Where the path leads into a list, the whole list with its first item changed: Helm merges no lists."""
    number = next((n for n, key in enumerate(keys) if key.isdigit()), None)
    if number is None:
        return keys, value
    there = get(values, keys[:number])
    item = there[0] if isinstance(there, list) and there else {}
    rest = keys[number + 1 :]
    if not rest:
        return keys[:number], [value]
    return keys[:number], [merged(item if isinstance(item, dict) else {}, nested(rest, value))]


def _from_source(message: str, values: Mapping[str, Any], templates: Sequence[str]) -> Iterator[tuple[Keys, Any]]:
    """The message names no path: look where a template says it."""
    for text in templates:
        for match in _QUOTED.finditer(text):
            words = match[1].partition("%")[0].replace('\\"', '"')
            if words[:80] not in message:
                continue
            before = text[max(0, match.start() - _BEFORE_BYTES) : match.start()]
            paths = [*_VALUES_PATH.findall(match[2]), *reversed(_VALUES_PATH.findall(before))]
            for path in paths:
                yield from _fill(tuple(path.split(".")), values)
