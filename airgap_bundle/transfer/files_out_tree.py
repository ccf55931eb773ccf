"""What becomes of each file of a bundle: its name, checked, and for a packed directory the names inside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.bundle.tar_members import FileForward, Kind, Member, members
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.manifest.words import packed_path, safe_path

if TYPE_CHECKING:
    from pathlib import Path

_PIECE_BYTES = 1024 * 1024
_EXECUTABLE = 0o100


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A file or directory below the directory that was named. `scratch` is where a file lies ready."""

    name: str
    is_directory: bool = False
    scratch: str = ""


def plan_file(title: str, scratch: str) -> Planned:
    """A single file; `InvalidValueError` where its name could lead elsewhere, or is none on some system."""
    if title.startswith("./"):
        raise InvalidValueError("not a name as this tool writes it")
    return Planned(name=safe_path(title), scratch=scratch)


def unpack(data: Path, title: str, place: Path) -> list[Planned]:
    """Take a packed directory apart into numbered files in `place`; names are kept apart until they are put.

    Only regular files and directories may be in it. `InvalidValueError` otherwise, and where it is cut short.
    """
    top = plan_file(title, "").name
    planned = [Planned(name=top, is_directory=True)]
    descriptor = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
    try:
        length = os.fstat(descriptor).st_size
        for number, member in enumerate(members(FileForward(descriptor))):
            if member.kind not in {Kind.FILE, Kind.DIRECTORY}:
                raise InvalidValueError(f"it holds {member.kind.value}: {member.name[:160]!r}")
            if member.data_at + member.size > length:
                raise InvalidValueError("the packed directory is cut short")
            name = f"{top}/{_inner(member)}"
            if member.kind is Kind.DIRECTORY:
                planned.append(Planned(name=name, is_directory=True))
                continue
            scratch = place / f"f{number}"
            _copy(descriptor, member, scratch)
            planned.append(Planned(name=name, scratch=f"{place.name}/{scratch.name}"))
    finally:
        os.close(descriptor)
    return planned


def _inner(member: Member) -> str:
    name = member.name.removesuffix("/")
    if name.startswith("./"):
        raise InvalidValueError("not a name as this tool writes it")
    return packed_path(name)


def _copy(descriptor: int, member: Member, target: Path) -> None:
    # The layer as a whole was compared with its digest already.
    mode = 0o755 if member.mode & _EXECUTABLE else 0o644
    out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        position, end = member.data_at, member.data_at + member.size
        while position < end:
            piece = os.pread(descriptor, min(_PIECE_BYTES, end - position), position)
            if not piece:
                raise InvalidValueError("the packed directory is cut short")
            pending = memoryview(piece)
            while pending:
                pending = pending[os.write(out, pending) :]
            position += len(piece)
        os.fsync(out)
    finally:
        os.close(out)
