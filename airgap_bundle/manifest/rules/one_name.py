"""AGM002: two sources that would land under one name inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule
from airgap_bundle.manifest.staleness import travelling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.manifest.entries import FileEntry
    from airgap_bundle.manifest.model import Manifest

_HINT = "give one of them another name with 'as'"


def _check(context: Context) -> Iterator[Problem]:
    first: dict[tuple[str, str], tuple[str, int]] = {}
    for kind, entry in travelling(context.manifest):
        path, tag = entry.target
        # Without a tag there is no name to quarrel about; files are compared below.
        if kind == "file" or not tag:
            continue
        source, line = first.setdefault((path, tag), (entry.source, entry.place.line))
        if source != entry.source:
            message = f"{entry.source} would become {path}:{tag}, which is taken by {source} in line {line}"
            yield Problem.at(entry, message, hint=_HINT)
    yield from _files(context.manifest)


def _files(manifest: Manifest) -> Iterator[Problem]:
    """Names of files are compared without case, as FAT, NTFS and macOS do; none may be the directory of another."""
    first: dict[str, FileEntry] = {}
    directories: dict[str, FileEntry] = {}
    for entry in manifest.files:
        name = entry.name.lower()
        other = first.setdefault(name, entry)
        if other is not entry and (other.source, other.name) != (entry.source, entry.name):
            message = f"the file name {entry.name!r} is taken by {other.source} in line {other.place.line}"
            yield Problem.at(entry, message, hint=_HINT)
        parts = name.split("/")
        for end in range(1, len(parts)):
            directories.setdefault("/".join(parts[:end]), entry)
    for name in sorted(first.keys() & directories.keys()):
        entry, other = first[name], directories[name]
        message = f"the file {entry.name!r} would also have to be the directory of {other.name!r}"
        yield Problem.at(entry, message, hint=_HINT)


RULE = Rule(code="AGM002", title="Two sources for one name", severity=Severity.ERROR, check=_check)
