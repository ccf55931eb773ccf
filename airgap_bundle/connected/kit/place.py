"""Where a kit grows: beside its place, under names that nobody takes for a kit, and gone again if it goes wrong."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from airgap_bundle.bundle.writer import sync_directory
from airgap_bundle.core.errors import HostError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MARK = "airgap-kit-"
_GROWING = ".partial"
_WORK = ".work"


def check_place(output: Path) -> None:
    """Whether the kit can go there: a new or empty directory, in one that exists. `UsageError` otherwise."""
    if not output.name:
        raise UsageError("AB-USAGE-VALUE", f"not a directory that can be made: {output}", hint="name a new one with -o")
    if os.path.lexists(output) and (output.is_symlink() or not output.is_dir() or any(output.iterdir())):
        raise UsageError("AB-USAGE-OUTPUT-EXISTS", f"{output} exists already", hint="choose another name")
    if not output.parent.is_dir():
        raise UsageError("AB-USAGE-VALUE", f"there is no directory {output.parent}", hint="make it first")


@contextmanager
def growing(output: Path) -> Iterator[tuple[Path, Path]]:
    """The directory while it grows, and another one for what comes up on the way; both are on the disk of `output`.

    What a run that was killed left behind is removed first; that of a run which is still at it is locked, and stays.
    """
    prefix = f".{output.name}.{_MARK}"
    for old in output.parent.glob(f"{_literal(prefix)}*"):
        if old.suffix in {_GROWING, _WORK} and old.is_dir() and not old.is_symlink():
            _remove_unless_locked(old)
    with ExitStack() as stack:
        made = [_make(stack, prefix, suffix, output.parent) for suffix in (_GROWING, _WORK)]
        yield made[0], made[1]


def finish(root: Path, output: Path) -> None:
    """Flush the names of everything in `root`, and give it its own."""
    root.chmod(0o755)
    for directory in [path for path in root.rglob("*") if path.is_dir()] + [root]:
        sync_directory(directory)
    try:
        root.rename(output)
    except OSError as error:
        if output.exists():
            raise HostError(
                "AB-HOST-EXISTS", f"{output} appeared in the meantime", hint="move it away and run the command again"
            ) from error
        raise
    sync_directory(output.parent)


def _make(stack: ExitStack, prefix: str, suffix: str, parent: Path) -> Path:
    path = parent.resolve() / f"{prefix}{secrets.token_hex(16)}{suffix}"
    # Seen to before it is made: Ctrl-C may come the moment it is there.
    stack.callback(shutil.rmtree, path, ignore_errors=True)
    path.mkdir(mode=0o700)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    # File systems without locks have none to ask either.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return path


def _remove_unless_locked(path: Path) -> None:
    """Without locks nobody knows whether somebody is at it, so it stays."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)


def _literal(text: str) -> str:
    """Text that stands for itself in a pattern of `glob`."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)
