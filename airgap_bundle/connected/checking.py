"""Checks one file: a manifest with the lock beside it, or an overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.connected.building import open_project
from airgap_bundle.manifest.overlay import Overlay, load_manifest_or_overlay
from airgap_bundle.manifest.rules import check_manifest, check_overlay

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.core.report import Finding


def check_file(path: Path, now: int) -> tuple[Finding, ...]:
    """The findings for a file at `now` (seconds since 1970); `DocumentError` where it is neither."""
    document = load_manifest_or_overlay(path)
    if isinstance(document, Overlay):
        return check_overlay(document)
    project = open_project(path)
    return check_manifest(project.manifest, lock=project.lock, now=now)
