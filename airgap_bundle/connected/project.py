"""A manifest on disk, and the lock beside it: what every connected command begins with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.manifest.lock import MAX_LOCK_BYTES, lock_path, parse_lock
from airgap_bundle.manifest.model import parse_manifest, read_document
from airgap_bundle.manifest.overlay import load_overlay, merge, merged_document
from airgap_bundle.manifest.staleness import lock_command, staleness

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.core.report import Finding
    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.manifest.model import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A manifest file, read, with the lock beside it if there is one.

    With an overlay `manifest` is what both are together, and `raw` that as a document: what travels.
    """

    path: Path
    overlay_path: Path | None = None
    raw: bytes = field(repr=False)
    manifest: Manifest
    lock: Lock | None

    @property
    def lock_path(self) -> Path:
        """Where its lock lies, or will."""
        return lock_path(self.path, self.overlay_path)

    @property
    def default_name(self) -> str:
        """What the bundle is called where nobody says; each customer has another."""
        parts = [self.manifest.name, self.manifest.version]
        if self.overlay_path is not None:
            parts.append(self.overlay_path.stem)
        return f"{'-'.join(parts)}.tar"

    def staleness(self) -> tuple[Finding, ...]:
        """What the lock no longer says rightly; nothing where there is no lock."""
        if self.lock is None:
            return ()
        return staleness(self.manifest, self.lock, str(self.overlay_path or ""))

    @property
    def lock_command(self) -> str:
        """What makes its lock again."""
        return lock_command(str(self.overlay_path or ""))


def open_project(path: Path, overlay: Path | None = None) -> Project:
    """Read a manifest, the overlay for it, and their lock. `DocumentError` with every complaint about one of them."""
    raw = read_document(path)
    manifest = parse_manifest(raw, str(path))
    if overlay is not None:
        manifest = merge(manifest, load_overlay(overlay))
        raw = merged_document(manifest)
    place = lock_path(path, overlay)
    lock = None
    if place.exists():
        lock = parse_lock(read_document(place, max_bytes=MAX_LOCK_BYTES), str(place))
    return Project(path=path, overlay_path=overlay, raw=raw, manifest=manifest, lock=lock)
