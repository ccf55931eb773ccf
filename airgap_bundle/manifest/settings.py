"""Which values of a chart say where an image comes from, as the lock and the receipt of an import keep it.

Found while the lock is made, where a chart can be rendered; used inside, where the images have another name. Values
only: `connected` finds them, `boundary.relocation` writes a values file from them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

# A chart with more keys for images than this was made by a program.
MAX_SETTINGS = 10_000
# Helm's own values are not nested deeper than people can read.
MAX_KEYS = 32
# A list goes whole into a values file; what is longer than any text of a lock may be is not carried.
MAX_TEXT_BYTES = 4096
# The one switch that is ever set: without it the charts of a large publisher refuse images from elsewhere.
ALLOWING = ("global", "security", "allowInsecureImages")


class Form(StrEnum):
    """What belongs at a place in the values, of an image that is called `HOST/PATH:TAG` inside.

    `list` is not about an image: a values file replaces a list whole, so the chart's own comes first. `fixed` is an
    image that no value sets; its place is one in a template.
    """

    REFERENCE = "reference"
    """`HOST/PATH:TAG@DIGEST`."""
    TAGGED = "tagged"
    """`HOST/PATH:TAG`."""
    NAME = "name"
    """`HOST/PATH`: the template adds the tag."""
    REGISTRY = "registry"
    """`HOST`."""
    REPOSITORY = "repository"
    """`PATH`."""
    TAG = "tag"
    """`TAG@DIGEST`, beside `name` or `repository`: the template writes `NAME:TAG`, so that the digest comes with it."""
    DIGEST = "digest"
    """`sha256:…`."""
    TRUE = "true"
    """`true`: without it the chart refuses images from elsewhere."""
    LIST = "list"
    FIXED = "fixed"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Setting:
    """One place in the values of a chart, or one image that has none.

    `at` is a JSON pointer (RFC 6901) into the values, for `fixed` the place in a template; `text` the reference of the
    image in full, for a list its JSON. `proof` is `rendered` where the chart was rendered with it and then asked for
    the image where it was told to, "" where the key only looks as if it did that.
    """

    at: str
    form: Form
    text: str = ""
    proof: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a place, or does not show."""
        for text in (self.at, self.text):
            if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES or printable(text) != text:
                raise InvalidValueError(f"not a setting of a chart: {text[:160]!r}")
        if self.proof not in {"", "rendered"}:
            raise InvalidValueError(f"not a proof: {self.proof[:80]!r}")
        if self.form is not Form.FIXED:
            keys_of(self.at)
        if self.form is Form.LIST:
            self.items()
        elif (self.form is Form.TRUE) != (not self.text):
            raise InvalidValueError("a setting is about an image, or true")
        elif self.form is Form.TRUE and keys_of(self.at) != ALLOWING:
            # A lock that is lied about must not switch on whatever else a chart can do.
            raise InvalidValueError(f"nothing but {pointer(ALLOWING)} is ever set to true: {self.at[:160]!r}")

    def items(self) -> list[Any]:
        """The list, for the form `list`."""
        try:
            value = json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise InvalidValueError("the list of a setting is not JSON") from error
        if not isinstance(value, list):
            raise InvalidValueError("the list of a setting is none")
        _check_depth(value, MAX_KEYS)
        return value


def _check_depth(value: object, left: int) -> None:
    if left == 0:
        raise InvalidValueError(f"a list with more than {MAX_KEYS} levels")
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inside:
        _check_depth(one, left - 1)


def pointer(keys: tuple[str | int, ...]) -> str:
    """The JSON pointer of keys and positions."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def keys_of(at: str) -> tuple[str, ...]:
    """The keys of a JSON pointer; positions in lists are digits. `InvalidValueError` where it is none."""
    if not at.startswith("/"):
        raise InvalidValueError(f"not a place in values: {at[:160]!r}")
    keys = tuple(_unescaped(at[1:].split("/")))
    if len(keys) > MAX_KEYS:
        raise InvalidValueError(f"deeper in the values than {MAX_KEYS} levels")
    return keys


def _unescaped(parts: list[str]) -> Iterator[str]:
    for part in parts:
        if "~" in part.replace("~0", "").replace("~1", ""):
            raise InvalidValueError(f"not a place in values: {part[:160]!r}")
        yield part.replace("~1", "/").replace("~0", "~")
