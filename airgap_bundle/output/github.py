"""Annotations of GitHub Actions: one workflow command a line (`::error file=…,line=…::message`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.core.text import printable
from airgap_bundle.output.fingerprints import path_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airgap_bundle.core.report import Finding

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render_github(findings: Sequence[Finding], files: Sequence[str], titles: Mapping[str, str]) -> str:  # noqa: ARG001 - the shape of every format
    """One line for each finding; nothing where there are none."""
    return "".join(_line(finding, titles) for finding in findings)


def _line(finding: Finding, titles: Mapping[str, str]) -> str:
    title = f"{finding.code}: {titles[finding.code]}" if finding.code in titles else finding.code
    properties = {"file": path_text(finding.place.file)}
    if finding.place.line:
        properties |= {"line": str(finding.place.line), "endLine": str(finding.place.line)}
        if finding.place.column:
            properties["col"] = str(finding.place.column)
    properties["title"] = title
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    message = finding.message + (f"\nhint: {finding.hint}" if finding.hint else "")
    return f"::{_COMMANDS[finding.severity]} {listed}::{_data(message)}\n"


def _data(text: str) -> str:
    """What follows the second `::`. The runner undoes these three (actions/toolkit, `escapeData`)."""
    return printable(text, keep="\r\n").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
