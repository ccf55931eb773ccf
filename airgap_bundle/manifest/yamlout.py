"""YAML that others read: written by the library, so that no text in it can become anything but text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# One value a line, however long: a digest that is folded cannot be searched for.
_NO_FOLDING = 1_000_000
# Begins with a letter, and nothing in it means anything to any YAML. The library quotes `yes`, `null` and the like;
# what begins otherwise (1e3, 0o7, 1:30) is a number to some readers and text to others.
_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./@+-]|:(?=[A-Za-z0-9_./@+-]))*")


def dump(value: Mapping[str, Any]) -> str:
    """The document, in the order of the map. Text that YAML 1.1 or 1.2 might take for something else is quoted.

    `value` is made of maps, lists, texts, numbers and truth values; ASCII comes out, other characters as escapes.
    """
    import yaml  # noqa: PLC0415 - takes 20 ms, which `--help` does not have

    class Dumper(yaml.SafeDumper):
        """Without anchors: what is there twice is written twice."""

        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the same for every value
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the library's own signature
            """Indent lists below their key, as people write them."""
            super().increase_indent(flow, False)  # noqa: FBT003 - likewise

    def text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
        style = None if _PLAIN.fullmatch(data) else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, text)
    return str(yaml.dump(value, Dumper=Dumper, sort_keys=False, default_flow_style=False, width=_NO_FOLDING, indent=2))
