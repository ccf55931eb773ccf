"""JUnit XML: a test suite for each file, a failed test for each error and warning.

A note is no failure: it stands in the output of the suite. Characters that XML cannot hold are written as escapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from airgap_bundle.core.report import Severity
from airgap_bundle.core.text import printable
from airgap_bundle.output.fingerprints import path_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airgap_bundle.core.report import Finding


def render_junit(findings: Sequence[Finding], files: Sequence[str], titles: Mapping[str, str]) -> str:
    """Suites in the order of the files. A file without findings is one passed test."""
    by_file: dict[str, list[Finding]] = {file: [] for file in files}
    for finding in findings:
        by_file.setdefault(finding.place.file, []).append(finding)
    suites = [_suite(file, found, titles) for file, found in by_file.items()]
    tests, failures = sum(suite[1] for suite in suites), sum(suite[2] for suite in suites)
    body = "".join(suite[0] for suite in suites)
    head = f'<testsuites name="airgap-manifest" tests="{tests}" failures="{failures}" errors="0">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{body}</testsuites>\n'


def _suite(file: str, findings: Sequence[Finding], titles: Mapping[str, str]) -> tuple[str, int, int]:
    """The XML, how many tests it has and how many of them failed."""
    name = _attribute(path_text(file))
    failed = [finding for finding in findings if finding.severity is not Severity.NOTE]
    notes = [_text(finding) for finding in findings if finding.severity is Severity.NOTE]
    cases = [_case(finding, name, titles) for finding in failed]
    if not cases:
        cases = [f'    <testcase classname={name} name="airgap-manifest check"/>\n']
    out = f"    <system-out>{escape(chr(10).join(notes))}</system-out>\n" if notes else ""
    head = f'  <testsuite name={name} tests="{len(cases)}" failures="{len(failed)}" errors="0" skipped="0">\n'
    return f"{head}{''.join(cases)}{out}  </testsuite>\n", len(cases), len(failed)


def _case(finding: Finding, name: str, titles: Mapping[str, str]) -> str:
    title = _attribute(f"{finding.code}:{finding.place.line} {titles.get(finding.code, '')}".strip())
    kind = _attribute(finding.severity.value)
    return (
        f"    <testcase classname={name} name={title}>\n"
        f"      <failure message={_attribute(finding.message)} type={kind}>{escape(_text(finding))}</failure>\n"
        "    </testcase>\n"
    )


def _text(finding: Finding) -> str:
    hint = f"\nhint: {printable(finding.hint)}" if finding.hint else ""
    return f"{printable(str(finding.place))}: {finding.code}: {printable(finding.message)}{hint}"


def _attribute(text: str) -> str:
    return quoteattr(printable(text))
