"""Typed fields: everything that is wrong is said at once, each with its place."""

from __future__ import annotations

import pytest

from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.core.oci import Platform
from airgap_bundle.manifest import yamltext
from airgap_bundle.manifest.fields import (
    Complaints,
    Value,
    boolean,
    check_api_version,
    converted,
    integer,
    listed,
    mapped,
    one_of,
    text,
)


def read(raw: str) -> dict[str, object]:
    complaints = Complaints("f.yaml")
    value = Value.of(yamltext.parse(raw.encode(), "f.yaml"), complaints)
    result: dict[str, object] = {}
    try:
        fields = value.fields()
        check_api_version(fields, "v1")
        result["name"] = fields.required("name", text)
        result["count"] = fields.get("count", integer, 7)
        result["on"] = fields.get("on", boolean, default=False)
        result["word"] = fields.get("word", one_of("a", "b"), "")
        result["platforms"] = fields.get("platforms", listed(converted(Platform.parse)), ())
        result["free"] = fields.get("free", mapped(text), {})
        fields.finish()
    except InvalidValueError as error:
        complaints.add_error(error, value.place, "")
    complaints.check("AB-TEST", "a test")
    return result


def complaints_of(raw: str) -> list[tuple[str, str, int, str]]:
    with pytest.raises(DocumentError) as caught:
        read(raw)
    return [(f.code, f.path, f.place.line, f.hint) for f in caught.value.findings]


def test_a_document_without_faults_is_read() -> None:
    raw = "apiVersion: v1\nname: '1'\ncount: 3\non: true\nword: a\nplatforms: [linux/amd64]\nfree: {x y: 1}\n"
    assert read(raw) == {
        "name": "1",
        "count": 3,
        "on": True,
        "word": "a",
        "platforms": (Platform(os="linux", architecture="amd64"),),
        "free": {"x y": "1"},
    }


def test_all_problems_are_reported_at_once_in_the_order_of_the_file() -> None:
    raw = "apiVersion: v2\ncount: '3'\nOn: true\nword: c\nplatforms: [linux, linux/arm64, 'a b/c']\nfree: {x y: []}\n"
    assert [finding[:3] for finding in complaints_of(raw)] == [
        ("AB-YAML-REQUIRED", "", 1),
        ("AB-YAML-VALUE", "apiVersion", 1),
        ("AB-YAML-TYPE", "count", 2),
        ("AB-YAML-KEY", "On", 3),
        ("AB-YAML-VALUE", "word", 4),
        ("AB-YAML-VALUE", "platforms[0]", 5),
        ("AB-YAML-VALUE", "platforms[2]", 5),
        ("AB-YAML-TYPE", 'free["x y"]', 6),
    ]


def test_an_unknown_key_comes_with_the_one_that_was_perhaps_meant() -> None:
    assert complaints_of("apiVersion: v1\nname: a\nplatformz: []\n") == [
        ("AB-YAML-KEY", "platformz", 3, "did you mean 'platforms'?")
    ]
    assert complaints_of("apiVersion: v1\nname: a\nNAME: []\n")[0][3] == "did you mean 'name'?"
    assert "known here" in complaints_of("apiVersion: v1\nname: a\nzzz: []\n")[0][3]


@pytest.mark.parametrize("raw", ["", "[]", "text", "null", "- a\n- b\n"])
def test_a_document_that_is_no_map_is_refused(raw: str) -> None:
    assert complaints_of(raw)[0][0] == "AB-YAML-TYPE"


@pytest.mark.parametrize("number", ["-1", "01", "1.0", "1_000", "99999999999999999", "٣"])
def test_only_plain_decimal_integers_are_numbers(number: str) -> None:
    assert complaints_of(f"apiVersion: v1\nname: a\ncount: {number}\n")[0][:2] == ("AB-YAML-TYPE", "count")


def test_the_message_of_the_error_names_the_first_problem_and_counts_the_others() -> None:
    with pytest.raises(DocumentError) as caught:
        read("apiVersion: v1\nname:\nzzz: 1\n")
    expected = "f.yaml is not a test: name at f.yaml:2:6: text is needed here, not nothing, and 1 more"
    assert caught.value.message == expected
