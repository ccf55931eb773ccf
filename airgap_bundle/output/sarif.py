"""SARIF 2.1.0 (OASIS), as GitHub, GitLab, Azure DevOps and editors read it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from airgap_bundle import __version__
from airgap_bundle.core.report import Severity
from airgap_bundle.core.text import printable
from airgap_bundle.output.fingerprints import fingerprints, path_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airgap_bundle.core.report import Finding

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
# GitHub refuses a run of more results.
MAX_RESULTS = 25_000
# In a SARIF message these make a link or a placeholder (section 3.11.6 and 3.11.5).
_SPECIAL = re.compile(r"([\\\[\]{}])")


def render_sarif(findings: Sequence[Finding], files: Sequence[str], titles: Mapping[str, str]) -> str:
    """One run with all findings."""
    codes = sorted({finding.code for finding in findings})
    number = {code: index for index, code in enumerate(codes)}
    names = fingerprints(findings)
    run = {
        "tool": {
            "driver": {
                "name": "airgap-manifest",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(code, titles.get(code, code)) for code in codes],
            }
        },
        "artifacts": [{"location": {"uri": _uri(file)}} for file in dict.fromkeys(files)],
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(finding, number[finding.code], name)
            for finding, name in list(zip(findings, names, strict=True))[:MAX_RESULTS]
        ],
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2) + "\n"


def _rule(code: str, title: str) -> dict[str, object]:
    return {
        "id": code,
        "name": re.sub(r"[^A-Za-z0-9]", "", title.title()) or code,
        "shortDescription": {"text": title},
        "help": {"text": f"airgap-manifest explain {code}"},
    }


def _result(finding: Finding, rule_index: int, fingerprint: str) -> dict[str, object]:
    text = _message(finding.message)
    if finding.hint:
        text += f"\nhint: {_message(finding.hint)}"
    location: dict[str, object] = {"artifactLocation": {"uri": _uri(finding.place.file)}}
    if finding.place.line:
        region: dict[str, int] = {"startLine": finding.place.line}
        if finding.place.column:
            region["startColumn"] = finding.place.column
        location["region"] = region
    place: dict[str, object] = {"physicalLocation": location}
    if finding.path:
        place["logicalLocations"] = [{"fullyQualifiedName": printable(finding.path)}]
    return {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [place],
        "partialFingerprints": {"airgapManifest/v1": fingerprint},
    }


def _message(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", printable(text))


def _uri(file: str) -> str:
    """A relative reference as URIs are written; an absolute path becomes a `file:` URI."""
    text = quote(path_text(file).encode("utf-8", "surrogateescape"), safe="/~")
    return f"file://{text}" if text.startswith("/") else text
