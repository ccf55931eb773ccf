"""What a token says, as a value: who, where, what, and when. Docker's token authentication, "JWT".

The claim `dev.airgap-bundle.identity` is ours: the number of the identity, so that one that is registered anew under
the same name does not inherit the tokens of the old one. Programs that do not know it pass it over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airgap_bundle.boundary.tokens.scopes import MAX_SCOPES, Access
from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.fields import Fields

if TYPE_CHECKING:
    from datetime import timedelta

ISSUER = "airgap-bundle"
IDENTITY_CLAIM = "dev.airgap-bundle.identity"
MAX_CLAIMS_BYTES = 12 * 1024
# How far the beginning of a token lies before the moment it is made: a clock that is set back by a little does not
# refuse what was just issued. Verifying allows for nothing, at either end.
_BACKDATED_SECONDS = 10
_MAX_ACTIONS = 8
_JTI = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """What is signed. Times are whole seconds since 1970, UTC: valid at `not_before` and before `expires`."""

    subject: str
    identity: str
    audience: str
    access: tuple[Access, ...]
    issued: int
    not_before: int
    expires: int
    jti: str
    issuer: str = ISSUER

    @classmethod
    def make(
        cls,
        *,
        subject: str,
        identity: str,
        audience: str,
        access: tuple[Access, ...],
        now: datetime,
        life: timedelta,
        jti: str,
    ) -> Claims:
        """Claims that begin now and last for `life`."""
        issued = int(now.timestamp())
        return cls(
            subject=subject,
            identity=identity,
            audience=audience,
            access=access,
            issued=issued,
            not_before=issued - _BACKDATED_SECONDS,
            expires=issued + int(life.total_seconds()),
            jti=jti,
        )

    def covers(self, repository: str | None, action: str) -> bool:
        """Whether an action on a repository (`None`: on the registry as a whole) is among what it allows."""
        return any(one.covers(repository, action) for one in self.access)

    @property
    def ends(self) -> datetime:
        """From when on it counts no more."""
        return datetime.fromtimestamp(self.expires, tz=UTC)

    @property
    def life_seconds(self) -> int:
        """How long it lasts from the moment it was made."""
        return self.expires - self.issued


def dump_claims(claims: Claims) -> bytes:
    """The bytes to sign."""
    return strictjson.canonical(
        {
            "iss": claims.issuer,
            "sub": claims.subject,
            "aud": claims.audience,
            "iat": claims.issued,
            "nbf": claims.not_before,
            "exp": claims.expires,
            "jti": claims.jti,
            IDENTITY_CLAIM: claims.identity,
            "access": [{"type": one.type, "name": one.name, "actions": list(one.actions)} for one in claims.access],
        }
    )


def parse_claims(raw: bytes) -> Claims:
    """What `dump_claims` wrote, all of it and nothing more; `InvalidValueError` otherwise."""
    with Fields(strictjson.parse_object(raw, max_bytes=MAX_CLAIMS_BYTES)) as fields:
        claims = Claims(
            issuer=fields.text("iss"),
            subject=fields.text("sub"),
            audience=fields.text("aud"),
            issued=fields.number("iat"),
            not_before=fields.number("nbf"),
            expires=fields.number("exp"),
            jti=fields.text("jti"),
            identity=fields.text(IDENTITY_CLAIM),
            access=fields.each("access", _parse_access),
        )
    if _JTI.fullmatch(claims.jti) is None or len(claims.access) > MAX_SCOPES:
        raise InvalidValueError("the claims are not of our making")
    return claims


def _parse_access(fields: Fields) -> Access:
    actions: tuple[Any, ...] = fields.texts("actions")
    if len(actions) > _MAX_ACTIONS:
        raise InvalidValueError("too many actions")
    return Access(type=fields.text("type"), name=fields.text("name"), actions=actions)
