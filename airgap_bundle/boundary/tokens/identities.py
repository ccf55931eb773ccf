"""Who has a login here: one record for each customer, site or job.

The secret of an identity is 256 random bits, shown once; what is kept is its SHA-256. (A slow hash protects words that
people choose; nobody guesses 256 bits.) It names its identity, so that a client may present it alone, as the OAuth2
form of Docker's token authentication does.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.tokens.lifetimes import MAX_ONCE_LIFE, MIN_LIFE, parse_life
from airgap_bundle.boundary.tokens.scopes import Grant, parse_grant
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.fields import Fields
from airgap_bundle.core.moments import check_moment, moment_text, parse_moment
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from datetime import datetime, timedelta

IDENTITY_TYPE = "application/vnd.airgap-bundle.identity.v1+json"
DEFAULT_SERVICE = "airgap-registry"
# Names, patterns and a note: some hundred bytes.
MAX_IDENTITY_BYTES = 64 * 1024
MAX_GRANTS = 64
_MAX_SERVICES = 16
_MAX_NOTE_CHARACTERS = 200
# A user name in Basic authentication has no colon; the rest makes it a file's name on every system.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9a-f]{32}")
_SERVICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:_-]{0,126}[A-Za-z0-9])?")
# What programs that look for leaked secrets can search for; "r" for refresh.
_SECRET_PREFIX = "airgap_r1"  # noqa: S105 - what every secret begins with is none
_SECRET = re.compile(rf"{_SECRET_PREFIX}\.({_NAME.pattern})\.([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """One login. `number` is random and never used again; `secret` is the digest of the credential.

    Without a secret it cannot ask for tokens: the one that it was issued with is all there is.
    """

    name: str
    number: str
    made: datetime
    until: datetime
    life: timedelta
    services: tuple[str, ...]
    grants: tuple[Grant, ...]
    secret: Digest | None
    note: str = ""
    revoked: datetime | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse what no identity can be."""
        check_name(self.name)
        check_moment(self.made)
        if _NUMBER.fullmatch(self.number) is None:
            raise InvalidValueError("an identity without a number")
        if not 1 <= len(self.grants) <= MAX_GRANTS:
            raise InvalidValueError(f"an identity has 1 to {MAX_GRANTS} scopes")
        if not 1 <= len(self.services) <= _MAX_SERVICES or len(set(self.services)) != len(self.services):
            raise InvalidValueError(f"an identity is for 1 to {_MAX_SERVICES} different services")
        for service in self.services:
            check_service(service)
        if not MIN_LIFE <= self.life <= MAX_ONCE_LIFE:
            raise InvalidValueError("a token lasts between a minute and 24 hours")
        check_note(self.note)
        check_note(self.reason)

    @property
    def is_once(self) -> bool:
        """Whether it was made for one token."""
        return self.secret is None

    def state(self, now: datetime) -> str:
        """`active`, `revoked` or `ended`."""
        if self.revoked is not None:
            return "revoked"
        return "active" if now < self.until else "ended"

    def has_secret(self, secret: str) -> bool:
        """Whether a credential is that of this identity. Takes the same time however wrong it is."""
        digest = f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"
        return hmac.compare_digest(digest, self.secret or _NOBODYS)


# What the credential of nobody hashes to: asking for a name that is not there takes as long as a wrong secret.
_NOBODYS = f"sha256:{'0' * 64}"


def check_name(name: str) -> str:
    """`name` if it can name an identity, else `InvalidValueError`."""
    if _NAME.fullmatch(name) is None:
        raise InvalidValueError(
            f"not a name for an identity: {name[:80]!r}; use lower case letters, digits, dots, dashes, 63 at most"
        )
    return name


def check_service(service: str) -> str:
    """`service` if it can name a registry as an audience, else `InvalidValueError`."""
    if _SERVICE.fullmatch(service) is None:
        raise InvalidValueError(f"not a name for a service: {service[:80]!r}; such as registry.internal:5000")
    return service


def check_note(note: str) -> str:
    """`note` if it is a line that can be shown, else `InvalidValueError`."""
    if len(note) > _MAX_NOTE_CHARACTERS or printable(note) != note:
        raise InvalidValueError(f"a note or reason is one line of at most {_MAX_NOTE_CHARACTERS} characters")
    return note


def new_number() -> str:
    """A number that no identity ever had."""
    return secrets.token_hex(16)


def new_secret(name: str) -> tuple[str, Digest]:
    """A credential for an identity, and the digest to keep."""
    text = f"{_SECRET_PREFIX}.{name}.{secrets.token_urlsafe(32)}"
    return text, Digest.of(text.encode())


def unverified_owner(secret: str) -> str:
    """The name of the identity that a credential claims to be of; "" for what is no credential."""
    match = _SECRET.fullmatch(secret)
    return match[1] if match is not None else ""


def compare_with_nobody(secret: str) -> None:
    """Spend the time that comparing a credential takes."""
    hmac.compare_digest(f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}", _NOBODYS)


def dump_identity(identity: Identity) -> bytes:
    """The file of an identity: canonical JSON."""
    return (
        strictjson.canonical(
            {
                "_type": IDENTITY_TYPE,
                "name": identity.name,
                "number": identity.number,
                "made": moment_text(identity.made),
                "until": moment_text(identity.until),
                "life": f"{int(identity.life.total_seconds())}s",
                "services": list(identity.services),
                "scopes": [str(grant) for grant in identity.grants],
                "secret": identity.secret or "",
                "note": identity.note,
                "revoked": moment_text(identity.revoked) if identity.revoked else "",
                "reason": identity.reason,
            }
        )
        + b"\n"
    )


def parse_identity(raw: bytes) -> Identity:
    """What `dump_identity` wrote; `InvalidValueError` for anything else."""
    with Fields(strictjson.parse_object(raw, max_bytes=MAX_IDENTITY_BYTES)) as fields:
        if fields.text("_type") != IDENTITY_TYPE:
            raise InvalidValueError("not an identity of a version known here")
        revoked = fields.text("revoked")
        return Identity(
            name=fields.text("name"),
            number=fields.text("number"),
            made=fields.moment("made"),
            until=fields.moment("until"),
            life=parse_life(fields.text("life")),
            services=fields.texts("services"),
            grants=tuple(parse_grant(text) for text in fields.texts("scopes")),
            secret=fields.digest_or_none("secret"),
            note=fields.text("note"),
            revoked=parse_moment(revoked) if revoked else None,
            reason=fields.text("reason"),
        )
