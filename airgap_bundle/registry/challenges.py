"""What a registry asks for with a 401, and to whom a login may be shown because of it.

Pure. A challenge is hostile: its `realm` names the host that will be given the login (CVE-2026-33540, CVE-2026-48978).
RFC 9110 section 11.3; distribution's token authentication specification.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.registry.origin import allows_plain_http, is_loopback, parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airgap_bundle.registry.options import ClientOptions
    from airgap_bundle.registry.origin import Origin

# Realistic ones stay below 1 KiB.
_MAX_CHALLENGE_CHARACTERS = 8 * 1024
_MAX_CHALLENGES = 8
_MAX_SCOPES = 16
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - RFC 9110 calls this syntax a token
_PARAMETER = re.compile(rf'({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_SCHEME = re.compile(rf"({_TOKEN})(?=\s|,|$)")
_SCOPE = re.compile(r"[a-z]+(?:\([a-z]+\))?:[A-Za-z0-9._/:-]{1,300}:[a-z*,]{1,60}")

Scopes = frozenset[str]
"""What a token is to allow: `repository:NAME:ACTION`, one action each."""


def pull(repository: str) -> Scopes:
    """Reading from a repository."""
    return frozenset({f"repository:{repository}:pull"})


def push(repository: str) -> Scopes:
    """Writing to a repository, which is never granted without reading."""
    return frozenset({f"repository:{repository}:pull", f"repository:{repository}:push"})


def delete(repository: str) -> Scopes:
    """Deleting in a repository."""
    return frozenset({f"repository:{repository}:delete"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """One way in: `basic` or `bearer` (lower case) with its parameters."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def scopes(self) -> Scopes:
        """The scopes that it asks for, those that make sense."""
        found: set[str] = set()
        for text in self.parameters.get("scope", "").split()[:_MAX_SCOPES]:
            if _SCOPE.fullmatch(text):
                resource, _, actions = text.rpartition(":")
                found.update(f"{resource}:{action}" for action in actions.split(",") if action)
        return frozenset(found)


def parse_challenges(headers: Sequence[str]) -> tuple[Challenge, ...]:
    """Read `WWW-Authenticate` headers; what makes no sense is left out, so that a later one still counts."""
    found: list[Challenge] = []
    for header in headers[:_MAX_CHALLENGES]:
        found.extend(_parse(header[:_MAX_CHALLENGE_CHARACTERS]))
    return tuple(found[:_MAX_CHALLENGES])


def _parse(text: str) -> Iterator[Challenge]:
    position, scheme = 0, ""
    parameters: dict[str, str] = {}
    while position < len(text):
        if text[position] in " \t,":
            position += 1
        elif match := _PARAMETER.match(text, position):
            value = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
            parameters.setdefault(match[1].lower(), value)
            position = match.end()
        elif match := _SCHEME.match(text, position):
            if scheme:
                yield Challenge(scheme=scheme, parameters=parameters)
            scheme, parameters = match[1].lower(), {}
            position = match.end()
        else:
            break
    if scheme:
        yield Challenge(scheme=scheme, parameters=parameters)


def scope_texts(scopes: Scopes) -> tuple[str, ...]:
    """The scopes as a token server wants them: one text for each resource, its actions together."""
    actions: dict[str, set[str]] = {}
    for scope in scopes:
        resource, _, action = scope.rpartition(":")
        actions.setdefault(resource, set()).add(action)
    return tuple(f"{resource}:{','.join(sorted(actions[resource]))}" for resource in sorted(actions))


class Realm(enum.Enum):
    """What may be shown to the host that a challenge names."""

    LOGIN = "login"
    """The login for the registry."""
    NOTHING = "nothing"
    """It may be asked, but without a login."""
    REFUSED = "refused"
    """It may not be asked at all."""


def judge_realm(realm: str, registry: Origin, options: ClientOptions) -> tuple[Realm, Origin, str]:
    """Decide what the token host of a challenge may see; its origin and target too.

    1. The registry's own origin: the login.
    2. A host in `token_hosts`: the login.
    3. On the boundary side nobody else is asked.
    4. On the connected side a host of the same house gets the login: the same host on another port, one that is above,
       below or beside the registry in the name tree (auth.docker.io for docker.io, gitlab.example.com for
       registry.example.com). Everybody else is asked without it; who knows better names the host in `token_hosts`.

    Plain HTTP never, but for loopback and hosts that were named for it. Raises `InvalidValueError` for what is no URL.
    """
    origin, target = parse_url(realm)
    if origin == registry:
        return Realm.LOGIN, origin, target
    if origin.is_loopback and not registry.is_loopback:
        return Realm.REFUSED, origin, target  # a stranger would have us knock at the doors of this machine
    if origin.scheme == "http" and not allows_plain_http(origin.host, origin.port, options.plain_http):
        return Realm.REFUSED, origin, target
    if origin.is_named_by(options.token_hosts):
        return Realm.LOGIN, origin, target
    if not options.follow_redirects_elsewhere:
        return Realm.REFUSED, origin, target
    return (Realm.LOGIN if same_house(registry.host, origin.host) else Realm.NOTHING), origin, target


# Names directly below these belong to different people (a part of the public suffix list, for the hosts that anybody
# can rent). Whoever is missing here shares a house with its neighbours; it still cannot learn more than a login that
# the registry could have asked for itself.
_RENTED = (
    *("amazonaws.com", "appspot.com", "azurecr.io", "azurewebsites.net", "cloudapp.azure.com", "cloudfront.net"),
    *("duckdns.org", "firebaseapp.com", "fly.dev", "github.io", "gitlab.io", "herokuapp.com", "netlify.app"),
    *("ngrok-free.app", "ngrok.app", "ngrok.io", "nip.io", "onrender.com", "pages.dev", "run.app", "sslip.io"),
    *("vercel.app", "web.app", "workers.dev"),
)
_SECOND_LEVEL = frozenset(
    {"ac", "co", "com", "edu", "gob", "gov", "gouv", "ltd", "mil", "ne", "net", "nom", "or", "org", "plc", "sch"}
)


def same_house(registry: str, other: str) -> bool:
    """Whether two hosts seem to be run by the same people, judged by their names alone."""
    if registry == other:
        return True
    if is_loopback(registry) or is_loopback(other) or ":" in registry + other or registry.replace(".", "").isdigit():
        return False
    return _house(registry) == _house(other) != ""


def _house(host: str) -> str:
    """The domain that its owner has registered, as well as can be told without the public suffix list."""
    labels = host.split(".")
    if len(labels) < 2:  # noqa: PLR2004 - a name without a domain
        return ""
    size = 2
    if any(host.endswith(f".{rented}") for rented in _RENTED):
        size = 1 + max(rented.count(".") + 1 for rented in _RENTED if host.endswith(f".{rented}"))
    elif len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL:  # noqa: PLR2004 - a country
        size = 3
    return ".".join(labels[-size:]) if len(labels) >= size else ""
