"""Identities made, renewed and revoked, and tokens signed for them.

Every change of an identity is in the audit trail before it counts. Whoever asks for a token here is trusted to have
checked the login (`log_in`) and the service; what a token may hold is decided by the grants of its identity alone.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airgap_bundle.boundary.tokens import signed_claims
from airgap_bundle.boundary.tokens.claims import Claims, dump_claims
from airgap_bundle.boundary.tokens.identities import (
    DEFAULT_SERVICE,
    Identity,
    check_name,
    check_note,
    compare_with_nobody,
    new_number,
    new_secret,
)
from airgap_bundle.boundary.tokens.identity_store import exists_error, revoked_error, unknown_error
from airgap_bundle.boundary.tokens.lifetimes import (
    DEFAULT_IDENTITY_LIFE,
    DEFAULT_LIFE,
    MAX_LIFE,
    MAX_ONCE_LIFE,
    MIN_LIFE,
    life_text,
)
from airgap_bundle.boundary.tokens.scopes import CATALOGUE, REGISTRY, REPOSITORY, Access, Grant, granted
from airgap_bundle.boundary.tokens.verifying import Reason, TokenRefusedError, check_standing
from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.core.moments import moment_text
from airgap_bundle.core.oci import check_repository

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from airgap_bundle.boundary.audit.trail import Audit
    from airgap_bundle.boundary.tokens.identity_store import IdentityStore
    from airgap_bundle.boundary.tokens.key_store import KeyStore
    from airgap_bundle.core.content import Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What an identity is to be. What is `None` or empty is as it was where one is renewed, else the default."""

    name: str
    grants: tuple[Grant, ...] = ()
    services: tuple[str, ...] = ()
    until: datetime | None = None
    life: timedelta | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Issued:
    """An identity, and what is shown once: its credential, or with `claims` the one token that it gets."""

    identity: Identity
    credential: str = field(repr=False)
    claims: Claims | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedToken:
    """A token and what it says."""

    text: str = field(repr=False)
    claims: Claims


@dataclass(frozen=True, kw_only=True, slots=True)
class Issuer:
    """Signs tokens and keeps identities. `InvalidValueError` for what no identity can be, before anything is kept."""

    keys: KeyStore
    identities: IdentityStore
    audit: Audit

    def issue(self, wish: Wish, now: datetime) -> Issued:
        """A new identity, and its credential, which is told this once. Raises `UsageError` AB-TOKEN-EXISTS."""
        check_life(wish.life, MAX_LIFE)
        secret, digest = new_secret(check_name(wish.name))
        identity = _identity(wish, None, now, secret=digest)
        self._put_new(identity, now)
        return Issued(identity=identity, credential=secret)

    def renew(self, wish: Wish, now: datetime) -> Issued:
        """A new credential for an identity, changed where the wish says so; the old one and its tokens stop at once.

        Raises `UsageError` for one that is not there, and for one that was revoked: it would come back unnoticed.
        """
        check_life(wish.life, MAX_LIFE)
        secret, digest = new_secret(check_name(wish.name))

        def change(found: Identity | None) -> Identity:
            if found is None:
                raise unknown_error(wish.name)
            if found.revoked is not None:
                raise revoked_error(found)
            identity = _identity(wish, found, now, secret=digest)
            self.audit.append("token-renewed", at=now, details=facts(identity))
            return identity

        self.keys.ready(now)
        return Issued(identity=self.identities.change(wish.name, change), credential=secret)

    def issue_once(self, wish: Wish, now: datetime) -> Issued:
        """One token, and an identity that ends with it, so that it can be revoked. It names each repository."""
        life = check_life(wish.life, MAX_ONCE_LIFE) or DEFAULT_LIFE
        access = tuple(_access(grant) for grant in wish.grants)
        whole = now.replace(microsecond=0)
        identity = _identity(replace(wish, life=life, until=whole + life), None, whole, secret=None)
        if len(identity.services) > 1:
            raise UsageError(
                "AB-TOKEN-ONCE", "one token is for one service", hint="name one --service, or leave out --once"
            )
        self.identities.forget_ended(now)
        self._put_new(identity, now)
        token = self.sign(identity, identity.services[0], access, whole)
        return Issued(identity=identity, credential=token.text, claims=token.claims)

    def revoke(self, name: str, reason: str, now: datetime) -> Identity:
        """The identity, of which nothing counts from now on. Revoking twice changes nothing."""
        check_note(reason)

        def change(found: Identity | None) -> Identity:
            if found is None:
                raise unknown_error(name)
            if found.revoked is not None:
                return found
            self.audit.append("token-revoked", at=now, details={**facts(found), "reason": reason})
            return replace(found, revoked=now, reason=reason)

        if self.identities.find(name) is None:
            raise unknown_error(name)
        return self.identities.change(name, change)

    def log_in(self, name: str, unverified_secret: str, now: datetime) -> Identity:
        """The identity that a credential is of. `TokenRefusedError` for any other, and for one that does not count."""
        identity = self.identities.find(name)
        if identity is None:
            compare_with_nobody(unverified_secret)
            raise TokenRefusedError(Reason.IDENTITY, "nobody of that name has a login here")
        if not identity.has_secret(unverified_secret):
            raise TokenRefusedError(Reason.CREDENTIAL, f"that is not the credential of {name}", name=name)
        check_standing(identity, now)
        return identity

    def sign(self, identity: Identity, service: str, wanted: tuple[Access, ...], now: datetime) -> SignedToken:
        """A token for what of `wanted` is granted. The caller has checked identity and service."""
        ready = self.keys.ready(now)
        claims = Claims.make(
            subject=identity.name,
            identity=identity.number,
            audience=service,
            access=granted(wanted, identity.grants),
            now=now,
            life=min(identity.life, identity.until - now),
            jti=secrets.token_urlsafe(16),
        )
        text = signed_claims.sign(dump_claims(claims), key=ready.signing, kid=ready.ring.current.kid)
        return SignedToken(text=text, claims=claims)

    def _put_new(self, identity: Identity, now: datetime) -> None:
        def change(found: Identity | None) -> Identity:
            if found is not None and found.state(now) == "active":
                raise exists_error(found)
            # Within the lock: nobody else can have taken the name, so what the trail tells comes true.
            self.audit.append("token-issued", at=now, details=facts(identity))
            return identity

        # Without keys nothing could be asked for with it; better to fail before it is kept.
        self.keys.ready(now)
        self.identities.change(identity.name, change)


