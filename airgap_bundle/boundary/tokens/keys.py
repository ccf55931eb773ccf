"""The keys that tokens are signed with, as one value: which signs now, which is next, and which are still accepted.

Registries that check signatures by themselves have to know a key before it signs. So there are always two: the one that
signs, and the next one, which is handed out with it (`exporting`). A rotation lets the next one sign and makes another
next one; the key that signed before is accepted for an overlap and refused from then on. Its private half is forgotten
at once.

A key is named as registries of version 2 compute it from the certificate (libtrust): base32 of the first 240 bits of
the SHA-256 of the SubjectPublicKeyInfo, in groups of four.
"""

from __future__ import annotations

import base64
import enum
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.fields import Fields
from airgap_bundle.core.moments import check_moment, moment_text, parse_moment
from airgap_bundle.trust.key_pairs import belongs_to, make_key_pair, read_certificate

if TYPE_CHECKING:
    from airgap_bundle.trust.key_pairs import KeyPair

KEYS_TYPE = "application/vnd.airgap-bundle.token-keys.v1+json"
# A hundred keys of 1.5 KB.
MAX_KEYS_BYTES = 256 * 1024
# One that was made for good measure is longer in the ring than any that is rotated.
_MAX_KEYS = 100
# No program that we know checks it; it tells people that the key is old.
CERTIFICATE_LIFE = timedelta(days=825)
# A clock that is behind must not find a certificate from the future.
_CERTIFICATE_MARGIN = timedelta(days=1)
# So long a retired key is still known as one, which makes a better sentence than an unknown one.
_REMEMBERED = timedelta(days=90)
_KEY_ID = re.compile(r"[A-Z2-7]{4}(?::[A-Z2-7]{4}){11}")


