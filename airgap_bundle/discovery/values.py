"""Paths into Helm values: `controller.image.tag` as a tuple of keys, read and set without touching the original."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Keys = tuple[str, ...]
# What a template gets where it demands a value that the chart leaves open. Nothing that holds it is a find.
STUB = "airgap-stub"
# Values nested deeper hold no switches that anybody sets.
_MAX_DEPTH = 16
# The largest public chart has 9,000 leaves.
_MAX_LEAVES = 50_000


def spelled(keys: Keys) -> str:
    """The path as Helm's `--set` takes it."""
    return ".".join(key.replace(".", "\\.") for key in keys)


def get(values: Any, keys: Keys) -> Any:
    """What stands there; None where nothing does."""
    for key in keys:
        if not isinstance(values, dict):
            return None
        values = values.get(key)
    return values


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it, map by map, as Helm merges its values files."""
    result = dict(base)
    for key, value in over.items():
        under = result.get(key)
        result[key] = merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return result


def nested(keys: Keys, value: object) -> dict[str, Any]:
    """The map that holds just `value` at `keys`."""
    result: Any = value
    for key in reversed(keys):
        result = {key: result}
    return dict(result)


def leaves(values: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every leaf with its path; lists and empty maps are leaves."""
    left = [_MAX_LEAVES]
    yield from _leaves(values, keys, left)


def _leaves(values: Any, keys: Keys, left: list[int]) -> Iterator[tuple[Keys, Any]]:
    if isinstance(values, dict) and values and len(keys) < _MAX_DEPTH:
        for key, value in values.items():
            yield from _leaves(value, (*keys, str(key)), left)
    elif left[0] > 0:
        left[0] -= 1
        yield keys, values
