"""Strict YAML: what is kept, what is refused, and that both parsers agree."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from airgap_bundle.core.errors import DocumentError
from airgap_bundle.core.report import Finding, Place, Severity
from airgap_bundle.manifest import yamltext
from airgap_bundle.manifest.yamltext import MappingNode, ScalarNode, SequenceNode

LOADERS = [yaml.CSafeLoader, yaml.SafeLoader]


@pytest.fixture(params=LOADERS, ids=["libyaml", "python"], autouse=True)
def _each_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamltext, "_loader", lambda: request.param)


def refused(raw: bytes) -> list[tuple[str, int, int]]:
    with pytest.raises(DocumentError) as caught:
        yamltext.parse(raw, "f.yaml")
    assert caught.value.code == caught.value.findings[0].code
    return [(f.code, f.place.line, f.place.column) for f in caught.value.findings]


@pytest.mark.parametrize("text", ["1.10", "on", "1_000", "0x10", "2026-05-09", "1:30", "=", "no", "1e3", ".inf"])
def test_scalars_stay_as_written(text: str) -> None:
    node = yamltext.parse(f"tag: {text}\n".encode(), "f.yaml")
    assert isinstance(node, MappingNode)
    scalar = node.entries["tag"]
    assert isinstance(scalar, ScalarNode)
    assert (scalar.text, scalar.plain) == (text, True)


def test_every_node_knows_its_line_and_column() -> None:
    node = yamltext.parse("a:\r\n  - é: [x, 'y']\n".encode(), "f.yaml")
    assert isinstance(node, MappingNode)
    assert str(node.key_places["a"]) == "f.yaml:1:1"
    items = node.entries["a"]
    assert isinstance(items, SequenceNode)
    inner = items.items[0]
    assert isinstance(inner, MappingNode)
    flow = inner.entries["é"]
    assert isinstance(flow, SequenceNode)
    assert [str(item.place) for item in flow.items] == ["f.yaml:2:9", "f.yaml:2:12"]


def test_a_quoted_word_is_not_nothing() -> None:
    node = yamltext.parse(b"a: 'null'\nb: null\nc:\nd: ~\n", "f.yaml")
    assert isinstance(node, MappingNode)
    assert [n.is_nothing for n in node.entries.values() if isinstance(n, ScalarNode)] == [False, True, True, True]


def test_an_empty_document_is_nothing() -> None:
    for raw in (b"", b"# only a comment\n", b"---\n"):
        node = yamltext.parse(raw, "f.yaml")
        assert isinstance(node, ScalarNode)
        assert node.is_nothing


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a: 1\na: 2\nb: {c: 1, c: 2}\n", [("AB-YAML-DUPLICATE", 2, 1), ("AB-YAML-DUPLICATE", 3, 11)]),
        (b"a: &x 1\nb: *x\n", [("AB-YAML-ALIAS", 1, 4), ("AB-YAML-ALIAS", 2, 4)]),
        (b"a: !!python/object/apply:os.system [x]\nb: !!binary aa\n", [("AB-YAML-TAG", 1, 4), ("AB-YAML-TAG", 2, 4)]),
        (b"a: ! x\n", [("AB-YAML-TAG", 1, 4)]),
        (b"a: !!map [x]\n", [("AB-YAML-TAG", 1, 4)]),
        (b"%YAML 1.1\n---\na: 1\n", [("AB-YAML-TAG", 1, 1)]),
        (b"a: 1\n---\nb: 2\n", [("AB-YAML-DOCUMENTS", 2, 1)]),
        (b"a:\n\tb: 1\n", [("AB-YAML-SYNTAX", 2, 1)]),
        (b"a:\t1\nb:\t2\n", [("AB-YAML-SYNTAX", 1, 3), ("AB-YAML-SYNTAX", 2, 3)]),
        (b"a:\n  b: 1\n c: 2\n", [("AB-YAML-SYNTAX", 3, 2)]),
        (b"a: 'x\n", [("AB-YAML-SYNTAX", 2, 1)]),
        (b"? [a]\n: 1\n", [("AB-YAML-SYNTAX", 1, 3)]),
        ("a: 1".encode("utf-16"), [("AB-YAML-ENCODING", 1, 1)]),
        ("b: 1\na: ü".encode("latin-1"), [("AB-YAML-ENCODING", 2, 4)]),
        (b"\xef\xbb\xbfa: 1", [("AB-YAML-ENCODING", 1, 1)]),
        (b"a: \x00\nb: \x1b", [("AB-YAML-ENCODING", 1, 4), ("AB-YAML-ENCODING", 2, 4)]),
        ("a: 1 # x\u2028b: 2".encode(), [("AB-YAML-ENCODING", 1, 9)]),
        ("a: \u202e1".encode(), [("AB-YAML-ENCODING", 1, 4)]),
        (b"a: 1\rb: 2", [("AB-YAML-ENCODING", 1, 5)]),
        (b'a: "\\e[31m"', [("AB-YAML-ENCODING", 1, 4)]),
        (b"[" * 2000, [("AB-YAML-LIMIT", 1, 65)]),
        (b"- " * 2000 + b"x", [("AB-YAML-LIMIT", 1, 129)]),
        (b"a: " + b"x" * 5_000_000, [("AB-YAML-SIZE", 0, 0)]),
    ],
)
def test_the_traps_of_yaml_are_refused_with_their_place(raw: bytes, expected: list[tuple[str, int, int]]) -> None:
    assert refused(raw) == expected


def test_an_escape_beyond_unicode_is_refused() -> None:
    assert refused(b'a: "\\UFFFFFFFF"')[0][0] == "AB-YAML-SYNTAX"


def test_tabs_may_stand_in_comments() -> None:
    assert isinstance(yamltext.parse(b"a: 1 #\tx\n", "f.yaml"), MappingNode)


def test_core_tags_are_kept_apart_from_the_text() -> None:
    node = yamltext.parse(b"a: !!str 1\nb: !!int '2'\nc: !!map {}\nd: !!seq []\n", "f.yaml")
    assert isinstance(node, MappingNode)
    assert [n.plain for n in node.entries.values() if isinstance(n, ScalarNode)] == [False, True]


def test_complaints_are_bounded() -> None:
    assert len(refused(b"a: 1\n" * 500)) == yamltext.MAX_FINDINGS


def test_two_hundred_thousand_keys_are_refused_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamltext, "_loader", lambda: yaml.CSafeLoader)
    raw = b"".join(b"k%06d: 1\n" % number for number in range(200_000))
    started = time.process_time()
    assert refused(raw) == [("AB-YAML-LIMIT", 50_000, 10)]
    assert time.process_time() - started < 5


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!%|>'\"#?,\n\t \\u0~", max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    findings: tuple[Finding, ...] = ()
    try:
        yamltext.parse(raw, "f.yaml")
    except DocumentError as error:
        findings = error.findings or (Finding(code="", severity=Severity.ERROR, message="", place=Place(file="")),)
    assert {finding.place.file for finding in findings} <= {"f.yaml"}
