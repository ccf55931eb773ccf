"""What `check --fix` changes: only what means the same before and after.

Short names are written in full, and a line that repeats an entry word for word is removed. Everything else in the file
stays as it is, byte for byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.manifest.rules.short_name import is_short

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.manifest.entries import ReferenceEntry
    from airgap_bundle.manifest.model import Manifest

_AROUND = frozenset(" \t\"'[]{},#")


def mend(text: str, manifest: Manifest) -> tuple[str, list[str]]:
    """The text mended, and a sentence for each change. `manifest` has to be what `text` says."""
    lines = text.split("\n")
    done = _full_names(lines, (*manifest.images, *manifest.artifacts))
    gone = _repeated(lines, manifest.images) | _repeated(lines, manifest.artifacts)
    done += [f"line {number}: removed, {lines[number - 1].strip()} stands there already" for number in sorted(gone)]
    return "\n".join(line for number, line in enumerate(lines, 1) if number not in gone), done


def _full_names(lines: list[str], entries: Iterable[ReferenceEntry]) -> list[str]:
    done = []
    # From the end of the file, so that places in front stay what they were.
    for entry in sorted(entries, key=lambda one: (one.place.line, one.place.column), reverse=True):
        if not is_short(entry.written, entry.reference.host):
            continue
        full = _full(entry)
        for number in range(entry.place.line, len(lines) + 1):
            start = entry.place.column - 1 if number == entry.place.line else 0
            at = _find(lines[number - 1], entry.written, start)
            if at >= 0:
                line = lines[number - 1]
                lines[number - 1] = line[:at] + full + line[at + len(entry.written) :]
                done.append(f"line {number}: {entry.written} is now {full}")
                break
    return done[::-1]


def _full(entry: ReferenceEntry) -> str:
    """The name in full, with a tag only if it was written: AGM006 is for the author to decide."""
    reference = entry.reference
    digest = f"@{reference.digest}" if reference.digest else ""
    return f"{reference.name}{f':{reference.tag}' if entry.names_a_tag else ''}{digest}"


def _find(line: str, word: str, start: int) -> int:
    """Where the word stands by itself; -1 where it does not."""
    at = line.find(word, start)
    while at >= 0:
        before, after = line[at - 1 : at], line[at + len(word) : at + len(word) + 1]
        if (not before or before in _AROUND) and (not after or after in _AROUND):
            return at
        at = line.find(word, at + 1)
    return -1


def _repeated(lines: list[str], entries: Iterable[ReferenceEntry]) -> set[int]:
    """Lines of a block list that hold nothing but an entry that an earlier line holds in the same words."""
    seen: set[str] = set()
    gone: set[int] = set()
    for entry in entries:
        line = lines[entry.place.line - 1]
        words = line.strip()
        if not words.startswith("- ") or words[2:].strip("\"' ") not in {entry.written, _full(entry)}:
            continue
        name = words[2:].strip("\"' ")
        if name in seen:
            gone.add(entry.place.line)
        seen.add(name)
    return gone
