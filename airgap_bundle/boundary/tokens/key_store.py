"""The file of the keys: made when it is first asked for, changed by one process at a time, noticed at once by others.

Whoever asks gets the keys as they are on the disk now: the file's stamp is compared each time, and it is read anew when
that has changed. So a rotation needs no signal to a running server.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airgap_bundle.boundary.tokens import signed_claims
from airgap_bundle.boundary.tokens.files import locked, make_private, read_private, stamp, write_private
from airgap_bundle.boundary.tokens.keys import MAX_KEYS_BYTES, KeyRing, dump_ring, parse_ring
from airgap_bundle.boundary.tokens.lifetimes import life_text
from airgap_bundle.core.errors import HostError, InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta
    from pathlib import Path

    from airgap_bundle.boundary.audit.trail import Audit
    from airgap_bundle.boundary.tokens.claims import Claims
    from airgap_bundle.boundary.tokens.files import Stamp

_FILE = "token-keys.json"
# More than clients at one time; a token has a kilobyte.
_MAX_PROVEN = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadyKeys:
    """A ring whose keys are ready for use: `signing` is the private half of the current one, `checking` by name.

    `proven` has tokens whose signature held under these very keys, with the name of the key and the claims: a client
    shows the same one for every blob. What passes with time is not remembered.
    """

    ring: KeyRing
    signing: Any
    checking: Mapping[str, Any]
    proven: dict[str, tuple[str, Claims]] = field(default_factory=dict, repr=False)

    def remember(self, text: str, kid: str, claims: Claims) -> None:
        """Note that the signature of a token by a key held."""
        if len(self.proven) >= _MAX_PROVEN:
            self.proven.clear()
        self.proven[text] = (kid, claims)

    @classmethod
    def of(cls, ring: KeyRing) -> ReadyKeys:
        """Read each key once."""
        return cls(
            ring=ring,
            signing=signed_claims.prepare_key(ring.current.private_pem),
            checking={key.kid: signed_claims.prepare_key(key.public_pem) for key in ring.keys},
        )


class KeyStore:
    """The keys in one directory. Safe for many threads and processes. Every change is in the trail.

    Raises `HostError`: AB-TOKEN-PRIVATE where others could get at it, AB-TOKEN-KEYS where it is not what we wrote.
    """

    def __init__(self, directory: Path, audit: Audit) -> None:
        self._directory = make_private(directory)
        self._audit = audit
        self._path = directory / _FILE
        self._lock = threading.Lock()
        self._seen: tuple[Stamp, ReadyKeys] | None = None

    @property
    def path(self) -> Path:
        """Where the keys are."""
        return self._path

    def exists(self) -> bool:
        """Whether there are keys yet."""
        return stamp(self._path) is not None

    def ready(self, now: datetime) -> ReadyKeys:
        """The keys as they are now; the first ones are made if there are none."""
        with self._lock:
            seen = stamp(self._path)
            if self._seen is not None and self._seen[0] == seen:
                return self._seen[1]
            if seen is None:
                self._make(now)
                # If it is replaced from here on, the stamp is older than what is read: read again next time.
                seen = stamp(self._path)
            ready = ReadyKeys.of(self._read())
            self._seen = (seen, ready) if seen is not None else None
            return ready

    def rotate(self, now: datetime, overlap: timedelta) -> KeyRing:
        """Let the next key sign; the current one is accepted for `overlap` more."""
        told = {"overlap": life_text(overlap)}
        return self._change(now, lambda ring: ring.rotated(now, overlap), "token-keys-rotated", told)

    def replace(self, now: datetime) -> KeyRing:
        """New keys; nothing that was signed before is accepted."""
        return self._change(now, lambda ring: ring.replaced(now), "token-keys-replaced", {})

    def _change(
        self, now: datetime, change: Callable[[KeyRing], KeyRing], event: str, told: Mapping[str, str]
    ) -> KeyRing:
        with locked(self._directory):
            ring = change(self._read() if self.exists() else KeyRing.make(now))
            self._write(ring, now, event, told)
        return ring

    def _make(self, now: datetime) -> None:
        with locked(self._directory):
            if not self.exists():
                self._write(KeyRing.make(now), now, "token-keys-made", {})

    def _write(self, ring: KeyRing, now: datetime, event: str, told: Mapping[str, str]) -> None:
        # Told first: a key that nobody heard of must not sign.
        self._audit.append(event, at=now, details={"current": ring.current.kid, "next": ring.next.kid, **told})
        write_private(self._path, dump_ring(ring))

    def _read(self) -> KeyRing:
        raw = read_private(self._path, max_bytes=MAX_KEYS_BYTES)
        try:
            return parse_ring(raw or b"")
        except InvalidValueError as error:
            raise HostError(
                "AB-TOKEN-KEYS",
                f"{self._path} does not hold the keys that this program wrote: {error}",
                hint="put it back from a backup, or move it away: new keys are made, and every token so far is refused",
            ) from error
