"""Findings in the formats that CI systems read: pure functions from findings to text.

One module for each format; `FORMATS` is the list. Whatever a finding quotes is escaped for the format that holds it.
Paths are written as they were named, with `/`, so that a review shows the finding beside its line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.output.github import render_github
from airgap_bundle.output.gitlab import render_gitlab
from airgap_bundle.output.junit import render_junit
from airgap_bundle.output.sarif import render_sarif

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airgap_bundle.core.report import Finding

    # Findings, the files that were looked at, and the titles of the codes.
    Renderer = Callable[[Sequence[Finding], Sequence[str], Mapping[str, str]], str]

FORMATS: Mapping[str, Renderer] = {
    "sarif": render_sarif,
    "junit": render_junit,
    "github": render_github,
    "gitlab": render_gitlab,
}
