"""JSON read strictly and written canonically.

Python's reader accepts what two readers may take differently: duplicate keys, NaN, floats where sizes belong, UTF-16, a
byte order mark, lone surrogates, nesting without end. Here each of these is refused. The canonical form is RFC 8785,
for the subset that our own documents use: ASCII keys, strings, booleans, null and integers below 2^53.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Deep enough for any image document seen (a config with nested history has 6), shallow enough for the C stack.
MAX_DEPTH = 64
# RFC 8785 numbers are IEEE 754 doubles: above this an integer has no exact form.
MAX_INTEGER = 2**53 - 1
_MAX_INTEGER_DIGITS = 20
# Values of a long list that are written at once: few enough to be little, enough that each costs no more than in one.
_PIECE = 500
# Possessive, and content with a string that never ends: one pass over any bytes, whatever they are.
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(?P<open>[{\[])|(?P<close>[}\]])', re.DOTALL)


def parse_object(raw: bytes, *, max_bytes: int, floats: bool = False) -> dict[str, Any]:
    """The object that `raw` spells, or `InvalidValueError` saying what is wrong with it.

    `max_bytes` is checked before anything is parsed. With `floats` numbers with a fraction or an exponent are let
    through, as documents of others may hold them in places that we do not read.
    """
    if len(raw) > max_bytes:
        raise InvalidValueError(f"{len(raw)} bytes of JSON, more than the {max_bytes} allowed")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"not UTF-8 at byte {error.start}") from error
    if text.startswith("\ufeff"):
        raise InvalidValueError("starts with a byte order mark")
    _check_depth(raw)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_finite if floats else _no_float,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as error:
        raise InvalidValueError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise InvalidValueError("JSON nested too deep") from error
    if not isinstance(value, dict):
        raise InvalidValueError("not a JSON object")
    if b"\\u" in raw:
        _check_surrogates(value)
    return value


def canonical(value: Mapping[str, Any] | list[Any]) -> bytes:
    """RFC 8785 bytes of a document of ours."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def canonical_array(values: Iterable[Any]) -> bytes:
    """The same for a list, of which only a part is in memory at a time."""
    written = io.BytesIO()
    _write_array(written, values)
    return written.getvalue()


def canonical_object(members: Mapping[str, Any]) -> bytes:
    """The same for an object; of members that are iterators only a part is in memory at a time."""
    written = io.BytesIO()
    between = b"{"
    for key in sorted(members):
        written.write(between + json.dumps(key).encode() + b":")
        if isinstance(members[key], Iterator):
            _write_array(written, members[key])
        else:
            written.write(canonical(members[key]))
        between = b","
    written.write(b"}" if members else b"{}")
    return written.getvalue()


def _write_array(written: io.BytesIO, values: Iterable[Any]) -> None:
    left = iter(values)
    between = b"["
    while piece := list(islice(left, _PIECE)):
        written.write(between)
        written.write(memoryview(canonical(piece))[1:-1])
        between = b","
    written.write(b"]" if between == b"," else b"[]")


def _check_depth(raw: bytes) -> None:
    """Count brackets outside strings; the reader itself would recurse first and complain later."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(raw):
        if token["open"]:
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidValueError(f"JSON nested deeper than {MAX_DEPTH}")
        elif token["close"]:
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InvalidValueError(f"the key {key[:80]!r} stands twice in one object")
            seen.add(key)
    return result


def _integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS:
        raise InvalidValueError("an integer of more than 20 digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidValueError(f"a number too large for any reader: {text[:40]}")
    return number


def _no_float(text: str) -> NoReturn:
    raise InvalidValueError(f"a number that is not an integer: {text[:40]}")


def _no_constant(text: str) -> NoReturn:
    raise InvalidValueError(f"{text} is not JSON")


def _check_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidValueError("a lone surrogate in a string") from error
