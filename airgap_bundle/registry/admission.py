"""May this request pass? What the embedded server asks before it answers, and what is added to it from above.

The server knows of logins only what stands here: it says what is *wanted* and what the client *presents*, and an
`Admission` names the caller or raises `RefusedError`. Those of passwords and of tokens are implementations beside each
other; none of them sees the request's body. A `Page` is another route, such as an endpoint that issues tokens.

Distribution specification 1.1, "Error Codes" (UNAUTHORIZED, DENIED); RFC 9110 section 11.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.registry.wsgi import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.registry.wsgi import Reply, Request


class Action(StrEnum):
    """What a request would do. The words are those of token scopes (Docker's token authentication)."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    # Every name that is here: the catalogue, and pages about the whole.
    LIST = "*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a request asks for.

    `repository` is the one that will be read or written, a name that has been checked, after `?ns=` was followed. It is
    `None` where no repository is meant: `LIST`, and `PULL` for the question whether a login is good (`GET /v2/`).
    """

    repository: str | None
    action: Action
    # With `?ns=` both repositories that may be meant, whichever of them is there: who may read neither must not learn
    # that from what is asked for.
    either: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Presented:
    """What the client shows of itself: unverified, but for `certificate`, whose chain the TLS handshake has checked."""

    # The `Authorization` header as it came.
    authorization: str | None = None
    # The common name of the client's certificate.
    certificate: str | None = None
    # The address it comes from.
    peer: str = ""
    # The `Host` header as it came: under which name the client knows this server.
    host: str = ""

    @classmethod
    def by(cls, request: Request) -> Presented:
        """What stands in a request."""
        return cls(
            authorization=request.header("authorization"),
            certificate=request.certificate,
            peer=request.peer,
            host=request.header("host") or "",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who it is, as found out. An empty name is nobody in particular."""

    name: str = ""
    # What a login would be asked for with, where one would open more than this: whole values of `WWW-Authenticate`.
    # Clients that ask once whether they have to log in (`GET /v2/`) and are let in would never know.
    challenges: tuple[str, ...] = ()


class Admission(Protocol):
    """Decides about every request. Called from many threads at once."""

    def admit(self, presented: Presented, wanted: Wanted) -> Caller:
        """Who is asking; raises `RefusedError` where it may not pass: `unauthorized` or `denied`."""
        ...


def unauthorized(message: str, *challenges: str) -> RefusedError:
    """401: log in, or log in as somebody else. `challenges` are whole values of `WWW-Authenticate`."""
    headers = [("WWW-Authenticate", challenge) for challenge in challenges]
    return RefusedError(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", message, headers=headers)


def denied(message: str, *, caller: str = "") -> RefusedError:
    """403: known, and not allowed to. `caller` is for the log."""
    return RefusedError(HTTPStatus.FORBIDDEN, "DENIED", message, caller=caller)


class Everybody:
    """Nobody has to say who they are. What may be changed at all, the server says."""

    def admit(self, presented: Presented, wanted: Wanted) -> Caller:  # noqa: ARG002 - the shape of the protocol
        """Anybody."""
        return Caller()


_READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A route of somebody else, at one path exactly: `{"/token": Page(…), "/": Page(…)}`.

    `answer` may raise `RefusedError`, and has to bound what it reads (`wsgi.read_bounded`). It is called from many
    threads at once, on read-only servers too.
    """

    answer: Callable[[Request], Reply]
    methods: frozenset[str] = field(default=_READING)
    # What a caller has to be admitted to before `answer` is asked; `None` lets everybody in, and `answer` decides.
    wanted: Wanted | None = field(default=Wanted(repository=None, action=Action.LIST))


def read_basic(credentials: str) -> tuple[str, str]:
    """The unverified name and secret of Basic authentication (RFC 7617), from what stands behind the scheme.

    `InvalidValueError` for what is none; the caller bounds how long it may be.
    """
    try:
        name, colon, secret = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise InvalidValueError("the login is not base64 of a name and a credential") from error
    if not colon:
        raise InvalidValueError("the login has no colon between name and credential")
    return name, secret


def action_of(method: str, *, uploading: bool = False) -> Action:
    """What a method of the protocol does to a repository."""
    if method in _READING and not uploading:
        return Action.PULL
    return Action.DELETE if method == "DELETE" and not uploading else Action.PUSH
