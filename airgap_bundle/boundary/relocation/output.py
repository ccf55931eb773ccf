"""What a format gives back: files as bytes, what has no place in them, and what to do with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

# The first words of every file of ours: what does not begin so is never replaced.
MARK = "# Made by airgap-import relocate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """One file, by its path below the output directory."""

    path: str
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Unplaced:
    """Something that the format cannot say, and why. Texts may quote a receipt: whoever shows them escapes them."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """Everything for one format. `use` says in a sentence what to do with the files."""

    files: tuple[Made, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    use: str = ""


def header(receipts: Iterable[str], notes: Iterable[str] = ()) -> str:
    """The comment that begins each file; the same in TOML and YAML. Each note is kept to its line."""
    lines = [f"{MARK}, from {', '.join(receipts)}.", "# Do not edit: make it again after the next import."]
    lines += [f"# {printable(note)}" for note in notes]
    return "".join(f"{line}\n" for line in lines)
