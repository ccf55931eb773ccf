"""May the bearer of this token do this, here, now?

`Verifier.verify` is the whole of it, in the order of its numbered list. Why a token is refused is told to the trail and
to the administrator; the client learns only that it has to get another one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.tokens import signed_claims
from airgap_bundle.boundary.tokens.claims import ISSUER, Claims, parse_claims
from airgap_bundle.boundary.tokens.keys import Standing
from airgap_bundle.boundary.tokens.scopes import covers
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from datetime import datetime

    from airgap_bundle.boundary.tokens.identities import Identity
    from airgap_bundle.boundary.tokens.identity_store import IdentityStore
    from airgap_bundle.boundary.tokens.key_store import KeyStore, ReadyKeys


class Reason(enum.Enum):
    """Why a token or a credential is refused: the word in the trail."""

    FORM = "form"
    KEY = "unknown-key"
    RETIRED = "retired-key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    FUTURE = "not-yet-valid"
    EXPIRED = "expired"
    IDENTITY = "unknown-identity"
    REPLACED = "replaced-identity"
    REVOKED = "revoked"
    ENDED = "ended"
    CREDENTIAL = "wrong-credential"
    SERVICE = "service"
    SCOPE = "scope"


class TokenRefusedError(Exception):
    """A token or credential that does not count. `name` is the identity, where that is known for sure."""

    def __init__(self, reason: Reason, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.name = name


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A token that counts now, and the identity that it was issued to."""

    claims: Claims
    identity: Identity


@dataclass(frozen=True, kw_only=True, slots=True)
class Verifier:
    """Checks tokens for one service against the keys and identities as they are on disk at that moment."""

    keys: KeyStore
    identities: IdentityStore

    def verify(self, unverified_text: str, *, service: str, now: datetime) -> Verified:
        """The claims of a token, all of them checked; `TokenRefusedError` otherwise. RFC 8725 names the attacks.

        1. Form: compact, of bounded size, with exactly `alg`, `kid` and `typ` in its header, and ES256 as algorithm.
        2. Key: one of ours by name, and not retired.
        3. Signature: by that key.
        4. Claims: exactly those that we write, each of its type, none twice.
        5. Issuer and audience: ours, and this service.
        6. Time: begun, and not over. No allowance for clocks, since this is the clock that issued it.
        7. Identity: still there, the very one, not revoked, not ended.

        Whether it covers what is wanted is for the caller to ask (`allows`).
        """
        ready = self.keys.ready(now)
        kid, claims = ready.proven.get(unverified_text) or _prove(unverified_text, ready, now)
        # 2., also for a token that was proven before: keys retire.
        _check_key(ready, kid, now)
        _check_place_and_time(claims, service, now)
        # 7.
        return Verified(claims=claims, identity=self._identity(claims, now))

    def _identity(self, claims: Claims, now: datetime) -> Identity:
        name = claims.subject
        identity = self.identities.find(name)
        if identity is None:
            raise TokenRefusedError(Reason.IDENTITY, f"there is no identity {name!r} any more", name=name)
        if identity.number != claims.identity:
            raise TokenRefusedError(Reason.REPLACED, f"the identity {name} was issued anew since", name=name)
        check_standing(identity, now)
        return identity


def _prove(unverified_text: str, ready: ReadyKeys, now: datetime) -> tuple[str, Claims]:
    # 1.
    try:
        token = signed_claims.read_unverified(unverified_text)
    except InvalidValueError as error:
        raise TokenRefusedError(Reason.FORM, str(error)) from error
    # 2.
    kid = token.unverified_kid
    _check_key(ready, kid, now)
    # 3. and 4.
    try:
        claims = parse_claims(signed_claims.verify(token, key=ready.checking[kid]))
    except signed_claims.ForgedTokenError as error:
        raise TokenRefusedError(Reason.SIGNATURE, str(error)) from error
    except InvalidValueError as error:
        raise TokenRefusedError(Reason.CLAIMS, f"its claims are not those of a token of ours: {error}") from error
    ready.remember(unverified_text, kid, claims)
    return kid, claims


def _check_key(ready: ReadyKeys, unverified_kid: str, now: datetime) -> None:
    key = ready.ring.find(unverified_kid)
    if key is None:
        raise TokenRefusedError(Reason.KEY, "it is signed by a key that is not one of ours")
    if key.standing(now) is Standing.RETIRED:
        raise TokenRefusedError(Reason.RETIRED, f"it is signed by the key {key.kid}, which is retired")


def allows(verified: Verified, repository: str | None, action: str) -> bool:
    """Whether a verified token allows an action on a repository (`None`: on the registry as a whole).

    Both what it says and what its identity may do now: scopes that were taken away since do not count.
    """
    return verified.claims.covers(repository, action) and covers(verified.identity.grants, repository, action)


def check_standing(identity: Identity, now: datetime) -> None:
    """Refuse an identity that was revoked or has ended."""
    state = identity.state(now)
    if state == "revoked":
        raise TokenRefusedError(Reason.REVOKED, f"the identity {identity.name} was revoked", name=identity.name)
    if state == "ended":
        raise TokenRefusedError(
            Reason.ENDED, f"the identity {identity.name} ended on {identity.until:%Y-%m-%d}", name=identity.name
        )


def _check_place_and_time(claims: Claims, service: str, now: datetime) -> None:
    name, seconds = claims.subject, now.timestamp()
    # 5.
    if claims.issuer != ISSUER:
        raise TokenRefusedError(Reason.ISSUER, "it was issued by somebody else", name=name)
    if claims.audience != service:
        raise TokenRefusedError(Reason.AUDIENCE, f"it is for {claims.audience!r}, and this is {service!r}", name=name)
    # 6.
    if seconds < claims.not_before:
        raise TokenRefusedError(Reason.FUTURE, "it is not valid yet: a clock was set back", name=name)
    if seconds >= claims.expires:
        raise TokenRefusedError(Reason.EXPIRED, f"it expired at {claims.ends:%Y-%m-%dT%H:%M:%SZ}", name=name)