class Standing(enum.Enum):
    """What a key is good for at a moment."""

    NEXT = "next"
    """Handed out to registries, but does not sign yet; a token signed by it would be accepted."""
    CURRENT = "current"
    """Signs."""
    OVERLAP = "overlap"
    """Signs no more; what it has signed is accepted."""
    RETIRED = "retired"
    """Nothing that it has signed is accepted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenKey:
    """One key. `signs_from` is empty for the next one; the other two moments are set when it is replaced.

    `private_pem` is empty once it signs no more.
    """

    kid: str
    made: datetime
    certificate_pem: str
    private_pem: str = field(repr=False)
    signs_from: datetime | None = None
    signs_until: datetime | None = None
    accepted_until: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if _KEY_ID.fullmatch(self.kid) is None or self.kid != key_id(
            read_certificate(self.certificate_pem).spki_sha256
        ):
            raise InvalidValueError(f"the key {self.kid[:80]!r} is not named after its certificate")
        if (self.signs_until is None) != (self.accepted_until is None):
            raise InvalidValueError(f"the key {self.kid} signs no more, and nothing says until when it is accepted")
        if self.signs_until is not None and self.signs_from is None:
            raise InvalidValueError(f"the key {self.kid} stopped signing before it began")
        if bool(self.private_pem) != (self.signs_until is None):
            raise InvalidValueError(f"the key {self.kid} lacks its private half, or has kept it too long")
        if self.private_pem and not belongs_to(self.private_pem, self.certificate_pem):
            raise InvalidValueError(f"the private half of the key {self.kid} is that of another")

    def standing(self, now: datetime) -> Standing:
        """What it is good for."""
        if self.accepted_until is not None:
            return Standing.OVERLAP if now < self.accepted_until else Standing.RETIRED
        return Standing.NEXT if self.signs_from is None else Standing.CURRENT

    @property
    def certificate_ends(self) -> datetime:
        """When its certificate ends."""
        return read_certificate(self.certificate_pem).not_after

    @property
    def public_pem(self) -> str:
        """Its public half (SPKI, PEM)."""
        return read_certificate(self.certificate_pem).public_pem


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRing:
    """All keys, the newest first: exactly one that is next and one that signs."""

    keys: tuple[TokenKey, ...]

    def __post_init__(self) -> None:
        """Refuse a ring that nobody could sign with, or in which it is not clear who does."""
        if len({key.kid for key in self.keys}) != len(self.keys) or len(self.keys) > _MAX_KEYS:
            raise InvalidValueError("a key is there twice, or there are too many")
        live = [key for key in self.keys if key.signs_until is None]
        if [key.signs_from is None for key in live] != [True, False] or live != list(self.keys[:2]):
            raise InvalidValueError("there is not one next key, one that signs, and those before it")

    @classmethod
    def make(cls, now: datetime) -> KeyRing:
        """A new ring: one key that signs, and the next."""
        return cls(keys=(_make_key(now), replace(_make_key(now), signs_from=now)))

    @property
    def next(self) -> TokenKey:
        """The key that will sign after the next rotation."""
        return self.keys[0]

    @property
    def current(self) -> TokenKey:
        """The key that signs."""
        return self.keys[1]

    def find(self, kid: str) -> TokenKey | None:
        """The key of a name, retired ones included."""
        return next((key for key in self.keys if key.kid == kid), None)

    def accepted(self, now: datetime) -> tuple[TokenKey, ...]:
        """The keys whose tokens count, or will count after the next rotation."""
        return tuple(key for key in self.keys if key.standing(now) is not Standing.RETIRED)

    def rotated(self, now: datetime, overlap: timedelta) -> KeyRing:
        """The next key signs; the one that signed is accepted for `overlap` more."""
        return KeyRing(
            keys=(
                _make_key(now),
                replace(self.next, signs_from=now),
                _retired(self.current, now, now + overlap),
                *self._remembered(now),
            )
        )

    def replaced(self, now: datetime) -> KeyRing:
        """All keys are new, and nothing that was signed before is accepted: for keys that somebody may have copied."""
        before = [_retired(replace(key, signs_from=key.signs_from or now), now, now) for key in self.keys[:2]]
        older = [replace(key, accepted_until=_earlier(key.accepted_until, now)) for key in self._remembered(now)]
        return KeyRing(keys=(*KeyRing.make(now).keys, *before, *older))

    def _remembered(self, now: datetime) -> tuple[TokenKey, ...]:
        return tuple(key for key in self.keys[2:] if key.accepted_until and now < key.accepted_until + _REMEMBERED)[
            : _MAX_KEYS - 4
        ]


def key_id(spki_sha256: bytes) -> str:
    """The name of a key, from the SHA-256 of its SubjectPublicKeyInfo."""
    text = base64.b32encode(spki_sha256[:30]).decode()
    return ":".join(text[n : n + 4] for n in range(0, len(text), 4))


def dump_ring(ring: KeyRing) -> bytes:
    """The file of a ring: canonical JSON, private halves included."""
    return strictjson.canonical({"_type": KEYS_TYPE, "keys": [_record(key) for key in ring.keys]}) + b"\n"


def parse_ring(raw: bytes) -> KeyRing:
    """What `dump_ring` wrote; `InvalidValueError` for anything else."""
    with Fields(strictjson.parse_object(raw, max_bytes=MAX_KEYS_BYTES)) as fields:
        if fields.text("_type") != KEYS_TYPE:
            raise InvalidValueError("not a file of token keys of a version known here")
        return KeyRing(keys=fields.each("keys", _parse_key))


def _make_key(now: datetime) -> TokenKey:
    check_moment(now)
    pair: KeyPair = make_key_pair("airgap-bundle tokens", begins=now - _CERTIFICATE_MARGIN, ends=now + CERTIFICATE_LIFE)
    return TokenKey(
        kid=key_id(pair.spki_sha256), made=now, certificate_pem=pair.certificate_pem, private_pem=pair.private_pem
    )


def _retired(key: TokenKey, now: datetime, accepted_until: datetime) -> TokenKey:
    return replace(key, private_pem="", signs_until=now, accepted_until=accepted_until)


def _earlier(one: datetime | None, other: datetime) -> datetime:
    return min(one, other) if one is not None else other


def _record(key: TokenKey) -> dict[str, str]:
    return {
        "kid": key.kid,
        "made": moment_text(key.made),
        "certificate": key.certificate_pem,
        "private": key.private_pem,
        "signsFrom": _optional(key.signs_from),
        "signsUntil": _optional(key.signs_until),
        "acceptedUntil": _optional(key.accepted_until),
    }


def _parse_key(fields: Fields) -> TokenKey:
    return TokenKey(
        kid=fields.text("kid"),
        made=fields.moment("made"),
        certificate_pem=fields.text("certificate"),
        private_pem=fields.text("private"),
        signs_from=_moment(fields.text("signsFrom")),
        signs_until=_moment(fields.text("signsUntil")),
        accepted_until=_moment(fields.text("acceptedUntil")),
    )


def _optional(moment: datetime | None) -> str:
    return moment_text(moment) if moment is not None else ""


def _moment(text: str) -> datetime | None:
    return parse_moment(text) if text else None
