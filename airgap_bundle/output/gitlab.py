"""GitLab Code Quality: a JSON array of findings with fingerprints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.core.text import printable
from airgap_bundle.output.fingerprints import fingerprints, path_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airgap_bundle.core.report import Finding

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.NOTE: "info"}


def render_gitlab(findings: Sequence[Finding], files: Sequence[str], titles: Mapping[str, str]) -> str:  # noqa: ARG001 - the shape of every format
    """The array; `[]` where nothing was found."""
    entries = [
        {
            "description": printable(
                f"{finding.code}: {finding.message}" + (f" ({finding.hint})" if finding.hint else "")
            ),
            "check_name": finding.code,
            "fingerprint": name,
            "severity": _SEVERITIES[finding.severity],
            # GitLab places what is about a whole file at its first line.
            "location": {"path": printable(path_text(finding.place.file)), "lines": {"begin": finding.place.line or 1}},
        }
        for finding, name in zip(findings, fingerprints(findings), strict=True)
    ]
    return json.dumps(entries, indent=2) + "\n"
