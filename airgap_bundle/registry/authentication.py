"""Tokens and passwords for one registry: asked for when challenged, kept, and renewed before they run out.

Who may see the login is decided in `challenges`; every header made here is for the registry's own origin and the caller
sends it nowhere else. Distribution specification: token authentication (token.md) and its OAuth2 variant (oauth.md).
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.registry.answers import MAX_ERROR_BYTES, quote
from airgap_bundle.registry.challenges import (
    Challenge,
    Realm,
    Scopes,
    judge_realm,
    parse_challenges,
    scope_texts,
)
from airgap_bundle.registry.transport import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airgap_bundle.registry.credentials import Credentials, CredentialSource
    from airgap_bundle.registry.options import ClientOptions
    from airgap_bundle.registry.origin import Origin
    from airgap_bundle.registry.transport import Answer

# The largest tokens known (clouds, with many groups) have 6 KiB; servers refuse headers above 8 or 16 KiB.
_MAX_TOKEN_CHARACTERS = 16 * 1024
_MAX_ANSWER_BYTES = 64 * 1024
# "If no expires_in is given, 60 seconds" (token.md); a day is longer than any transfer keeps one.
_DEFAULT_LIFE_SECONDS = 60
_LONGEST_LIFE_SECONDS = 24 * 3600
# A token with less than this left is renewed first, so that it does not run out between two requests of an upload.
_MARGIN_SECONDS = 60.0
_CLIENT = "airgap-bundle"
_BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/=:@!-]+")
# More combinations of repositories than any one set has; beyond, the oldest go.
_MAX_TOKENS = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class _Token:
    text: str = field(repr=False)
    scopes: Scopes
    renew_at: float

    @property
    def header(self) -> str:
        return f"Bearer {self.text}"


class Authenticator:
    """The `Authorization` headers for one registry. Safe between threads; one of them asks, the others wait."""

    def __init__(
        self,
        *,
        name: str,
        registry: Origin,
        login_host: str,
        login_prefix: str,
        options: ClientOptions,
        source: CredentialSource,
        send: Callable[[Request, str], Answer],
    ) -> None:
        self._name = name
        self._registry = registry
        self._login_host = login_host
        self._login_prefix = login_prefix
        self._options = options
        self._source = source
        self._send = send
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, Scopes], _Token] = {}
        self._note = ""

    @property
    def note(self) -> str:
        """Why the login was not shown to the token host, where that may be the reason for a refusal; else empty."""
        return self._note

    @property
    def has_login(self) -> bool:
        """Whether there is a login for the registry as a whole."""
        return self._login("") is not None

    def header(self, repository: str, wanted: Scopes) -> str:
        """The header for a request; empty as long as the registry has not asked for anything."""
        with self._lock:
            login = self._login(repository)
            if login is not None and login.registry_token:
                return f"Bearer {login.registry_token}"
            if self._challenge is None:
                return ""
            if self._challenge.scheme == "basic":
                return login.basic if login is not None and login.username else ""
            return self._token(self._challenge, repository, wanted).header

    def renew(self, headers: Sequence[str], repository: str, wanted: Scopes, rejected: str) -> str:
        """The header to try after a 401; empty where nothing else can be tried.

        `rejected` is the header that was sent. Raises `RegistryError` where the token host refuses, or may not be
        asked, and `LineFaultError` where it cannot be reached.
        """
        challenges = parse_challenges(headers)
        with self._lock:
            login = self._login(repository)
            if login is not None and login.registry_token:
                return ""
            challenge = self._choose(challenges, login)
            if challenge is None:
                return ""
            self._challenge = challenge
            if challenge.scheme == "basic":
                header = login.basic if login is not None and login.username else ""
                return "" if header == rejected else header
            for key in [key for key, token in self._tokens.items() if token.header == rejected]:
                del self._tokens[key]
            return self._token(challenge, repository, wanted, challenge.scopes).header

    def _login(self, repository: str) -> Credentials | None:
        return self._source.find(self._login_host, self._login_prefix + repository)

    def _choose(self, challenges: tuple[Challenge, ...], login: Credentials | None) -> Challenge | None:
        """A token where one may be asked for, else the password."""
        bearer = [c for c in challenges if c.scheme == "bearer" and c.parameters.get("realm")]
        basic = [c for c in challenges if c.scheme == "basic"]
        for challenge in bearer:
            try:
                verdict, _, _ = judge_realm(challenge.parameters["realm"], self._registry, self._options)
            except InvalidValueError:
                continue
            if verdict is not Realm.REFUSED:
                return challenge
        if basic and login is not None and login.username:
            return basic[0]
        return next(iter([*bearer, *basic]), None)

    def _token(self, challenge: Challenge, repository: str, wanted: Scopes, asked: Scopes = frozenset()) -> _Token:
        """A token that is good for what is wanted, from memory or from the token host."""
        now = self._options.clock()
        login = self._login(repository)
        owner = f"{login.origin} {login.username}" if login is not None else ""
        needed = wanted | asked
        key = (owner, wanted)
        token = self._tokens.get(key) or self._wider(owner, needed, now)
        if token is None or token.renew_at <= now or not asked <= token.scopes:
            token = self._fetch(challenge, login, needed)
        if self._tokens.get(key) is not token:
            self._tokens[key] = token
            while len(self._tokens) > _MAX_TOKENS:
                del self._tokens[next(iter(self._tokens))]
        return token

    def _wider(self, owner: str, needed: Scopes, now: float) -> _Token | None:
        """A token that is good for more: who may write may read."""
        return next(
            (
                token
                for (whose, _), token in self._tokens.items()
                if whose == owner and needed and needed <= token.scopes and token.renew_at > now
            ),
            None,
        )

    def _fetch(self, challenge: Challenge, login: Credentials | None, scopes: Scopes) -> _Token:
        request, login = self._request(challenge, login, scopes)
        started = self._options.clock()
        with self._send(request, f"get a token for {self._name} from {request.origin.authority}") as answer:
            body = answer.read(_MAX_ANSWER_BYTES)
            if answer.status != 200:  # noqa: PLR2004 - OK
                raise self._refused(request.origin, answer, body, login)
            text, life = _parse_token(body)
            if text is None:
                raise RegistryError(
                    "AB-REGISTRY-TOKEN",
                    f"the token host {request.origin.authority} of {self._name} answers with what is no token",
                    hint="check the realm that the registry is configured with",
                )
        # A token that lives shorter than the margin is renewed at half its life, not before every request.
        return _Token(text=text, scopes=scopes, renew_at=started + max(life - _MARGIN_SECONDS, life / 2))

    def _request(
        self, challenge: Challenge, login: Credentials | None, scopes: Scopes
    ) -> tuple[Request, Credentials | None]:
        """What is asked of the token host, and the login that goes with it, if one may."""
        realm = challenge.parameters["realm"]
        try:
            verdict, origin, target = judge_realm(realm, self._registry, self._options)
        except InvalidValueError as error:
            raise RegistryError(
                "AB-REGISTRY-REALM",
                f"{self._name} names no token host that can be asked: {error}",
                hint="check the realm that the registry is configured with",
            ) from error
        if verdict is Realm.REFUSED:
            raise RegistryError(
                "AB-REGISTRY-REALM",
                f"{self._name} wants its logins shown to {origin}, which is not allowed",
                hint="if that is its token host, name it in the policy (destinations, tokenHosts); plain HTTP is "
                "allowed on loopback only",
            )
        if verdict is Realm.NOTHING and login is not None:
            # A login for the token host itself is no way out: the registry would be handed a token that was made for
            # somebody else's registry.
            login = None
            self._note = (
                f"the login for {self._name} was not shown to the token host {origin.authority}, which seems not to "
                f"belong to it; if it does, say so: --token-host {origin.authority}"
            )
        fields = [("service", challenge.parameters["service"])] if challenge.parameters.get("service") else []
        texts = scope_texts(scopes)
        if login is not None and login.identity_token:
            form = [("grant_type", "refresh_token"), *fields, ("client_id", _CLIENT), ("scope", " ".join(texts))]
            body = urlencode([*form, ("refresh_token", login.identity_token)]).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return Request(method="POST", origin=origin, target=target, headers=kind, body=body), login
        query = urlencode([*fields, *(("scope", text) for text in texts)])
        if query:
            target += ("&" if "?" in target else "?") + query
        headers = {"Authorization": login.basic} if login is not None and login.username else {}
        return Request(method="GET", origin=origin, target=target, headers=headers), login

    def _refused(self, host: Origin, answer: Answer, body: bytes | None, login: Credentials | None) -> RegistryError:
        words = quote(body[:MAX_ERROR_BYTES] if body else None, answer.header("Content-Type"))
        said = f" ({words})" if words else ""
        who = f"the login of {login.username or 'an identity token'}" if login is not None else "an anonymous request"
        return RegistryError(
            "AB-REGISTRY-UNAUTHORIZED" if answer.status in {400, 401, 403} else "AB-REGISTRY-TOKEN",
            f"the token host {host.authority} of {self._name} answers {answer.status} to {who}{said}",
            hint=self._note or f"log in: docker login {self._login_host}, or give a file with --authfile",
        )


def _parse_token(body: bytes | None) -> tuple[str | None, float]:
    """The token and its life in seconds; `None` for an answer that holds none."""
    try:
        value = strictjson.parse_object(body or b"", max_bytes=_MAX_ANSWER_BYTES, floats=True)
    except InvalidValueError:
        return None, 0
    text = value.get("token") or value.get("access_token")
    if not isinstance(text, str) or len(text) > _MAX_TOKEN_CHARACTERS or _BEARER_TOKEN.fullmatch(text) is None:
        return None, 0
    life = value.get("expires_in")
    if not isinstance(life, int) or isinstance(life, bool) or life <= 0:
        life = _DEFAULT_LIFE_SECONDS
    return text, float(min(life, _LONGEST_LIFE_SECONDS))
