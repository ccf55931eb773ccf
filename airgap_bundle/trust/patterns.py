"""Patterns for repositories below DEST: `**` any depth, `*` within one component.

    docker.io/**          everything below docker.io, not docker.io itself
    ghcr.io/acme/*        one component below
    **/cache              cache at any depth
    **                    every repository

Nothing else is special. Matching takes time in proportion to pattern times name, whatever they hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from airgap_bundle.core.errors import InvalidValueError

# Distribution limits a repository name to 255 characters with its host.
_MAX_PATTERN = 255
# A component of a repository's name (distribution reference grammar), with stars anywhere in it.
_COMPONENT = re.compile(r"[a-z0-9*](?:[a-z0-9*._-]*[a-z0-9*])?")


@dataclass(frozen=True, slots=True)
class RepositoryPattern:
    """One pattern, checked; anything that could match nothing by mistake raises `InvalidValueError`."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what no repository's name can look like."""
        if not self.text or len(self.text) > _MAX_PATTERN:
            raise InvalidValueError(f"a pattern has 1 to {_MAX_PATTERN} characters")
        for component in self.text.split("/"):
            if component != "**" and ("**" in component or _COMPONENT.fullmatch(component) is None):
                raise InvalidValueError(f"not a pattern for repositories: {self.text!r}, because of {component!r}")

    def matches(self, repository: str) -> bool:
        """Whether the name of a repository, relative to DEST, fits."""
        names = repository.split("/")
        # reachable[n]: the pattern's components so far can account for the first n components of the name.
        reachable = [True] + [False] * len(names)
        pattern = self.text.split("/")
        for number, component in enumerate(pattern):
            if component == "**":
                first = reachable.index(True) if True in reachable else len(reachable)
                # At the end `**` stands for at least one component: `a/**` is what lies below `a`.
                first += number == len(pattern) - 1
                reachable = [n >= first for n in range(len(reachable))]
            else:
                reachable = [False] + [reachable[n] and fnmatchcase(name, component) for n, name in enumerate(names)]
        return reachable[-1]

    def __str__(self) -> str:
        """As written in the policy."""
        return self.text
