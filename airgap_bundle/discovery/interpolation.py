"""`${VARIABLE}` in Compose files, and what `.env` files say.

The specification's forms: `$NAME`, `${NAME}`, `:-`, `-`, `:?`, `?`, `:+`, `+`, nested defaults, and `$$` for a dollar.
Only files are asked, never the environment of whoever runs this: the same files give the same images.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENTRY = re.compile(r"^\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(?P<value>.*)$")
# Defaults within defaults within defaults; more is a joke.
_MAX_DEPTH = 5
MAX_TEXT = 4096


@dataclass(kw_only=True, slots=True)
class Interpolation:
    """Fills in variables; `unset` collects those that had neither value nor default."""

    variables: Mapping[str, str]
    unset: set[str] = field(default_factory=set)
    demanded: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str, depth: int = 0) -> str:
        """The text with everything filled in; what is unset becomes nothing, as Compose does it."""
        if "$" not in text or depth > _MAX_DEPTH or len(text) > MAX_TEXT:
            return text
        result: list[str] = []
        position = 0
        while (dollar := text.find("$", position)) >= 0:
            result.append(text[position:dollar])
            following = text[dollar + 1 : dollar + 2]
            if following == "{":
                end = _closing(text, dollar + 2)
                if end < 0:
                    result.append(text[dollar:])
                    return "".join(result)
                result.append(self._expression(text[dollar + 2 : end], depth))
                position = end + 1
            elif match := _NAME.match(text, dollar + 1):
                result.append(self._value(match[0]))
                position = match.end()
            else:
                result.append("$")
                position = dollar + (2 if following == "$" else 1)
        result.append(text[position:])
        return "".join(result)

    def _value(self, name: str) -> str:
        if name not in self.variables:
            self.unset.add(name)
        return self.variables.get(name, "")

    def _expression(self, expression: str, depth: int) -> str:
        match = _NAME.match(expression)
        if match is None:
            return ""
        name, rest = match[0], expression[match.end() :]
        empty_counts = rest.startswith(":")
        operator, word = rest.removeprefix(":")[:1], rest.removeprefix(":")[1:]
        value = self.variables.get(name)
        present = value is not None and not (empty_counts and value == "")
        if operator == "-":
            return str(value) if present else self.fill(word, depth + 1)
        if operator == "+":
            return self.fill(word, depth + 1) if present else ""
        if operator == "?" and not present:
            self.demanded[name] = word
            return ""
        return str(value) if present else self._value(name)


def parse_environment(text: str) -> dict[str, str]:
    """The variables of a `.env` file: the last one wins, quotes come off, comments go."""
    variables: dict[str, str] = {}
    for line in text.split("\n"):
        match = _ENTRY.match(line)
        if match is None:
            continue
        value = match["value"].strip()
        if value[:1] in {'"', "'"} and value.find(value[0], 1) > 0:
            quote = value[0]
            value = value[1 : value.find(quote, 1)]
            if quote == '"':
                value = Interpolation(variables=variables).fill(value)
        else:
            value = Interpolation(variables=variables).fill(re.split(r"\s#", value, maxsplit=1)[0].strip())
        variables[match["name"]] = value
    return variables


def _closing(text: str, start: int) -> int:
    """Where the brace that was opened before `start` is closed; -1 where it is not."""
    depth = 1
    for position in range(start, len(text)):
        if text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
        elif text[position] == "{" and text[position - 1] == "$":
            depth += 1
    return -1
