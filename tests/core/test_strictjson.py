"""JSON as strictly as two readers could agree on it."""

from __future__ import annotations

import time

import pytest

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.strictjson import MAX_DEPTH, canonical, canonical_array, canonical_object, parse_object

LIMIT = 1024 * 1024


def nested(depth: int) -> bytes:
    """An object that holds lists, `depth` brackets deep in all."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{} {}", "not JSON"),
        (b"{}\0", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 1} // why', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": 1_000}', "not JSON"),
        ('{"a": \u0661}'.encode(), "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        (b'{"a": 1, "a": 1}', "'a' stands twice"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "'b' stands twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": Infinity}', "Infinity is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1.0}', "not an integer: 1.0"),
        (b'{"a": 1e3}', "not an integer: 1e3"),
        (b'{"a": 1e999}', "not an integer: 1e999"),
        (b'{"a": 123456789012345678901}', "more than 20 digits"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "not JSON"),
        (b'{"a": "\xe9"}', "not UTF-8 at byte 7"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": "\\ud800"}', "lone surrogate"),
        (b'{"\\udfff": 1}', "lone surrogate"),
        (nested(MAX_DEPTH + 1), "nested deeper"),
        (b'{"a":' * 100_000, "nested deeper"),
        (b"[" * 500_000, "nested deeper"),
    ],
)
def test_what_readers_could_take_differently_is_refused(raw: bytes, complaint: str) -> None:
    with pytest.raises(InvalidValueError, match=complaint):
        parse_object(raw, max_bytes=LIMIT)


@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN", "Infinity"])
def test_numbers_without_a_value_are_refused_even_where_fractions_may_stand(text: str) -> None:
    with pytest.raises(InvalidValueError, match=text):
        parse_object(f'{{"a": {text}}}'.encode(), max_bytes=LIMIT, floats=True)


def test_too_many_bytes_are_refused_before_they_are_read() -> None:
    with pytest.raises(InvalidValueError, match="11 bytes of JSON, more than the 10 allowed"):
        parse_object(b"\xff" * 11, max_bytes=10)


def test_fractions_of_others_are_let_through_on_demand() -> None:
    assert parse_object(b'{"a": 0.5}', max_bytes=LIMIT, floats=True) == {"a": 0.5}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_object(b'{"a": "\\ud83d\\ude00"}', max_bytes=LIMIT) == {"a": "\U0001f600"}


def test_nesting_up_to_the_limit_is_read() -> None:
    assert "a" in parse_object(nested(MAX_DEPTH), max_bytes=LIMIT)


def test_brackets_inside_strings_are_no_nesting() -> None:
    text = '"' + "[" * 500 + '\\"' + "{" * 500 + '\\\\"'
    assert parse_object(f'{{"a": {text}}}'.encode(), max_bytes=LIMIT)["a"].count("[") == 500


def test_many_brackets_side_by_side_are_no_nesting() -> None:
    assert len(parse_object(b'{"a": [' + b"[]," * 500 + b"[]]}", max_bytes=LIMIT)["a"]) == 501


@pytest.mark.parametrize("piece", [b'\\"', b'"', b'"\\', b"\\"])
def test_hostile_quotes_cost_no_more_than_their_length(piece: bytes) -> None:
    raw = b"{" * (MAX_DEPTH + 1) + piece * (LIMIT // len(piece) - MAX_DEPTH)
    started = time.process_time()
    with pytest.raises(InvalidValueError):
        parse_object(b"[]" * MAX_DEPTH + raw[1:], max_bytes=2 * LIMIT)
    assert time.process_time() - started < 2


def test_canonical_bytes_are_sorted_and_tight() -> None:
    assert canonical({"b": [1, True, None], "a": "é\n"}) == '{"a":"é\\n","b":[1,true,null]}'.encode()


def test_canonical_bytes_have_no_numbers_that_are_none() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1_203])
def test_a_long_list_that_is_written_in_pieces_has_the_bytes_of_one_that_is_not(count: int) -> None:
    values = [{"digest": f"sha256:{number:064}", "a": "é", "size": number} for number in range(count)]
    assert canonical_array(iter(values)) == canonical(values)
    whole = {"name": "é", "blobs": values, "z": None, "members": values[:2], "empty": {}}
    assert canonical_object({**whole, "blobs": iter(values)}) == canonical(whole)


def test_an_object_without_members_is_written_as_one() -> None:
    assert canonical_object({}) == canonical({})
