"""The images that a Dockerfile starts from, copies out of and mounts, and the one that reads it (`# syntax=`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.discovery import naming
from airgap_bundle.discovery.finds import Certainty, Discovery, Sighting, Unresolved
from airgap_bundle.discovery.interpolation import Interpolation
from airgap_bundle.manifest.model import read_document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_BYTES = 1024 * 1024
_SYNTAX = re.compile(r"^#\s*syntax\s*=\s*(\S+)", re.IGNORECASE)
_INSTRUCTION = re.compile(r"^\s*(?P<word>[A-Za-z]+)\s+(?P<rest>.*)$", re.DOTALL)
_FROM = re.compile(r"(?:--platform=\S+\s+)?(?P<image>\S+)(?:\s+[aA][sS]\s+(?P<stage>\S+))?\s*$")
_COPY_FROM = re.compile(r"--from=(\S+)")
_MOUNT_FROM = re.compile(r"--mount=\S*\bfrom=([^,\s]+)")


def read(path: Path) -> str:
    """The text of a Dockerfile."""
    return read_document(path, max_bytes=_MAX_BYTES).decode("utf-8", "replace")


def discover_dockerfile(path: Path) -> Discovery:
    """The images that a build of this file pulls."""
    sightings: list[Sighting] = []
    unresolved: list[Unresolved] = []
    for line, text, how in _images(read(path)):
        reference = naming.parse(text)
        where = f"{path}:{line} ({how})"
        if reference is not None:
            sightings.append(Sighting(reference=reference, certainty=Certainty.RENDERED, where=where))
        else:
            unresolved.append(
                Unresolved(where=where, message=f"not a reference, or an argument without a default: {text}")
            )
    return Discovery(sightings=tuple(sightings), unresolved=tuple(unresolved))


def needed_for_building(text: str, file: str) -> Iterator[Sighting]:
    """The same where only somebody who builds would ask for them: what a project builds does not pull them inside."""
    for line, image, how in _images(text):
        reference = naming.parse(image)
        if reference is not None:
            where = f"{file}:{line} ({how}), needed only for building"
            yield Sighting(reference=reference, certainty=Certainty.GUESS, where=where)


class _Reading:
    """What a Dockerfile has said so far."""

    def __init__(self) -> None:
        self.arguments: dict[str, str] = {}
        self.stages: set[str] = set()

    def take(self, word: str, rest: str) -> Iterator[tuple[str, str]]:
        """One instruction: the images that it names, and how."""
        if word == "ARG" and not self.stages:
            name, equals, value = rest.strip().partition("=")
            if equals:
                self.arguments[name] = self._filled(value)
        elif word == "FROM":
            yield from self._from(rest)
        elif word in {"COPY", "ADD", "RUN"}:
            for image in _COPY_FROM.findall(rest) if word != "RUN" else _MOUNT_FROM.findall(rest):
                filled = self._filled(image)
                if filled.lower() not in self.stages and not filled.isdigit():
                    yield filled, f"{word} from"

    def _from(self, rest: str) -> Iterator[tuple[str, str]]:
        match = _FROM.match(rest.strip())
        if match is None:
            return
        image = self._filled(match["image"])
        if image.lower() not in self.stages and image != "scratch":
            yield image or match["image"], "FROM"
        self.stages.add((match["stage"] or f"#{len(self.stages)}").lower())

    def _filled(self, text: str) -> str:
        return Interpolation(variables=self.arguments).fill(text.strip("\"'"))


def _images(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, image and kind of place."""
    if match := _SYNTAX.match(text):
        yield 1, match[1], "syntax"
    reading = _Reading()
    for line, word, rest in _instructions(text):
        for image, how in reading.take(word, rest):
            yield line, image, how


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Instructions with continued lines joined and comments dropped; what follows `<<EOF` is no instruction."""
    pending, start, ending = "", 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        if ending:
            ending = "" if line.strip() == ending else ending
            continue
        if line.lstrip().startswith("#"):
            continue
        start = start if pending else number
        pending += line.rstrip().removesuffix("\\") + " "
        if line.rstrip().endswith("\\"):
            continue
        match = _INSTRUCTION.match(pending)
        if match:
            yield start, match["word"].upper(), match["rest"]
            heredoc = re.search(r"<<-?[\"']?([A-Za-z_][A-Za-z0-9_]*)", match["rest"])
            ending = heredoc[1] if heredoc and match["word"].upper() in {"RUN", "COPY", "ADD"} else ""
        pending = ""
