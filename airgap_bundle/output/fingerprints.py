"""A name for a finding that stays the same while lines move, for systems that remember what was dismissed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.core.report import Finding


def fingerprints(findings: Sequence[Finding]) -> list[str]:
    """One for each finding, all different: code, file and message, and a number where these are the same."""
    seen: dict[str, int] = {}
    names = []
    for finding in findings:
        parts = "\0".join((finding.code, path_text(finding.place.file), finding.message))
        name = hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()
        seen[name] = seen.get(name, 0) + 1
        names.append(f"{name[:40]}{seen[name]:04x}")
    return names


def path_text(file: str) -> str:
    """A path as reviews name it: relative without `./`."""
    while file.startswith("./"):
        file = file[2:].lstrip("/")
    return file
