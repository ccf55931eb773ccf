"""Tokens at the embedded registry: who is asking, judged for every request anew.

A token counts only as long as its identity does, so a revocation stops the very next request, whatever the token says
of its own life. The credential of an identity is taken as well, as Basic authentication: for programs that know no
token endpoint, such as a metrics collector or a browser. Docker's token authentication, "WWW-Authenticate".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.tokens.scopes import CATALOGUE, PULL, PUSH, REGISTRY, REPOSITORY, Access, covers
from airgap_bundle.boundary.tokens.verifying import Reason, TokenRefusedError, allows
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.registry.admission import Action, Caller, read_basic, unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from airgap_bundle.boundary.tokens.identities import Identity
    from airgap_bundle.boundary.tokens.identity_store import IdentityStore
    from airgap_bundle.boundary.tokens.issuing import Issuer
    from airgap_bundle.boundary.tokens.recording import Recorder
    from airgap_bundle.boundary.tokens.verifying import Verifier
    from airgap_bundle.registry.admission import Presented, Wanted
    from airgap_bundle.registry.wsgi import RefusedError

# A name of 63 characters, a credential of 120.
_MAX_BASIC_CHARACTERS = 1024
# What the client is told. Why, stands in the trail: whoever tries doors is not told which of them exist.
_NO_LOGIN = "log in: this registry wants a token"
_REFUSED = "the token or login does not count here"
_NOT_GRANTED = "the token does not allow this; whoever issued it may say what it is for"


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenAdmission:
    """Lets in who shows a token for `service` that covers what is wanted. `realm` is where a client gets one.

    Every use and every refusal is in the trail (`recording`); what cannot be recorded raises `HostError`.
    """

    service: str
    realm: Callable[[Presented], str]
    verifier: Verifier
    issuer: Issuer
    identities: IdentityStore
    recorder: Recorder
    now: Callable[[], datetime]

    def admit(self, presented: Presented, wanted: Wanted) -> Caller:
        """The identity that is asking; `RefusedError` 401 with a challenge where it may not pass."""
        if not presented.authorization:
            # How every client begins; nobody has tried anything yet.
            raise unauthorized(_NO_LOGIN, *self._challenges(presented, wanted, ""))
        try:
            return self._judge(presented.authorization, presented, wanted)
        except TokenRefusedError as error:
            raise self._refused(error, presented, wanted) from error

    def _judge(self, authorization: str, presented: Presented, wanted: Wanted) -> Caller:
        scheme, _, value = authorization.partition(" ")
        now = self.now()
        if scheme.lower() == "bearer":
            verified = self.verifier.verify(value.strip(), service=self.service, now=now)
            identity, jti = verified.identity, verified.claims.jti
            may = _is_ping(wanted) or allows(verified, wanted.repository, wanted.action)
        elif scheme.lower() == "basic":
            identity, jti = self.log_in(value, now), ""
            may = _is_ping(wanted) or covers(identity.grants, wanted.repository, wanted.action)
        else:
            raise TokenRefusedError(Reason.FORM, "the login is neither a token nor a credential")
        if not may:
            raise TokenRefusedError(Reason.SCOPE, f"{identity.name} may not do that", name=identity.name)
        self._note_use(identity, jti, presented, wanted)
        return Caller(name=identity.name)

    def log_in(self, basic: str, now: datetime) -> Identity:
        """The identity behind the value of Basic authentication, which has to be for this service."""
        identity = self.issuer.log_in(*read_login(basic), now)
        if self.service not in identity.services:
            raise TokenRefusedError(Reason.SERVICE, f"{identity.name} is for another service", name=identity.name)
        return identity

    def _note_use(self, identity: Identity, jti: str, presented: Presented, wanted: Wanted) -> None:
        if _is_ping(wanted):
            return
        key = {"identity": identity.name, "repository": wanted.repository or "", "action": wanted.action.value}
        if self.recorder.note("token-used", key, number=identity.number, jti=jti, peer=presented.peer):
            self.identities.touch(identity.name, self.now())

    def _refused(self, error: TokenRefusedError, presented: Presented, wanted: Wanted) -> RefusedError:
        is_scope = error.reason is Reason.SCOPE
        key = {"reason": error.reason.value, "identity": error.name, "action": wanted.action.value}
        # Only who has shown a token of ours may choose the name of a repository that goes into the trail.
        is_known = bool(error.name) and error.reason is not Reason.CREDENTIAL
        key |= {"repository": wanted.repository or ""} if is_known else {}
        self.recorder.note("token-refused", key, peer=presented.peer)
        problem = "insufficient_scope" if is_scope else "invalid_token"
        message = _NOT_GRANTED if is_scope else _REFUSED
        return unauthorized(message, *self._challenges(presented, wanted, problem))

    def _challenges(self, presented: Presented, wanted: Wanted, problem: str) -> Sequence[str]:
        fields = [("realm", self.realm(presented)), ("service", self.service)]
        if not _is_ping(wanted):
            fields.append(("scope", " ".join(map(str, _scopes(wanted)))))
        if problem:
            fields.append(("error", problem))
        # None of the values holds a quotation mark: addresses, names and words that were checked.
        bearer = "Bearer " + ",".join(f'{name}="{value}"' for name, value in fields)
        # Pages are read by browsers, which know no tokens.
        return (bearer, f'Basic realm="{self.service}"') if wanted.action is Action.LIST else (bearer,)


def read_login(value: str) -> tuple[str, str]:
    """The unverified name and credential of Basic authentication (RFC 7617). `TokenRefusedError` for what is none."""
    if len(value) > _MAX_BASIC_CHARACTERS:
        raise TokenRefusedError(Reason.FORM, "the login is too long")
    try:
        return read_basic(value)
    except InvalidValueError as error:
        raise TokenRefusedError(Reason.FORM, str(error)) from error


def _is_ping(wanted: Wanted) -> bool:
    """Whether it is the question whether a login is good, for which any token will do."""
    return wanted.repository is None and wanted.action is Action.PULL


def _scopes(wanted: Wanted) -> tuple[Access, ...]:
    """What a token has to hold for it."""
    if wanted.repository is None:
        return (Access(type=REGISTRY, name=CATALOGUE, actions=(wanted.action.value,)),)
    actions = (PULL, PUSH) if wanted.action is Action.PUSH else (wanted.action.value,)
    names = wanted.either or (wanted.repository,)
    return tuple(Access(type=REPOSITORY, name=name, actions=actions) for name in names)
