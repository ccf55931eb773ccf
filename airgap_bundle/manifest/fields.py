"""Reading typed fields out of YAML nodes, with every complaint collected.

    top = Value.of(yamltext.parse(raw, file), complaints).fields()
    name = top.required("name", converted(check_name))
    images = top.get("images", listed(read_image), ())
    top.finish()                            # complains of keys that nobody asked for
    complaints.check("AB-MANIFEST-INVALID", "a manifest")

A reader is a function from `Value` to what the field means. It raises `InvalidValueError` for one complaint; the place
is added here and reading goes on with the next field. Used for manifests, overlays, locks and policies; knows none of
their keys.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.core.report import Finding, Place, Severity
from airgap_bundle.manifest.yamltext import MAX_FINDINGS, MappingNode, Node, ScalarNode, SequenceNode, summary

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
D = TypeVar("D")

_SIMPLE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_INTEGER = re.compile(r"0|[1-9][0-9]{0,15}")


class ComplaintError(InvalidValueError):
    """A complaint that knows its code and what to do next."""

    def __init__(self, message: str, *, code: str = "AB-YAML-VALUE", hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class RejectedError(InvalidValueError):
    """Nothing came of this value; the complaints have been made already."""


class Complaints:
    """Everything that was wrong with one file."""

    __slots__ = ("_file", "_findings")

    def __init__(self, file: str) -> None:
        self._file = file
        self._findings: list[Finding] = []

    def add(self, code: str, message: str, place: Place, *, path: str = "", hint: str = "") -> None:
        """Keep one complaint."""
        finding = Finding(code=code, severity=Severity.ERROR, message=message, place=place, path=path, hint=hint)
        self._findings.append(finding)

    def add_error(self, error: InvalidValueError, place: Place, path: str) -> None:
        """Keep what a reader raised."""
        if isinstance(error, RejectedError):
            return
        if isinstance(error, ComplaintError):
            self.add(error.code, str(error), place, path=path, hint=error.hint)
        else:
            self.add("AB-YAML-VALUE", str(error), place, path=path)

    @property
    def count(self) -> int:
        """How many there are so far."""
        return len(self._findings)

    def check(self, code: str, what: str) -> None:
        """Raise `DocumentError` with all of them in the order of the file, if there are any; `what` is `a manifest`."""
        if not self._findings:
            return
        findings = sorted(self._findings, key=lambda finding: (finding.place.line, finding.place.column))[:MAX_FINDINGS]
        message = summary(self._file, findings, what)
        raise DocumentError(code, message, hint=findings[0].hint, findings=findings)


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A node, its path inside the document, and where to complain."""

    node: Node
    complaints: Complaints
    path: str = ""

    @classmethod
    def of(cls, node: Node, complaints: Complaints) -> Value:
        """The document as a whole."""
        return cls(node=node, complaints=complaints)

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.node.place

    @property
    def is_text(self) -> bool:
        """Whether it is a scalar that says something; several entries have a short form that is just text."""
        return isinstance(self.node, ScalarNode) and not self.node.is_nothing

    def scalar(self, wanted: str = "text") -> ScalarNode:
        """The node as a scalar that says something."""
        if not isinstance(self.node, ScalarNode) or self.node.is_nothing:
            raise _wrong_type(wanted, self.node)
        return self.node

    def fields(self) -> Fields:
        """The node as a map with known keys."""
        if not isinstance(self.node, MappingNode):
            raise _wrong_type("a map", self.node)
        return Fields(self, self.node)

    def items(self, reader: Callable[[Value], T]) -> tuple[T, ...]:
        """The node as a list; items that were complained of are left out."""
        if not isinstance(self.node, SequenceNode):
            raise _wrong_type("a list", self.node)
        result = []
        for number, node in enumerate(self.node.items):
            path = f"{self.path}[{number}]"
            try:
                result.append(reader(Value(node=node, complaints=self.complaints, path=path)))
            except InvalidValueError as error:
                self.complaints.add_error(error, node.place, path)
        return tuple(result)

    def entries(self, reader: Callable[[Value], T]) -> dict[str, T]:
        """The node as a map with free keys (names of signers, of products)."""
        if not isinstance(self.node, MappingNode):
            raise _wrong_type("a map", self.node)
        result = {}
        for key, node in self.node.entries.items():
            path = _join(self.path, key)
            try:
                result[key] = reader(Value(node=node, complaints=self.complaints, path=path))
            except InvalidValueError as error:
                self.complaints.add_error(error, node.place, path)
        return result


