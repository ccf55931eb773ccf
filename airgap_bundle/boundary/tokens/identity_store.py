"""The identities on disk: one file for each, so that a revocation counts for the very next request.

A server that asks for the same identity again and again compares the stamp of its file, and reads it when that has
changed. When an identity was last used is the time of an empty file beside.
"""

from __future__ import annotations

import contextlib
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airgap_bundle.boundary.state import unusable
from airgap_bundle.boundary.tokens.files import locked, make_private, read_private, stamp, write_private
from airgap_bundle.boundary.tokens.identities import (
    MAX_IDENTITY_BYTES,
    Identity,
    check_name,
    dump_identity,
    parse_identity,
)
from airgap_bundle.core.errors import HostError, InvalidValueError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airgap_bundle.boundary.tokens.files import Stamp

_SUFFIX = ".json"
# Recently asked ones stay in memory: more than clients at one time, 2 KB each.
_MAX_REMEMBERED = 2048
# One that was made for a single token is forgotten so long after it ended; the trail keeps what it did.
_ONCE_KEPT = timedelta(days=7)


class IdentityStore:
    """The identities in one directory. Safe for many threads and processes.

    Raises `HostError`: AB-TOKEN-PRIVATE where others could get at it, AB-TOKEN-IDENTITY for a file that is not ours.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = make_private(directory)
        self._used = make_private(directory / "used")
        self._lock = threading.Lock()
        self._remembered: dict[str, tuple[Stamp, Identity]] = {}

    def find(self, name: str) -> Identity | None:
        """The identity as it is on disk now; `None` for a name that nobody has."""
        try:
            path = self._directory / f"{check_name(name)}{_SUFFIX}"
        except InvalidValueError:
            return None
        seen = stamp(path)
        if seen is None:
            return None
        with self._lock:
            known = self._remembered.get(name)
        if known is not None and known[0] == seen:
            return known[1]
        identity = self._read(path)
        with self._lock:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            if identity is not None:
                self._remembered[name] = (seen, identity)
        return identity

    def every(self) -> tuple[Identity, ...]:
        """All of them, by name."""
        try:
            names = sorted(name.removesuffix(_SUFFIX) for name in os.listdir(self._directory) if name.endswith(_SUFFIX))  # noqa: PTH208 - names are all that is needed
        except OSError as error:
            raise unusable(self._directory, "be read", error) from error
        found = (self.find(name) for name in names)
        return tuple(identity for identity in found if identity is not None)

    def change(self, name: str, change: Callable[[Identity | None], Identity]) -> Identity:
        """Put what `change` makes of an identity in its place; nobody else changes any in between."""
        with locked(self._directory):
            changed = change(self.find(name))
            write_private(self._directory / f"{check_name(name)}{_SUFFIX}", dump_identity(changed))
        return changed

    def last_used(self, name: str) -> datetime | None:
        """When it last was, to some minutes; `None` for never."""
        found = stamp(self._used / check_name(name))
        return datetime.fromtimestamp(found[2] // 10**9, tz=UTC) if found is not None else None

    def touch(self, name: str, at: datetime) -> None:
        """Note that it was used."""
        path = self._used / check_name(name)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            os.utime(path, (at.timestamp(), at.timestamp()))
        except OSError as error:
            raise unusable(path, "be written", error) from error

    def forget_ended(self, now: datetime) -> int:
        """Remove those that were made for one token which has long ended; how many."""
        gone = [one.name for one in self.every() if one.is_once and one.until + _ONCE_KEPT < now]
        with locked(self._directory):
            for name in gone:
                with contextlib.suppress(FileNotFoundError):
                    (self._directory / f"{name}{_SUFFIX}").unlink()
                with contextlib.suppress(FileNotFoundError):
                    (self._used / name).unlink()
        return len(gone)

    def _read(self, path: Path) -> Identity | None:
        raw = read_private(path, max_bytes=MAX_IDENTITY_BYTES)
        if raw is None:
            return None
        try:
            return _parse(raw, path.name)
        except InvalidValueError as error:
            raise HostError(
                "AB-TOKEN-IDENTITY",
                f"{path} is not an identity that this program wrote: {error}",
                hint="keep it as evidence, move it away, and issue the identity anew",
            ) from error


def _parse(raw: bytes, file: str) -> Identity:
    identity = parse_identity(raw)
    if f"{identity.name}{_SUFFIX}" != file:
        raise InvalidValueError("it is the file of another identity")
    return identity


def exists_error(identity: Identity) -> UsageError:
    """The error for a name that is taken."""
    return UsageError(
        "AB-TOKEN-EXISTS",
        f"there is an identity {identity.name} already, in effect until {identity.until:%Y-%m-%d}",
        hint="--renew gives it a new credential and stops the old one; revoke it to begin anew",
    )


def revoked_error(identity: Identity) -> UsageError:
    """The error for an identity that is to go on and was revoked."""
    return UsageError(
        "AB-TOKEN-REVOKED",
        f"the identity {identity.name} was revoked, and a new credential would bring it back",
        hint="issue it anew without --renew, and say with --scope what it may do",
    )


def unknown_error(name: str) -> UsageError:
    """The error for a name that nobody has."""
    return UsageError(
        "AB-TOKEN-UNKNOWN", f"there is no identity {name!r} here", hint="airgap-import token list shows all of them"
    )
