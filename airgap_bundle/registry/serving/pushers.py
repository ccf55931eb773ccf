"""Who may push where: rules `USER:REPOSITORY-PATTERN` of the embedded registry.

Pushing includes deleting: whoever loads an image has to be able to take it back. Whoever is let in pulls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.manifest.patterns import matches

# Longer than any login that people type; the same limit as for what clients send.
MAX_NAME_CHARACTERS = 255
_USER = re.compile(r"[^\x00-\x20:/\x7f-\x9f]{1,255}")
_PATTERN = re.compile(r"[a-z0-9._*-]+(?:/[a-z0-9._*-]+)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class PushRule:
    """One user, or `*` for everybody who has logged in, and a pattern over repository names (`acme/**`)."""

    user: str
    pattern: str

    def __post_init__(self) -> None:
        if _USER.fullmatch(self.user) is None:
            raise InvalidValueError(f"not the name of a user: {self.user!r}")
        if _PATTERN.fullmatch(self.pattern) is None:
            raise InvalidValueError(f"not a pattern of repository names: {self.pattern!r}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The rule that `USER:REPOSITORY-PATTERN` means. Raises `InvalidValueError`."""
        user, colon, pattern = text.partition(":")
        if not colon:
            raise InvalidValueError(f"not USER:REPOSITORY-PATTERN: {text!r}")
        return cls(user=user, pattern=pattern)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushers:
    """All rules. None means that nobody pushes; `anybody` that whoever is let in does, logged in or not."""

    rules: tuple[PushRule, ...] = ()
    anybody: bool = False

    @property
    def any_rule(self) -> bool:
        """Whether anything may be pushed at all."""
        return self.anybody or bool(self.rules)

    def may_push(self, user: str, repository: str) -> bool:
        """Whether this user may push to and delete in this repository. The empty name is nobody in particular."""
        if self.anybody:
            return True
        return bool(user) and any(rule.user in {"*", user} and matches(rule.pattern, repository) for rule in self.rules)
