"""Patterns over image names in full, as `verify` and `exclude` have them: `*` within a component, `**` for all."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\*\*|\*|[^*]")


def matches(pattern: str, name: str) -> bool:
    """Whether the pattern describes the whole name. Takes time in proportion to the two, whatever they hold."""
    # reachable[n]: the tokens so far can account for the first n characters of the name.
    reachable = [True] + [False] * len(name)
    for token in _TOKEN.findall(pattern):
        if token in {"*", "**"}:
            for number, character in enumerate(name):
                if reachable[number] and (token == "**" or character != "/"):  # noqa: S105 - a token of a pattern
                    reachable[number + 1] = True
        else:
            reachable = [False] + [
                before and character == token for before, character in zip(reachable, name, strict=False)
            ]
    return reachable[-1]
