"""The state directory of the inside: where it is, who may see it, and who is at work in it.

It holds what this machine remembers of imports (design section 8): `ledger.sqlite3`, `audit.jsonl`, `receipts/` and
`lock/`. Whoever can write there can make old bundles look new, so it is for its owner alone, and one that others could
have written to is refused rather than repaired.

Locks are flock(2) on one file for each product, `lock/<product>`: imports of different products run together, and a
process that was killed leaves none behind. What the file says (process, host, command, start) only serves the sentence
that the next one prints.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.boundary.audit.redaction import without_secrets
from airgap_bundle.bundle.inventory import check_product
from airgap_bundle.core.errors import HostError, InvalidValueError
from airgap_bundle.core.moments import moment_text
from airgap_bundle.core.report import Remark, Severity, silent
from airgap_bundle.core.strictjson import parse_object
from airgap_bundle.core.text import printable
from airgap_bundle.registry.durable import sync_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airgap_bundle.core.report import Reporter

# What a holder writes about itself is a line; anything longer is not ours.
_MAX_HOLDER_BYTES = 16 * 1024
_MAX_COMMAND_CHARACTERS = 1000
# Often enough that nobody notices the wait, seldom enough to cost nothing.
_POLL_SECONDS = 0.1
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, kw_only=True, slots=True)
class StateDirectory:
    """A state directory that was checked. Made by `open`, not directly."""

    path: Path

    @classmethod
    def open(cls, path: Path | None = None) -> StateDirectory:
        """The directory at `path`, or the one that belongs to this user; made if it is missing, mode 0700.

        Raises `HostError`: it belongs to somebody else, others may write to it, it is not a directory, or nothing can
        be written there.
        """
        path = Path(os.path.abspath(path or default_path()))  # noqa: PTH100 - `resolve` would follow links
        _make(path)
        _check(path)
        state = cls(path=path)
        for inner in (state.receipts_path, state.lock_path):
            _make(inner)
            _check(inner)
        return state

    @property
    def ledger_path(self) -> Path:
        """The SQLite file of the ledger."""
        return self.path / "ledger.sqlite3"

    @property
    def audit_path(self) -> Path:
        """The audit trail."""
        return self.path / "audit.jsonl"

    @property
    def receipts_path(self) -> Path:
        """The directory of receipts as files."""
        return self.path / "receipts"

    @property
    def lock_path(self) -> Path:
        """The directory of locks."""
        return self.path / "lock"

    @contextlib.contextmanager
    def lock(
        self, product: str, *, command: str, at: datetime, wait_seconds: float = 0, report: Reporter = silent
    ) -> Iterator[None]:
        """Be the only one who imports `product`, until the context ends or the process does.

        `command` and `at` are what others are told about us. Somebody else at it: waits up to `wait_seconds`, then
        raises `HostError` AB-STATE-BUSY with who that is and since when.
        """
        path = self.lock_path / check_product(product)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(path, "be opened", error) from error
        try:
            _wait_for(descriptor, path, product, wait_seconds, report)
            _introduce(descriptor, path, command, at)
            yield
            # Empty for the next one; the file stays, since removing it would let two hold a lock of one name.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def worker(self, product: str) -> str:
        """Who is at work on a product now, as a phrase; "" where nobody on this machine is.

        By what the holder of the lock wrote and whether that process is there: asking for the lock itself would turn
        away whoever wants it at that moment.
        """
        path = self.lock_path / check_product(product)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                value = parse_object(os.pread(descriptor, _MAX_HOLDER_BYTES, 0), max_bytes=_MAX_HOLDER_BYTES)
                phrase = _holder(descriptor)
            finally:
                os.close(descriptor)
        except (OSError, InvalidValueError):
            return ""
        return phrase if value.get("host") == os.uname().nodename and _is_alive(value.get("process")) else ""


def _is_alive(process: object) -> bool:
    if not isinstance(process, int) or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def default_path() -> Path:
    """Where this user's state lives, as the platform has it (`~/.local/state/airgap-bundle`)."""
    import platformdirs  # noqa: PLC0415 - needed only where no --state is given

    return platformdirs.user_state_path("airgap-bundle", appauthor=False)


def unusable(path: Path, what: str, error: OSError) -> HostError:
    """The error for something in the state directory that cannot be read or written."""
    text = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        hint = "make room there; what was recorded before is whole"
    elif error.errno == errno.EROFS:
        hint = "the medium is read-only; name a directory on a writable one with --state"
    else:
        hint = "check owner and mode, or name another directory with --state"
    return HostError("AB-STATE-UNUSABLE", f"{path} in the state directory cannot {what}: {text}", hint=hint)


def _make(path: Path) -> None:
    try:
        if path.is_dir():
            return
        if not path.parent.is_dir():
            _make(path.parent)
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            if not path.is_dir():
                raise
        else:
            # The umask may have taken bits that the owner needs.
            path.chmod(0o700)
            sync_directory(path.parent)
    except OSError as error:
        raise unusable(path, "be made", error) from error


def _check(path: Path) -> None:
    try:
        status = path.stat()
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        _check_owner(path, status)
        if stat.S_IMODE(status.st_mode) & 0o077:
            path.chmod(0o700)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            # The call that says why: access(2) says only that it may not be.
            os.utime(path)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise unusable(path, "be used", error) from error


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise HostError(
            "AB-STATE-OWNER",
            f"the state directory {path} belongs to user {status.st_uid}, and this process is user {os.geteuid()}",
            hint="run as its owner, or name a directory of your own with --state",
        )
    if status.st_mode & _OTHERS_MAY_WRITE:
        raise HostError(
            "AB-STATE-MODE",
            f"others than the owner may write to the state directory {path} (mode {stat.S_IMODE(status.st_mode):04o})",
            hint=f"make sure that nobody tampered with what is in it, then run: chmod 700 '{path}' (on FAT and exFAT "
            "modes are chosen when they are mounted: mount -o umask=077)",
        )


def _wait_for(descriptor: int, path: Path, product: str, wait_seconds: float, report: Reporter) -> None:
    deadline = time.monotonic() + wait_seconds
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _holder(descriptor)
            if time.monotonic() >= deadline:
                raise HostError(
                    "AB-STATE-BUSY",
                    f"{product} is being imported already, by {holder}",
                    hint="wait until it is done, or let this command wait with --wait-lock",
                ) from error
            if not told:
                report(Remark(severity=Severity.NOTE, message=f"waiting for the import of {product} by {holder}"))
                told = True
            time.sleep(_POLL_SECONDS)
        except OSError as error:
            raise unusable(path, "be locked", error) from error
        else:
            return


def _introduce(descriptor: int, path: Path, command: str, at: datetime) -> None:
    holder = {
        "process": os.getpid(),
        "host": os.uname().nodename,
        "command": printable(without_secrets(command))[:_MAX_COMMAND_CHARACTERS],
        "started": moment_text(at),
    }
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode() + b"\n", 0)
    except OSError as error:
        raise unusable(path, "be written", error) from error


def _holder(descriptor: int) -> str:
    """Who holds the lock, as a phrase. A holder that has not yet written, or wrote nonsense, is `another process`."""
    try:
        value = parse_object(os.pread(descriptor, _MAX_HOLDER_BYTES, 0), max_bytes=_MAX_HOLDER_BYTES)
    except (OSError, InvalidValueError):
        return "another process"
    process, host, command, started = (value.get(key, "?") for key in ("process", "host", "command", "started"))
    return f"process {process} on {host} since {started} ({command})"
