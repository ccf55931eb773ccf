"""Values files as plain Python values, with the types that Helm would see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airgap_bundle.manifest.yamltext import MappingNode, ScalarNode

if TYPE_CHECKING:
    from airgap_bundle.manifest.yamltext import Node

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})(?:[eE][-+]?[0-9]{1,3})?")
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
# Aliases share nodes; copied out they count.
_MAX_NODES = 200_000


def plain_values(node: Node) -> dict[str, Any]:
    """The map that a document is; {} where it is none, or too large."""
    value = _value(node, [_MAX_NODES])
    return value if isinstance(value, dict) else {}


def _value(node: Node, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        return None
    if isinstance(node, ScalarNode):
        return _scalar(node)
    if isinstance(node, MappingNode):
        return {key: _value(value, left) for key, value in node.entries.items()}
    return [_value(item, left) for item in node.items]


def _scalar(node: ScalarNode) -> Any:
    if not node.plain:
        return node.text
    if node.is_nothing:
        return None
    if node.text in _TRUE or node.text in _FALSE:
        return node.text in _TRUE
    if _INTEGER.fullmatch(node.text):
        return int(node.text)
    return float(node.text) if _FLOAT.fullmatch(node.text) else node.text
