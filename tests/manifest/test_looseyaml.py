"""YAML of others: read as far as it goes, within limits, and never made into objects."""

from __future__ import annotations

import pytest

from airgap_bundle.manifest import looseyaml
from airgap_bundle.manifest.looseyaml import entry, items, parse_bytes, parse_stream, text_of, texts


def test_documents_aliases_merges_tags_and_duplicates_are_read() -> None:
    text = "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: !!python/object:os.system echo\nc: last\n= : =\n---\n- 1\n...\n"
    first, second = parse_stream(text, "f").documents
    assert [text_of(entry(first, "b", key)) for key in "pq"] == ["1", "3"]
    assert text_of(entry(first, "c")) == "last"
    assert text_of(entry(first, "=")) == "="
    assert texts(second) == ["1"]


def test_lines_count_through_the_whole_stream() -> None:
    stream = parse_stream("a: 1\n---\n# c\nb:\n  image: x\n", "f")
    node = entry(stream.documents[1], "b", "image")
    assert node is not None
    assert str(node.place) == "f:5:10"


def test_a_broken_document_is_one_trouble_and_no_more() -> None:
    stream = parse_stream("a: 1\n---\nb: [\n---\nc: 3\n", "f")
    assert len(stream.documents) == 2
    assert [(trouble.place.line, trouble.text) for trouble in stream.troubles] == [(4, "---\nb: [\n")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 150 + "]" * 150, "deeper"),
        ("[" + "1," * 600 + "]", "values"),
        (
            "a: &a\n" + "".join(f"  k{n}: 1\n" for n in range(60)) + "".join(f"b{n}: {{<<: *a}}\n" for n in range(60)),
            "merged",
        ),
    ],
)
def test_what_is_too_much_is_trouble(text: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looseyaml, "_MAX_MERGED", 3000)
    (trouble,) = parse_stream(text, "f", max_nodes=500 if message == "values" else 100_000).troubles
    assert message in trouble.message


def test_text_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looseyaml, "MAX_BYTES", 10)
    assert "characters" in parse_stream("a" * 11, "f").troubles[0].message


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe\x00", b"\xef\xbb\xbfa: 1\r\n", b"a: \x00\x07b\n", b"*x", b"? [a]: b", b"%YAML 1.1\n---\na"]
)
def test_no_bytes_make_it_fail(raw: bytes) -> None:
    parse_bytes(raw, "f")


def test_an_unknown_alias_is_nothing() -> None:
    (document,) = parse_stream("a: *none\nb: [1, {c: d}]\n", "f").documents
    assert text_of(entry(document, "a")) == ""
    assert text_of(entry(items(entry(document, "b"))[1], "c")) == "d"
