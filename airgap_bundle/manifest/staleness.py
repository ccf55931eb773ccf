"""Whether a lock still belongs to a manifest, and if not, what differs.

The digests decide: `Lock.manifest_digest` against `Manifest.digest`, which covers what the manifest means and nothing
else. The comparison entry by entry is only there to say what changed; it reads no registry and no files.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Finding, Place, Severity
from airgap_bundle.manifest.entries import ImageEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.core.oci import Platform
    from airgap_bundle.manifest.entries import ArtifactEntry, ChartEntry, FileEntry
    from airgap_bundle.manifest.locked import Lock, LockedItem
    from airgap_bundle.manifest.model import Manifest

    TravellingEntry = ImageEntry | ChartEntry | ArtifactEntry | FileEntry

STALE_CODE = "AGM011"


def lock_command(overlay: str = "") -> str:
    """The command that makes a lock again; without the overlay it would make that of the manifest alone."""
    return f"airgap-manifest lock --overlay {shlex.quote(overlay)}" if overlay else "airgap-manifest lock"


def staleness(manifest: Manifest, lock: Lock, overlay: str = "") -> tuple[Finding, ...]:
    """Empty if the lock was made from this manifest; else an error for everything that differs, at least one.

    `overlay` is the file that is merged into the manifest, for the hint.
    A comment makes a difference too: the manifest travels as it was written, and one lock stands for one bundle.
    """
    if manifest.digest == lock.manifest_digest:
        return ()
    hint = f"run: {lock_command(overlay)}"
    return tuple(replace(finding, hint=hint) for finding in _differences(manifest, lock))


def travelling(manifest: Manifest) -> Iterator[tuple[str, TravellingEntry]]:
    """Every entry that becomes an item of the lock itself, with the kind of that item."""
    for image in manifest.images:
        yield "image", image
    for chart in manifest.charts:
        yield "chart", chart
    for artifact in manifest.artifacts:
        yield "artifact", artifact
    for file in manifest.files:
        yield "file", file


def _differences(manifest: Manifest, lock: Lock) -> list[Finding]:
    if manifest.name != lock.name:
        message = f"the lock is for the product {lock.name!r}, not {manifest.name!r}"
        return [_finding(message, manifest.place, "name")]
    found = [*_head(manifest, lock), *_entries(manifest, lock)]
    return found or [_finding("the manifest has changed since the lock was made", manifest.place)]


def _head(manifest: Manifest, lock: Lock) -> Iterator[Finding]:
    if manifest.version != lock.version:
        yield _finding(f"the lock is for version {lock.version}, not {manifest.version}", manifest.place, "version")
    if sorted(manifest.audience) != list(lock.audience):
        yield _finding("the audience is not that of the lock", manifest.place, "audience")
    locked_seconds = lock.expires - lock.created if lock.expires else 0
    if manifest.expires_seconds != locked_seconds:
        yield _finding("the expiry is not that of the lock", manifest.place, "expires")


def _entries(manifest: Manifest, lock: Lock) -> Iterator[Finding]:
    locked: dict[tuple[str, str], list[LockedItem]] = {}
    for item in lock.items:
        locked.setdefault((item.kind, item.source), []).append(item)
    asked = set()
    for kind, entry in travelling(manifest):
        asked.add((kind, entry.source))
        items = locked.get((kind, entry.source))
        if items is None:
            yield _finding(f"{entry.source} is not in the lock", entry.place, entry.where)
            continue
        same = [item for item in items if _goes_where(entry.target, item)]
        if not same:
            message = f"{entry.source} goes to {entry.target[0]}, in the lock to {items[0].path}"
            yield _finding(message, entry.place, entry.where)
        elif isinstance(entry, ImageEntry) and not _same_platforms(manifest.platforms_of(entry), same[0]):
            message = f"the platforms of {entry.source} are not those of the lock"
            yield _finding(message, entry.place, entry.where)
    # What a chart or a workload brought along is in no entry of its own.
    found = {("image", discovery.image) for item in lock.items for discovery in item.images}
    for kind, source in sorted(locked.keys() - asked - found):
        if not (kind == "image" and manifest.workloads):
            yield _finding(f"the lock has the {kind} {source}, the manifest does not", manifest.place)


def _goes_where(target: tuple[str, str], item: LockedItem) -> bool:
    path, tag = target
    return (not path or item.path == path) and (not tag or item.tag == tag)


def _same_platforms(wanted: tuple[Platform, ...], item: LockedItem) -> bool:
    """Whether the platforms kept are those asked for; a variant that the registry added is no difference."""
    if not wanted:
        return item.original is None
    kept = [child.platform for child in item.platforms if not child.platform.is_unknown]
    return all(any(k.serves(w) for k in kept) for w in wanted) and all(any(k.serves(w) for w in wanted) for k in kept)


def _finding(message: str, place: Place, path: str = "") -> Finding:
    return Finding(code=STALE_CODE, severity=Severity.ERROR, message=message, place=place, path=path)
