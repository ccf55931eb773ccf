"""YAML for others: every text stays the text that it is, for every reader."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from airgap_bundle.manifest.yamlout import dump

VALUES = st.recursive(
    st.text(max_size=20) | st.booleans() | st.integers(-(10**9), 10**9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=10), VALUES, max_size=4))
def test_it_is_read_as_it_was_written(value: dict[str, object]) -> None:
    text = dump(value)
    assert text.isascii()
    assert yaml.safe_load(text) == value


@pytest.mark.parametrize(
    "text", ["1e3", "0o7", "1:30", "yes", "~", "", "=", ".inf", "0x1", "1_0", "null", "- a", "a: b"]
)
def test_what_some_readers_take_for_something_else_is_quoted(text: str) -> None:
    line = dump({"key": text}).strip()
    assert line.startswith(('key: "', "key: '"))


def test_a_long_text_stays_on_its_line_and_what_is_there_twice_is_written_twice() -> None:
    shared = {"image": "x/" * 300}
    assert dump({"a": shared, "b": shared}).count("\n") == 4
