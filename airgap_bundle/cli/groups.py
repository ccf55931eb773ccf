"""Groups of options that belong together, each as one value: a command asks for the group, not for its options.

A group is a frozen dataclass whose fields are annotated options (`options`). `frame.command` gives the command an
option for each field, and the body one parameter with the whole group.
"""

import dataclasses
import inspect
import typing
from collections.abc import Iterator
from typing import Any, TypeVar

G = TypeVar("G", bound=type)
_GROUPS: set[type] = set()


def option_group(kind: G) -> G:
    """Make a dataclass of annotated options a group."""
    _GROUPS.add(kind)
    return kind


def expand(parameter: inspect.Parameter) -> Iterator[inspect.Parameter]:
    """The parameters that typer is to see in place of this one: the fields of a group, else itself."""
    if parameter.annotation not in _GROUPS:
        yield parameter
        return
    hints = typing.get_type_hints(parameter.annotation, include_extras=True)
    for one in dataclasses.fields(parameter.annotation):
        yield inspect.Parameter(
            one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name]
        )


def collect(parameters: list[inspect.Parameter], values: dict[str, Any]) -> dict[str, Any]:
    """The values that typer gave, with those of each group put together in it."""
    for parameter in parameters:
        if parameter.annotation in _GROUPS:
            names = [one.name for one in dataclasses.fields(parameter.annotation)]
            values[parameter.name] = parameter.annotation(**{name: values.pop(name) for name in names})
    return values
