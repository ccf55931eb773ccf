"""What of a growing bundle is there already, so that a second run does not fetch it again.

One file beside `NAME.partial`: a first line that says for which bundle it was kept, then lines of two kinds. A digest
alone was flushed to the medium and is believed. A digest and a number of bytes says that so much of the blob was
written: it is there if only this program was killed, and perhaps not if the machine lost its power, so whoever uses it
hashes it again. A last line that a crash tore is cut off. Append-only.
"""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core.content import MAX_SIZE_BYTES, Digest
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# A digest, a space, a number of at most 19 digits and the end of the line; the heading is as long as two of them.
MAX_LINE_BYTES = 92
# 250,000 blobs with two lines each of at most 92 bytes, and a line for every 16 MiB of a bundle of 4 TiB.
_MAX_JOURNAL_BYTES = 72 * 1024 * 1024
_HEADING = "airgap-bundle journal 1"
# Written at once: a call for each would be slow, and one for a hundred thousand small blobs would be 14 MB.
_LINES = 1_000
_MAX_COUNT_DIGITS = len(str(MAX_SIZE_BYTES))


class Journal:
    """The journal of one bundle.

    `finished` is what an earlier run had flushed; `written` how many bytes of other blobs it had written, to be hashed
    again (`MAX_SIZE_BYTES` for all of them). `held_bytes` is the length of the growing file. Where it is shorter than
    the journal was kept for, but not empty, it grew in order and nothing of it is believed unseen; any other length
    means that somebody has taken the file away and left the journal, and what that says is forgotten. `volume_bytes`
    where the bundle is cut: a cut of another size is another undertaking.
    """

    def __init__(
        self, path: Path, bundle_id: Digest, total_bytes: int, *, held_bytes: int | None = None, volume_bytes: int = 0
    ) -> None:
        self.path = path
        cut = f" {volume_bytes}" if volume_bytes else ""
        self._heading = f"{_HEADING} {bundle_id} {total_bytes}{cut}\n"
        self.finished: frozenset[Digest] = frozenset()
        self.written: Mapping[Digest, int] = {}
        good = 0
        if held_bytes is None or 0 < held_bytes <= total_bytes:
            good = self._read()
        if held_bytes not in {None, total_bytes}:
            self.written = {**self.written, **dict.fromkeys(self.finished, MAX_SIZE_BYTES)}
            self.finished = frozenset()
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            os.ftruncate(self._fd, good)
        except OSError as error:
            raise cannot_write(path, error) from error
        if not good:
            self._append(self._heading)

    @property
    def is_new(self) -> bool:
        """Whether no earlier run left anything that could be used."""
        return not self.finished and not self.written

    def add(self, digests: Iterable[Digest]) -> None:
        """These are on the medium: the caller has flushed them."""
        lines = (f"{digest}\n" for digest in digests)
        while piece := "".join(islice(lines, _LINES)):
            self._append(piece)

    def note(self, digest: Digest, count: int) -> None:
        """The first `count` bytes of this blob were written, and not flushed."""
        self._append(f"{digest} {count}\n")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _append(self, text: str) -> None:
        try:
            os.write(self._fd, text.encode("ascii"))
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _read(self) -> int:
        """Take in what the file says; the length of the part of it that makes sense."""
        try:
            with self.path.open("rb") as file:
                raw = file.read(_MAX_JOURNAL_BYTES)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise cannot_write(self.path, error) from error
        heading, *lines = raw.decode("ascii", "replace").splitlines(keepends=True) or [""]
        if heading != self._heading:
            return 0
        good, finished, written = len(heading), set[Digest](), dict[Digest, int]()
        for line in lines:
            entry = _entry(line)
            if entry is None:
                break
            digest, count = entry
            if count is None:
                finished.add(digest)
                written.pop(digest, None)
            elif digest not in finished:
                written[digest] = count
            good += len(line)
        self.finished, self.written = frozenset(finished), written
        return good


def _entry(line: str) -> tuple[Digest, int | None] | None:
    """A whole line, read; None for one that a crash tore."""
    if not line.endswith("\n"):
        return None
    text, space, count = line[:-1].partition(" ")
    if space and not (count.isdigit() and len(count) <= _MAX_COUNT_DIGITS):
        return None
    try:
        return Digest(text), int(count) if space else None
    except InvalidValueError:
        return None
