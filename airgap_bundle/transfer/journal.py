"""What of a growing bundle is already on the medium, so that a second run does not fetch it again.

One file beside `NAME.partial`: a first line that says for which bundle it was kept, then a digest a line. A digest is
added only after its data were flushed; a last line that a crash tore is ignored. Append-only.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# 250,000 lines of 72 bytes, and the first one.
_MAX_JOURNAL_BYTES = 20 * 1024 * 1024
_HEADING = "airgap-bundle journal 1"


class Journal:
    """The journal of one bundle. `finished` is what an earlier run had completed.

    `held_bytes` is the length of the growing file. Where it is not the one that the journal was kept for, somebody
    has taken the file away and left the journal, and what that says is forgotten.
    """

    def __init__(self, path: Path, bundle_id: Digest, total_bytes: int, *, held_bytes: int | None = None) -> None:
        self.path = path
        self._heading = f"{_HEADING} {bundle_id} {total_bytes}\n"
        self.finished = self._read() if held_bytes in {None, total_bytes} else frozenset()
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(path, flags if self.finished else flags | os.O_TRUNC, 0o644)
        except OSError as error:
            raise cannot_write(path, error) from error
        if not self.finished:
            self._append(self._heading)

    def add(self, digests: Iterable[Digest]) -> None:
        """These are on the medium: the caller has flushed them."""
        self._append("".join(f"{digest}\n" for digest in digests))

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def discard(self) -> None:
        """The bundle is whole: nothing is left to remember."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _append(self, text: str) -> None:
        try:
            os.write(self._fd, text.encode("ascii"))
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _read(self) -> frozenset[Digest]:
        try:
            with self.path.open("rb") as file:
                raw = file.read(_MAX_JOURNAL_BYTES)
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise cannot_write(self.path, error) from error
        heading, *lines = raw.decode("ascii", "replace").splitlines(keepends=True) or [""]
        if heading != self._heading:
            return frozenset()
        finished = set()
        for line in lines:
            try:
                finished.add(Digest(line.removesuffix("\n")))
            except InvalidValueError:
                break
            if not line.endswith("\n"):
                break
        return frozenset(finished)
