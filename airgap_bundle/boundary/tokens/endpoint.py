"""The token endpoint: a login becomes a short-lived token for what was asked for and is granted.

Docker's token authentication in both forms: GET with Basic authentication, and the OAuth2 form, POST with
`grant_type=password` or `refresh_token`. One answers for every service that identities are for, so an ordinary registry
can name this endpoint as its realm and check the tokens by itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from airgap_bundle.boundary.tokens.admission import read_login
from airgap_bundle.boundary.tokens.identities import unverified_owner
from airgap_bundle.boundary.tokens.scopes import Access, parse_request
from airgap_bundle.boundary.tokens.verifying import Reason, TokenRefusedError
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.moments import moment_text
from airgap_bundle.registry.admission import Page
from airgap_bundle.registry.wsgi import Reply, read_bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airgap_bundle.boundary.tokens.identities import Identity
    from airgap_bundle.boundary.tokens.identity_store import IdentityStore
    from airgap_bundle.boundary.tokens.issuing import Issuer, SignedToken
    from airgap_bundle.boundary.tokens.recording import Recorder
    from airgap_bundle.registry.wsgi import Request

PATH = "/token"
# Scopes, a credential, and the names of fields around them.
_MAX_FORM_BYTES = 16 * 1024
_MAX_FIELDS = 32
_FORM = "application/x-www-form-urlencoded"
_NEVER_KEPT = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))


class _WrongRequestError(Exception):
    """A request that asks wrongly: 400, with a word of RFC 6749 section 5.2."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word
        self.message = message


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What a client wants; the login is unverified."""

    unverified_name: str
    unverified_secret: str = field(repr=False)
    service: str
    access: tuple[Access, ...]
    offline: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenEndpoint:
    """Answers requests for tokens. Each token that is signed is in the trail before the client has it."""

    issuer: Issuer
    identities: IdentityStore
    recorder: Recorder
    now: Callable[[], datetime]

    @property
    def page(self) -> Page:
        """The endpoint as a route of the embedded server; it decides itself whom it lets in."""
        return Page(answer=self.answer, methods=frozenset({"GET", "POST"}), wanted=None)

    def answer(self, request: Request) -> Reply:
        """A token, or 401 for a login that does not count, or 400 for what is no such request."""
        now = self.now()
        try:
            asked = _read_form(request) if request.method == "POST" else _read_query(request)
            identity = self.issuer.log_in(asked.unverified_name, asked.unverified_secret, now)
            service = _service(identity, asked.service)
            token = self.issuer.sign(identity, service, asked.access, now)
            request.note_caller(identity.name)
        except TokenRefusedError as error:
            key = {"reason": error.reason.value, "identity": error.name}
            self.recorder.note("token-refused", key, peer=request.peer, endpoint="yes")
            return _refusal(error, request.method)
        except _WrongRequestError as error:
            return _reply(HTTPStatus.BAD_REQUEST, _problem("UNSUPPORTED", error.word, error.message))
        self._note(identity, token, request)
        return _granted(token, asked)

    def _note(self, identity: Identity, token: SignedToken, request: Request) -> None:
        scopes = " ".join(str(one) for one in token.claims.access)
        key = {"identity": identity.name, "service": token.claims.audience, "scopes": scopes}
        details = {"number": identity.number, "jti": token.claims.jti, "peer": request.peer}
        if self.recorder.note("token-refreshed", key, **details):
            self.identities.touch(identity.name, self.now())


def _read_query(request: Request) -> _Asked:
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        raise TokenRefusedError(Reason.FORM, "there is no login")
    name, secret = read_login(value)
    return _Asked(
        unverified_name=name,
        unverified_secret=secret,
        service=_only(request.query, "service"),
        access=_access(request.query.get("scope", ())),
        offline=_only(request.query, "offline_token") == "true",
    )


def _read_form(request: Request) -> _Asked:
    if (request.header("content-type") or "").partition(";")[0].strip().lower() != _FORM:
        raise _WrongRequestError("invalid_request", f"a request for a token is of the type {_FORM}")
    raw = read_bounded(request.body, _MAX_FORM_BYTES, what="a request for a token")
    fields: dict[str, tuple[str, ...]] = {}
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise _WrongRequestError("invalid_request", "the form cannot be read") from error
    for key, value in pairs:
        fields[key] = (*fields.get(key, ()), value)
    grant = _only(fields, "grant_type")
    if grant == "password":
        name, secret = _only(fields, "username"), _only(fields, "password")
    elif grant == "refresh_token":
        secret = _only(fields, "refresh_token")
        name = unverified_owner(secret)
    else:
        raise _WrongRequestError("unsupported_grant_type", "grant_type has to be password or refresh_token")
    return _Asked(
        unverified_name=name,
        unverified_secret=secret,
        service=_only(fields, "service"),
        access=_access((_only(fields, "scope"),)),
        offline=_only(fields, "access_type") == "offline",
    )


def _only(fields: Mapping[str, tuple[str, ...]], name: str) -> str:
    """The value of a field that may be missing, but not be there twice (RFC 6749 section 3.2)."""
    values = fields.get(name, ())
    if len(values) > 1:
        raise _WrongRequestError("invalid_request", f"{name} is there more than once")
    return values[0] if values else ""


def _access(scopes: tuple[str, ...]) -> tuple[Access, ...]:
    try:
        return parse_request(scope for scope in scopes if scope)
    except InvalidValueError as error:
        raise _WrongRequestError("invalid_scope", str(error)) from error


def _service(identity: Identity, asked: str) -> str:
    """The service that the token is for: one of the identity's, its first where the client names none."""
    if asked and asked not in identity.services:
        raise TokenRefusedError(Reason.SERVICE, f"{identity.name} is for another service", name=identity.name)
    return asked or identity.services[0]


def _granted(token: SignedToken, asked: _Asked) -> Reply:
    claims = token.claims
    document: dict[str, object] = {
        "token": token.text,
        "access_token": token.text,
        "token_type": "Bearer",
        "expires_in": claims.life_seconds,
        "issued_at": moment_text(datetime.fromtimestamp(claims.issued, tz=UTC)),
        "scope": " ".join(str(one) for one in claims.access),
    }
    if asked.offline:
        document["refresh_token"] = asked.unverified_secret
    return _reply(HTTPStatus.OK, document)


def _refusal(error: TokenRefusedError, method: str) -> Reply:
    """One answer for every login that does not count, so that it tells nobody which names there are."""
    if error.reason is Reason.SERVICE:
        message = "this login is for another service"
        return _reply(HTTPStatus.BAD_REQUEST, _problem("DENIED", "invalid_target", message))
    message = "this login is not known here, was revoked, or has ended"
    challenge = () if method == "POST" else (("WWW-Authenticate", 'Basic realm="tokens"'),)
    return _reply(HTTPStatus.UNAUTHORIZED, _problem("UNAUTHORIZED", "invalid_grant", message), *challenge)


def _problem(code: str, word: str, message: str) -> dict[str, object]:
    """An error as the distribution specification and as OAuth2 have it; clients read one or the other."""
    return {"errors": [{"code": code, "message": message}], "error": word, "error_description": message}


def _reply(status: HTTPStatus, document: Mapping[str, object], *headers: tuple[str, str]) -> Reply:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Reply(status=status, headers=(("Content-Type", "application/json"), *_NEVER_KEPT, *headers), body=body)
