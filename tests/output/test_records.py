"""One JSON document, valid whatever it holds."""

import io
import json
import os
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType

import pytest
from support.hostile import HOSTILE

from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, TrustError
from airgap_bundle.core.report import Finding, Place, Severity
from airgap_bundle.output import records


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_leaves_the_document_valid_for_the_strictest_reader(text: str) -> None:
    encoded = records.encode({"name": text, "list": [text], text: 1})
    assert encoded.isascii()
    assert "\x1b" not in encoded
    document = strictjson.parse_object(encoded.encode(), max_bytes=1_000_000)
    if "\udcff" not in text:
        assert document["name"] == text


def test_keys_are_sorted_and_the_shape_has_its_version() -> None:
    stream = io.StringIO()
    records.emit({"zebra": 1, "apple": None}, stream)
    assert stream.getvalue() == '{\n  "apple": null,\n  "version": 1,\n  "zebra": 1\n}\n'


def test_our_values_become_plain_ones() -> None:
    document = {
        "digest": Digest.of(b""),
        "severity": Severity.ERROR,
        "path": Path("/a"),
        "moment": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        "day": date(2026, 1, 2),
        "tuple": (1, 2.5, True),
        "set": frozenset({"b", "a"}),
        "map": MappingProxyType({"k": "v"}),
    }
    assert json.loads(records.encode(document)) == {
        "digest": str(Digest.of(b"")),
        "severity": "error",
        "path": "/a",
        "moment": "2026-01-02T01:04:05Z",
        "day": "2026-01-02",
        "tuple": [1, 2.5, True],
        "set": ["a", "b"],
        "map": {"k": "v"},
        "version": 1,
    }


@pytest.mark.parametrize("value", [b"bytes", object(), {1: 2}, [b""]])
def test_what_has_no_json_is_a_mistake_found_before_anything_is_written(value: object) -> None:
    stream = io.StringIO()
    with pytest.raises(TypeError):
        records.emit({"value": value}, stream)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_lacks_are_a_mistake(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        records.encode({"number": number})


def test_the_version_is_not_for_products() -> None:
    with pytest.raises(ValueError, match="version"):
        records.encode({"version": "1.7.0"})


def test_a_name_that_is_not_utf8_is_written_out() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert json.loads(records.encode({"name": name}))["name"] == "caf\\udce9"


def test_errors_have_their_code_and_status() -> None:
    error = TrustError("AB-TRUST-SAMPLE", "no", hint="do")
    assert json.loads(records.encode(records.error_record(error))) == {
        "error": {"code": "AB-TRUST-SAMPLE", "exit": 3, "hint": "do", "message": "no"},
        "version": 1,
    }


def test_document_errors_have_their_findings() -> None:
    found = Finding(code="AGM001", severity=Severity.ERROR, message="m", place=Place(file="f", line=1, column=2))
    error = DocumentError("AB-SAMPLE", "no", findings=[found])
    assert json.loads(records.encode(records.error_record(error)))["error"]["findings"] == [
        {
            "code": "AGM001",
            "severity": "error",
            "message": "m",
            "file": "f",
            "line": 1,
            "column": 2,
            "path": "",
            "hint": "",
        }
    ]
