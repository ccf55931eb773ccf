"""YAML as text with places: the only door to PyYAML.

Turns bytes into nodes that keep line and column, and scalars as they were written (`1.10` stays `1.10`, `on` stays
`on`); what a scalar means is decided by whoever reads the field. YAML's traps are refused here, as many at once as can
be: duplicate keys, anchors and aliases, tags beyond the core schema, several documents, characters that do not show.
Built on parser events instead of a composed tree, so that limits hold before memory is spent and both of PyYAML's
parsers behave alike. YAML 1.1 and 1.2 agree on everything that is left. Writes nothing.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airgap_bundle.core.errors import DocumentError
from airgap_bundle.core.report import Finding, Place, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A manifest of 10,000 images is 1 MB; nothing that a person reviews is larger than this.
MAX_BYTES = 4 * 1024 * 1024
# 1,000 entries written out in full are 15,000 nodes; the parser takes about 8 microseconds for each.
MAX_NODES = 100_000
# Our deepest document, the policy, has 7 levels.
MAX_DEPTH = 64
# What nobody reads any more; the rest is counted by running again after mending these.
MAX_FINDINGS = 100

# Control characters but tab and line feed; the line breaks that editors do not show as such; marks that turn the
# reading direction (CVE-2021-42574); surrogates and noncharacters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
# PyYAML's two parsers disagree about tabs between tokens, and YAML forbids them for indentation. In a comment they may
# stand.
_TAB = re.compile(r"^[^#\t\n]*\t", re.MULTILINE)
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset(f"{_CORE}{name}" for name in ("str", "int", "float", "bool", "null"))


def has_unseen(text: str) -> bool:
    """Whether text holds a character that acts instead of being read; such text is refused in our documents."""
    return _UNSEEN.search(text) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalarNode:
    """Text. `plain` means written without quotes, so that it may stand for a number, a truth value or nothing."""

    kind: ClassVar[str] = "text"
    text: str
    place: Place
    plain: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether YAML reads this as null."""
        return self.plain and self.text in {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceNode:
    """A list."""

    kind: ClassVar[str] = "a list"
    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class MappingNode:
    """A map with text keys, in the order written; `key_places` says where each key stands."""

    kind: ClassVar[str] = "a map"
    entries: Mapping[str, Node]
    key_places: Mapping[str, Place]
    place: Place


Node = ScalarNode | SequenceNode | MappingNode


def parse(raw: bytes, file: str, *, max_bytes: int = MAX_BYTES, max_nodes: int = MAX_NODES) -> Node:
    """The one document in `raw`, or `DocumentError` with every complaint; `file` is the name used in them.

    An empty document is an empty plain scalar. `max_bytes` is checked before anything else is looked at.
    """
    if len(raw) > max_bytes:
        _refuse(
            file, [_finding("AB-YAML-SIZE", f"{len(raw)} bytes, more than the {max_bytes} allowed", Place(file=file))]
        )
    return _Builder(file=file, max_nodes=max_nodes).build(_decode(raw, file), _loader())


def parse_foreign(raw: bytes, file: str, *, max_bytes: int, max_nodes: int, keep: tuple[str, ...] = ()) -> Node:
    """`parse` for a document that others wrote: tabs, and characters that do not show, are let through.

    Everything else is refused as in our own: duplicate keys, aliases, tags. `keep` is the path of keys to what is
    wanted; what lies beside that path does not stay in memory, so that a large index costs as much as the part read.
    """
    if len(raw) > max_bytes:
        _refuse(
            file, [_finding("AB-YAML-SIZE", f"{len(raw)} bytes, more than the {max_bytes} allowed", Place(file=file))]
        )
    text = _decode_utf8(raw, file).removeprefix("\ufeff")
    return _Builder(file=file, max_nodes=max_nodes, keep=keep, is_foreign=True).build(text, _loader())


def complaint_of(error: DocumentError) -> str:
    """The first complaint about YAML of others, without the name of the file: `line 3: …`."""
    return f"line {error.findings[0].place.line}: {error.findings[0].message}" if error.findings else error.message


class BrokenYamlError(ValueError):
    """The parser gave up. `line` counts from 1; 0 where it does not know."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def events(text: str) -> Iterator[Any]:
    """PyYAML's parser events for YAML that is not ours (`manifest.looseyaml`); `BrokenYamlError` where it gives up.

    Nothing is composed or constructed. Whoever takes the events counts them.
    """
    import yaml  # noqa: PLC0415 - see _loader

    try:
        yield from yaml.parse(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BrokenYamlError(str(error.problem or error.context), mark.line + 1 if mark else 0) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise BrokenYamlError(str(error).partition("\n")[0]) from error


def summary(file: str, findings: list[Finding] | tuple[Finding, ...], what: str) -> str:
    """One sentence for several complaints: the first, and how many more there are."""
    first = findings[0]
    where = f"{first.path} at {first.place}" if first.path else str(first.place)
    rest = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f"{file} is not {what}: {where}: {first.message}{rest}"


def _loader() -> Any:
    import yaml  # noqa: PLC0415 - takes 20 ms, which `--help` does not have

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _finding(code: str, message: str, place: Place, hint: str = "") -> Finding:
    return Finding(code=code, severity=Severity.ERROR, message=message, place=place, hint=hint)


def _refuse(file: str, findings: list[Finding]) -> None:
    raise DocumentError(
        findings[0].code, summary(file, findings, "strict YAML"), hint=findings[0].hint, findings=findings
    )


def _decode_utf8(raw: bytes, file: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        place = Place(file=file, line=before.count(b"\n") + 1, column=column)
        finding = _finding("AB-YAML-ENCODING", "not UTF-8", place, hint="save the file as UTF-8")
        message = summary(file, [finding], "strict YAML")
        raise DocumentError(finding.code, message, hint=finding.hint, findings=[finding]) from error


def _decode(raw: bytes, file: str) -> str:
    """UTF-8 without a byte order mark and without characters that do not show; line ends become line feeds."""
    text = _decode_utf8(raw, file).replace("\r\n", "\n")
    findings = []
    for start in _first(match.start() for match in _UNSEEN.finditer(text)):
        name = "a byte order mark" if text[start] == "\ufeff" else f"the character U+{ord(text[start]):04X}"
        place = _place_at(file, text, start)
        findings.append(_finding("AB-YAML-ENCODING", f"{name} is not allowed", place, hint="remove it"))
    for end in _first(match.end() for match in _TAB.finditer(text)):
        place = _place_at(file, text, end - 1)
        findings.append(_finding("AB-YAML-SYNTAX", "a tab where YAML wants spaces", place, hint="use spaces"))
    if findings:
        _refuse(file, findings)
    return text


def _first(positions: Iterator[int]) -> list[int]:
    return list(itertools.islice(positions, MAX_FINDINGS))


def _place_at(file: str, text: str, position: int) -> Place:
    return Place(file=file, line=text.count("\n", 0, position) + 1, column=position - text.rfind("\n", 0, position))


@dataclass(kw_only=True, slots=True)
class _Frame:
    """A list or map that is still open. For a map, `key` is the key whose value comes next."""

    place: Place
    items: list[Node] | None = None
    entries: dict[str, Node] = field(default_factory=dict)
    key_places: dict[str, Place] = field(default_factory=dict)
    key: str | None = None
    # How many nodes a map has seen; every other one is a key.
    seen: int = 0


class _Builder:
    """Builds nodes from events and collects complaints. Used once."""

    __slots__ = ("_count", "_file", "_findings", "_is_foreign", "_keep", "_max_nodes", "_root", "_stack")

    def __init__(self, *, file: str, max_nodes: int, keep: tuple[str, ...] = (), is_foreign: bool = False) -> None:
        self._file = file
        self._max_nodes = max_nodes
        self._keep = keep
        self._is_foreign = is_foreign
        self._findings: list[Finding] = []
        self._stack: list[_Frame] = []
        self._root: Node | None = None
        self._count = 0

    def build(self, text: str, loader: Any) -> Node:
        """Run the parser over the text; `DocumentError` if there was anything to complain of."""
        import yaml  # noqa: PLC0415 - see _loader

        try:
            for event in yaml.parse(text, Loader=loader):
                if len(self._findings) >= MAX_FINDINGS or not self._take(event):
                    break
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # The parser in Python lets an escape beyond Unicode ("\UFFFFFFFF") through to chr().
            self._complain("AB-YAML-SYNTAX", f"not YAML: {error}", Place(file=self._file))
        if self._findings:
            _refuse(self._file, self._findings)
        return self._root or ScalarNode(text="", place=Place(file=self._file, line=1, column=1), plain=True)

    def _take(self, event: Any) -> bool:
        """One event; False stops the reading."""
        name = type(event).__name__
        if name == "ScalarEvent":
            return self._limits(event) and self._scalar(event)
        if name in {"MappingStartEvent", "SequenceStartEvent"}:
            return self._limits(event) and self._open(event, is_list=name == "SequenceStartEvent")
        if name in {"MappingEndEvent", "SequenceEndEvent"}:
            return self._close()
        if name == "AliasEvent":
            hint = "write the value out where it is used"
            self._complain("AB-YAML-ALIAS", f"the alias *{event.anchor} is not allowed", self._place(event), hint)
            return self._limits(event) and self._add(ScalarNode(text="", place=self._place(event)))
        if name == "DocumentStartEvent":
            return self._document(event)
        return True

    def _document(self, event: Any) -> bool:
        if event.version or event.tags:
            self._complain("AB-YAML-TAG", "a % directive is not allowed", self._place(event), "remove the line")
        if self._root is not None:
            message = "a second document begins here"
            self._complain("AB-YAML-DOCUMENTS", message, self._place(event), "keep one document in a file")
            return False
        return True

    def _limits(self, event: Any) -> bool:
        """Count the node, and look at what any node may carry but ours may not."""
        self._count += 1
        if self._count > self._max_nodes:
            self._complain("AB-YAML-LIMIT", f"more than {self._max_nodes} values", self._place(event))
            return False
        if len(self._stack) >= MAX_DEPTH:
            self._complain("AB-YAML-LIMIT", f"nested deeper than {MAX_DEPTH} levels", self._place(event))
            return False
        if event.anchor is not None and type(event).__name__ != "AliasEvent":
            self._complain(
                "AB-YAML-ALIAS", f"the anchor &{event.anchor} is not allowed", self._place(event), "remove it"
            )
        return True

    def _scalar(self, event: Any) -> bool:
        place, text, tag = self._place(event), event.value, event.tag
        if tag is not None and tag not in _SCALAR_TAGS:
            self._tag(tag, place)
        if not self._is_foreign and not text.isprintable() and has_unseen(text):
            self._complain("AB-YAML-ENCODING", "an escape makes a character that does not show", place, "remove it")
        plain = tag != f"{_CORE}str" if tag is not None else not event.style
        return self._add(ScalarNode(text=text, place=place, plain=plain))

    def _open(self, event: Any, *, is_list: bool) -> bool:
        place = self._place(event)
        if event.tag is not None and event.tag != (f"{_CORE}seq" if is_list else f"{_CORE}map"):
            self._tag(event.tag, place)
        self._stack.append(_Frame(place=place, items=[] if is_list else None))
        return True

    def _close(self) -> bool:
        frame = self._stack.pop()
        if frame.items is not None:
            return self._add(SequenceNode(items=tuple(frame.items), place=frame.place))
        return self._add(MappingNode(entries=frame.entries, key_places=frame.key_places, place=frame.place))

    def _add(self, node: Node) -> bool:
        """Put a finished node where it belongs."""
        if not self._stack:
            self._root = node
            return True
        frame = self._stack[-1]
        if frame.items is not None:
            frame.items.append(node)
            return True
        frame.seen += 1
        if frame.seen % 2:
            frame.key = self._key(node, frame)
        elif frame.key is not None and self._wants(frame.key):
            frame.entries[frame.key] = node
        return True

    def _wants(self, key: str) -> bool:
        """Whether the value of a key of the innermost open map is on the way to what is kept, or below it."""
        level = len(self._stack) - 1
        return level >= len(self._keep) or self._keep[level] == key

    def _key(self, node: Node, frame: _Frame) -> str | None:
        """The key that `node` spells, if it can be one here; else its value is dropped after the complaint."""
        if not isinstance(node, ScalarNode) or node.is_nothing:
            self._complain("AB-YAML-SYNTAX", "a key has to be text", node.place)
            return None
        if node.text in frame.key_places:
            message = f"the key {node.text[:80]!r} stands here again; first in line {frame.key_places[node.text].line}"
            self._complain("AB-YAML-DUPLICATE", message, node.place, "keep one of them")
            return None
        frame.key_places[node.text] = node.place
        return node.text

    def _tag(self, tag: str, place: Place) -> None:
        message = f"the tag {tag[:80]!r} is not allowed"
        self._complain("AB-YAML-TAG", message, place, "remove it; types are known from the key")

    def _syntax(self, error: Any) -> None:
        mark = error.problem_mark or error.context_mark
        place = Place(file=self._file, line=mark.line + 1, column=mark.column + 1) if mark else Place(file=self._file)
        context = f" {error.context}" if error.context else ""
        started = f" (begun in line {error.context_mark.line + 1})" if error.context_mark and context else ""
        self._complain("AB-YAML-SYNTAX", f"not YAML: {error.problem}{context}{started}", place)

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(file=self._file, line=mark.line + 1, column=mark.column + 1)

    def _complain(self, code: str, message: str, place: Place, hint: str = "") -> None:
        self._findings.append(_finding(code, message, place, hint))