class Fields:
    """A map with known keys, while it is read. End with `finish`."""

    __slots__ = ("_asked", "_before", "_node", "_value")

    def __init__(self, value: Value, node: MappingNode) -> None:
        self._value = value
        self._node = node
        self._asked: list[str] = []
        self._before = value.complaints.count

    @property
    def place(self) -> Place:
        """Where the map begins."""
        return self._node.place

    @property
    def path(self) -> str:
        """The path of the map inside the document."""
        return self._value.path

    def has(self, key: str) -> bool:
        """Whether the key is written."""
        return key in self._node.entries

    def required(self, key: str, reader: Callable[[Value], T]) -> T:
        """What the field means. If it is missing or wrong the result must not be used: `finish` will raise."""
        if not self.has(key):
            self._asked.append(key)
            message = f"the key {key!r} is missing"
            self._value.complaints.add("AB-YAML-REQUIRED", message, self.place, path=self.path)
            return cast("T", None)
        return cast("T", self.get(key, reader, None))

    def get(self, key: str, reader: Callable[[Value], T], default: D) -> T | D:
        """What the field means; `default` if it is not written, or wrong and complained of."""
        self._asked.append(key)
        node = self._node.entries.get(key)
        if node is None:
            return default
        path = _join(self.path, key)
        try:
            return reader(Value(node=node, complaints=self._value.complaints, path=path))
        except InvalidValueError as error:
            self._value.complaints.add_error(error, node.place, path)
            return default

    def choose(self, *keys: str) -> str:
        """The one of `keys` that is written; none or several is a complaint (and "", after which `finish` raises)."""
        self._asked.extend(keys)
        written = [key for key in keys if self.has(key)]
        if len(written) != 1:
            names = " or ".join(repr(key) for key in keys)
            message = f"exactly one of {names} is needed" + (f", not {len(written)}" if written else "")
            self._value.complaints.add("AB-YAML-REQUIRED", message, self.place, path=self.path)
            return ""
        return written[0]

    def complain(self, key: str, message: str, *, hint: str = "", code: str = "AB-YAML-VALUE") -> None:
        """Complain of a field after it was read, where fields do not go together."""
        node = self._node.entries.get(key)
        place, path = (node.place, _join(self.path, key)) if node is not None else (self.place, self.path)
        self._value.complaints.add(code, message, place, path=path, hint=hint)

    def finish(self) -> None:
        """Complain of keys that were not asked for; raises `RejectedError` if anything in this map was wrong."""
        for key, place in self._node.key_places.items():
            if key not in self._asked:
                self._unknown(key, place)
        if self._value.complaints.count > self._before:
            raise RejectedError("complained of already")

    def _unknown(self, key: str, place: Place) -> None:
        import difflib  # noqa: PLC0415 - only for somebody's typing error

        known = list(dict.fromkeys(self._asked))
        same = [name for name in known if name.lower() == key.lower()]
        close = same or difflib.get_close_matches(key[:80], known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        message = f"unknown key {key[:80]!r}"
        self._value.complaints.add("AB-YAML-KEY", message, place, path=_join(self.path, key[:80]), hint=hint)


def text(value: Value) -> str:
    """Text as written; not nothing, and not empty."""
    node = value.scalar()
    if not node.text:
        raise ComplaintError("empty text")
    return node.text


def integer(value: Value) -> int:
    """A number from 0 to 10^16 - 1, in decimal digits without quotes."""
    node = value.scalar("a number")
    if not node.plain or _INTEGER.fullmatch(node.text) is None:
        raise ComplaintError(f"not a whole number: {node.text[:80]!r}", code="AB-YAML-TYPE")
    return int(node.text)


def boolean(value: Value) -> bool:
    """`true` or `false`; YAML 1.1's `yes` and `on` are not."""
    node = value.scalar("true or false")
    if not node.plain or node.text not in {"true", "false"}:
        raise ComplaintError(f"neither true nor false: {node.text[:80]!r}", code="AB-YAML-TYPE")
    return node.text == "true"


def converted(convert: Callable[[str], T]) -> Callable[[Value], T]:
    """A reader for text that `convert` turns into a value or refuses with `InvalidValueError`."""
    return lambda value: convert(text(value))


def listed(reader: Callable[[Value], T]) -> Callable[[Value], tuple[T, ...]]:
    """A reader for a list."""
    return lambda value: value.items(reader)


def mapped(reader: Callable[[Value], T]) -> Callable[[Value], dict[str, T]]:
    """A reader for a map with free keys."""
    return lambda value: value.entries(reader)


def one_of(*allowed: str) -> Callable[[Value], str]:
    """A reader for one of a few words."""

    def read(value: Value) -> str:
        word = text(value)
        if word not in allowed:
            raise ComplaintError(f"not one of {', '.join(allowed)}: {word[:80]!r}")
        return word

    return read


def check_api_version(fields: Fields, wanted: str) -> None:
    """Read `apiVersion`, which every document of ours starts with; another major version is refused."""
    hint = f"this version of airgap-bundle reads {wanted}"

    def read(value: Value) -> str:
        word = text(value)
        if word != wanted:
            raise ComplaintError(f"apiVersion is {word[:80]!r} instead of {wanted!r}", hint=hint)
        return word

    fields.required("apiVersion", read)


def _wrong_type(wanted: str, node: Node) -> ComplaintError:
    found = "nothing" if isinstance(node, ScalarNode) and node.is_nothing else node.kind
    return ComplaintError(f"{wanted} is needed here, not {found}", code="AB-YAML-TYPE")


def _join(path: str, key: str) -> str:
    if _SIMPLE_KEY.fullmatch(key) is None:
        return f"{path}[{json.dumps(key[:80], ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


__all__ = [
    "ComplaintError",
    "Complaints",
    "Fields",
    "RejectedError",
    "Value",
    "boolean",
    "check_api_version",
    "converted",
    "integer",
    "listed",
    "mapped",
    "one_of",
    "text",
]
