"""Who may do what where: grants of identities, what a client asks for, and what of that a token allows.

A grant is `PATTERN:ACTION,…` over repositories below DEST, in the patterns of the policy, or `registry:catalog:*` for
the list of all repositories. What clients ask for is `repository:NAME:ACTION,…`, a name without stars (Docker's token
authentication, "Resource Scope Grammar"). Asking for more than is granted is no error: the token holds what is in both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import check_repository
from airgap_bundle.trust.patterns import RepositoryPattern

if TYPE_CHECKING:
    from collections.abc import Iterable

PULL, PUSH, DELETE, EVERYTHING = "pull", "push", "delete", "*"
REPOSITORY, REGISTRY, CATALOGUE = "repository", "registry", "catalog"
_CATALOGUE_SCOPE = f"{REGISTRY}:{CATALOGUE}:{EVERYTHING}"
# The order in which actions are written.
_ACTIONS = (PULL, PUSH, DELETE)
# A push with mounts names two or three repositories; a promotion in one go some more. Each is 20 times cheaper than the
# signature, and all of them have to fit into a header afterwards.
MAX_SCOPES = 32
MAX_SCOPE_CHARACTERS = 7 * 1024
_TYPE = re.compile(r"([a-z0-9]{1,32})(?:\([a-z0-9]{1,32}\))?")
_ACTION = re.compile(r"[a-z]{1,16}|\*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Actions on one resource, as the claim `access` of a token has them: `type`, `name`, `actions` in order."""

    type: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        """As a scope."""
        return f"{self.type}:{self.name}:{','.join(self.actions)}"

    def covers(self, repository: str | None, action: str) -> bool:
        """Whether the action on a repository (`None`: on the registry as a whole) is among these."""
        place = (REPOSITORY, repository) if repository is not None else (REGISTRY, CATALOGUE)
        return (self.type, self.name) == place and action in self.actions


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What an identity may do: actions on the repositories that `pattern` matches; `None` is the catalogue."""

    pattern: RepositoryPattern | None
    actions: tuple[str, ...]

    def __str__(self) -> str:
        """As it is written on the command line."""
        return _CATALOGUE_SCOPE if self.pattern is None else f"{self.pattern}:{','.join(self.actions)}"

    def allows(self, type_: str, name: str, action: str) -> bool:
        """Whether an action on a resource is granted."""
        if self.pattern is None:
            return (type_, name) == (REGISTRY, CATALOGUE) and action == EVERYTHING
        return type_ == REPOSITORY and action in self.actions and self.pattern.matches(name)


def parse_grant(text: str) -> Grant:
    """`acme/**:pull` or `acme/app:push,delete` as a grant; `push` brings `pull` with it. `InvalidValueError` else."""
    if text == _CATALOGUE_SCOPE:
        return Grant(pattern=None, actions=(EVERYTHING,))
    pattern, colon, words = text.rpartition(":")
    actions = set(words.split(","))
    unknown = sorted(actions - set(_ACTIONS))
    if not colon or unknown:
        what = f"{unknown[0][:40]!r} is no action" if colon else "it has no colon"
        raise InvalidValueError(f"not a scope: {text[:120]!r}, {what}; write PATTERN:ACTION,…")
    if PUSH in actions:
        # Every client reads while it pushes; without it nothing could ever be pushed.
        actions.add(PULL)
    return Grant(pattern=RepositoryPattern(pattern), actions=tuple(one for one in _ACTIONS if one in actions))


def parse_request(scopes: Iterable[str]) -> tuple[Access, ...]:
    """What a client asks for, from its `scope` parameters (each may hold several, with spaces between).

    One entry for each resource. Raises `InvalidValueError` for what is no scope, and for more than there is room for.
    """
    wanted: dict[tuple[str, str], dict[str, None]] = {}
    text = " ".join(scopes)
    if len(text) > MAX_SCOPE_CHARACTERS:
        raise InvalidValueError(f"scopes of {len(text)} characters, more than the {MAX_SCOPE_CHARACTERS} allowed")
    for one in text.split(" ") if text else ():
        type_, name, actions = _split(one)
        wanted.setdefault((type_, name), {}).update(dict.fromkeys(actions))
        if len(wanted) > MAX_SCOPES:
            raise InvalidValueError(f"more than {MAX_SCOPES} scopes at once")
    return tuple(Access(type=type_, name=name, actions=tuple(found)) for (type_, name), found in wanted.items())


def granted(wanted: Iterable[Access], grants: Iterable[Grant]) -> tuple[Access, ...]:
    """What of it is granted; resources of which nothing is granted are left out."""
    allowed = tuple(grants)
    found = []
    for one in wanted:
        actions = tuple(
            action for action in one.actions if any(grant.allows(one.type, one.name, action) for grant in allowed)
        )
        if actions:
            found.append(Access(type=one.type, name=one.name, actions=actions))
    return tuple(found)


def covers(grants: Iterable[Grant], repository: str | None, action: str) -> bool:
    """Whether an action on a repository (`None`: on the registry as a whole) is granted."""
    place = (REPOSITORY, repository) if repository is not None else (REGISTRY, CATALOGUE)
    return any(grant.allows(*place, action) for grant in grants)


def _split(scope: str) -> tuple[str, str, tuple[str, ...]]:
    # A name may hold a colon, if it begins with a host and port: type and actions are what stands outside.
    type_, first, rest = scope.partition(":")
    name, second, actions = rest.rpartition(":")
    kind = _TYPE.fullmatch(type_)
    words = tuple(actions.split(","))
    if not first or not second or kind is None or not all(_ACTION.fullmatch(word) for word in words):
        raise InvalidValueError(f"not a scope: {scope[:120]!r}; write repository:NAME:ACTION,…")
    if kind[1] == REPOSITORY or name != CATALOGUE:
        check_repository(name)
    return kind[1], name, words
