"""YAML of others, read as far as it goes: rendered charts, Compose files, Kubernetes manifests, foreign manifests.

The strict reader (`yamltext`) refuses what these are full of: several documents, anchors, merge keys, custom tags,
duplicate keys (the last one counts here). What stays is bounded: bytes, nodes and depth, and no object is ever made of
a tag. An alias is the very node that it names, so a bomb costs nothing to read; walkers count what they visit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airgap_bundle.core.report import Place
from airgap_bundle.manifest.yamltext import BrokenYamlError, MappingNode, Node, ScalarNode, SequenceNode, events

if TYPE_CHECKING:
    from collections.abc import Iterator

# The largest public chart renders to 2 MB, most of it schemas.
MAX_BYTES = 16 * 1024 * 1024
# About 8 microseconds each: four seconds for the worst document.
MAX_NODES = 500_000
MAX_DEPTH = 100
# A merge copies the entries of what it names; this many in one document are more than any Compose file has.
_MAX_MERGED = 100_000

_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
# libyaml refuses these; a stray one in a comment of a chart is no reason to miss its images.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """A document that could not be read, or not to its end. `text` is its raw text, for whoever wants to look."""

    place: Place
    message: str
    text: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """The documents that could be read, and what was wrong with the others."""

    documents: tuple[Node, ...]
    troubles: tuple[Trouble, ...] = ()


def parse_stream(text: str, file: str, *, max_nodes: int = MAX_NODES) -> Stream:
    """Every document of `text`. Never raises for what the text holds; empty documents are left out."""
    if len(text) > MAX_BYTES:
        trouble = Trouble(place=Place(file=file), message=f"more than {MAX_BYTES} characters of YAML")
        return Stream(documents=(), troubles=(trouble,))
    documents: list[Node] = []
    troubles: list[Trouble] = []
    left = max_nodes
    for line, piece in _pieces(_UNREADABLE.sub(" ", text)):
        builder = _Builder(file=file, first_line=line, max_nodes=left)
        try:
            documents += builder.build(piece)
        except BrokenYamlError as error:
            place = Place(file=file, line=line + max(error.line, 1) - 1)
            troubles.append(Trouble(place=place, message=str(error), text=piece))
        left -= builder.count
    return Stream(documents=tuple(documents), troubles=tuple(troubles))


def parse_bytes(raw: bytes, file: str) -> Stream:
    """`parse_stream` of UTF-8, or of whatever it is with its odd bytes replaced."""
    return parse_stream(raw.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n"), file)


def text_of(node: Node | None) -> str:
    """The text of a scalar; "" for anything else and for null."""
    return node.text if isinstance(node, ScalarNode) and not node.is_nothing else ""


def entry(node: Node | None, *path: str) -> Node | None:
    """What stands at `path` in maps within maps."""
    for key in path:
        if not isinstance(node, MappingNode):
            return None
        node = node.entries.get(key)
    return node


def items(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; () for anything else."""
    return node.items if isinstance(node, SequenceNode) else ()


def texts(node: Node | None) -> list[str]:
    """The texts of a list of texts, or of one text alone."""
    if isinstance(node, ScalarNode):
        return [node.text] if text_of(node) else []
    return [text for item in items(node) if (text := text_of(item))]


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """The documents as text with the line that each starts in, so that a broken one does not take the rest along."""
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text)), len(text)]
    line = 1
    for start, end in pairwise(starts):
        piece = text[start:end]
        if piece.strip("- \t\n"):
            yield line, piece
        line += piece.count("\n")


@dataclass(kw_only=True, slots=True)
class _Frame:
    """A list or map that is still open."""

    place: Place
    anchor: str | None = None
    items: list[Node] | None = None
    entries: dict[str, Node] = field(default_factory=dict)
    key_places: dict[str, Place] = field(default_factory=dict)
    merges: list[Node] = field(default_factory=list)
    key: ScalarNode | None = None
    seen: int = 0


class _Builder:
    """Builds the nodes of one piece of text. Used once."""

    __slots__ = ("_anchors", "_file", "_first_line", "_max_nodes", "_merged", "_roots", "_stack", "count")

    def __init__(self, *, file: str, first_line: int, max_nodes: int) -> None:
        self._file = file
        self._first_line = first_line
        self._max_nodes = max_nodes
        self._anchors: dict[str, Node] = {}
        self._stack: list[_Frame] = []
        self._roots: list[Node] = []
        self._merged = 0
        self.count = 0

    def build(self, text: str) -> list[Node]:
        """The documents of one piece (more than one where `...` ends the first)."""
        for event in events(text):
            name = type(event).__name__
            if name in {"ScalarEvent", "AliasEvent", "MappingStartEvent", "SequenceStartEvent"}:
                self._limits(event)
            self._take(name, event)
        return [root for root in self._roots if not (isinstance(root, ScalarNode) and root.is_nothing)]

    def _take(self, name: str, event: Any) -> None:
        place = self._place(event)
        if name == "ScalarEvent":
            plain = not event.style and event.tag != "tag:yaml.org,2002:str"
            self._add(ScalarNode(text=event.value, place=place, plain=plain), event.anchor)
        elif name == "AliasEvent":
            # An unknown anchor is an error to other readers; here it is a value that is not known.
            self._add(self._anchors.get(event.anchor, ScalarNode(text="", place=place, plain=True)), None)
        elif name == "MappingStartEvent":
            self._stack.append(_Frame(place=place, anchor=event.anchor))
        elif name == "SequenceStartEvent":
            self._stack.append(_Frame(place=place, anchor=event.anchor, items=[]))
        elif name in {"MappingEndEvent", "SequenceEndEvent"}:
            self._close()

    def _limits(self, event: Any) -> None:
        self.count += 1
        line = event.start_mark.line + 1
        if self.count > self._max_nodes:
            raise BrokenYamlError(f"more than {self._max_nodes} values", line)
        if len(self._stack) >= MAX_DEPTH:
            raise BrokenYamlError(f"nested deeper than {MAX_DEPTH} levels", line)

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(file=self._file, line=mark.line + self._first_line, column=mark.column + 1)

    def _close(self) -> None:
        frame = self._stack.pop()
        if frame.items is not None:
            self._add(SequenceNode(items=tuple(frame.items), place=frame.place), frame.anchor)
            return
        for merged in frame.merges:
            self._merge(merged, frame)
        self._add(MappingNode(entries=frame.entries, key_places=frame.key_places, place=frame.place), frame.anchor)

    def _merge(self, merged: Node, frame: _Frame) -> None:
        """YAML 1.1 merge: what the map says itself wins, then earlier merges."""
        sources = merged.items if isinstance(merged, SequenceNode) else (merged,)
        for source in sources:
            if not isinstance(source, MappingNode):
                continue
            self._merged += len(source.entries)
            if self._merged > _MAX_MERGED:
                raise BrokenYamlError(f"more than {_MAX_MERGED} values are merged", source.place.line)
            for key, value in source.entries.items():
                if key not in frame.entries:
                    frame.entries[key] = value
                    frame.key_places[key] = source.key_places[key]

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self._roots.append(node)
            return
        frame = self._stack[-1]
        if frame.items is not None:
            frame.items.append(node)
            return
        frame.seen += 1
        if frame.seen % 2:
            frame.key = node if isinstance(node, ScalarNode) else None
        elif frame.key is not None:
            if frame.key.plain and frame.key.text == "<<":
                frame.merges.append(node)
            else:
                frame.entries[frame.key.text] = node
                frame.key_places[frame.key.text] = frame.key.place