def facts(identity: Identity) -> dict[str, str]:
    """What the trail tells of an identity."""
    told = {
        "identity": identity.name,
        "number": identity.number,
        "scopes": " ".join(str(grant) for grant in identity.grants),
        "services": " ".join(identity.services),
        "until": moment_text(identity.until),
        "life": life_text(identity.life),
    }
    if identity.is_once:
        told["once"] = "yes"
    if identity.note:
        told["note"] = identity.note
    return told


def check_life(life: timedelta | None, longest: timedelta) -> timedelta | None:
    """`life` if a token may last so long, else `InvalidValueError`."""
    if life is not None and not MIN_LIFE <= life <= longest:
        raise InvalidValueError(f"a token lasts between {life_text(MIN_LIFE)} and {life_text(longest)}")
    return life


def _identity(wish: Wish, before: Identity | None, now: datetime, *, secret: Digest | None) -> Identity:
    """What was wished for; where it says nothing, what was before; else the default."""
    if not wish.grants and before is None:
        raise UsageError(
            "AB-TOKEN-SCOPE",
            f"nothing says what {wish.name} may do",
            hint="give at least one --scope, such as --scope 'acme/**:pull'",
        )
    is_active = before is not None and before.state(now) == "active"
    return Identity(
        name=check_name(wish.name),
        number=new_number(),
        made=now,
        until=wish.until or (before.until if before is not None and is_active else _default_end(now)),
        life=wish.life or (before.life if before else DEFAULT_LIFE),
        services=wish.services or (before.services if before else (DEFAULT_SERVICE,)),
        grants=wish.grants or (before.grants if before else ()),
        secret=secret,
        note=wish.note or (before.note if before else ""),
    )


def _default_end(now: datetime) -> datetime:
    return (now + DEFAULT_IDENTITY_LIFE).replace(microsecond=0)


def _access(grant: Grant) -> Access:
    """A grant as a token has it, which knows no patterns."""
    if grant.pattern is None:
        return Access(type=REGISTRY, name=CATALOGUE, actions=grant.actions)
    try:
        return Access(type=REPOSITORY, name=check_repository(grant.pattern.text), actions=grant.actions)
    except InvalidValueError as error:
        raise UsageError(
            "AB-TOKEN-ONCE",
            f"one token names its repositories one by one, and {grant.pattern.text!r} is a pattern",
            hint="name each repository with a --scope of its own, or leave out --once",
        ) from error
