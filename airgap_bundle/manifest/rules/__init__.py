"""The rules of `airgap-manifest check`: what parses but is unwise.

One file per rule; `RULES` is the list. To add one: its file, a line here, and its page `pages/<code>.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.manifest.model import Manifest
from airgap_bundle.manifest.rules import (
    duplicate,
    expiry,
    filtered_platforms,
    insecure_source,
    local_file,
    loosened,
    mutable_tag,
    no_checksum,
    no_tag,
    not_allowed,
    not_in_lock,
    nothing_travels,
    one_name,
    pinned_platforms,
    readiness,
    reserved_name,
    short_name,
    stale_lock,
    tag_and_digest,
    unknown_platform,
    vanished,
    verify_nothing,
    version_range,
    volume_size,
)
from airgap_bundle.manifest.rules.rule import Context, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.core.report import Finding
    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.manifest.overlay import Overlay

RULES: tuple[Rule, ...] = (
    duplicate.RULE,
    one_name.RULE,
    short_name.RULE,
    mutable_tag.RULE,
    insecure_source.RULE,
    no_tag.RULE,
    tag_and_digest.RULE,
    pinned_platforms.RULE,
    unknown_platform.RULE,
    expiry.RULE,
    stale_lock.RULE,
    local_file.RULE,
    version_range.RULE,
    nothing_travels.RULE,
    no_checksum.RULE,
    reserved_name.RULE,
    filtered_platforms.RULE,
    vanished.RULE,
    volume_size.RULE,
    not_in_lock.RULE,
    verify_nothing.RULE,
    not_allowed.RULE,
    loosened.RULE,
    *readiness.RULES,
)


def check_manifest(manifest: Manifest, *, lock: Lock | None = None, now: int | None = None) -> tuple[Finding, ...]:
    """Everything that the offline rules find, in the order of the file.

    `lock` is the lock beside the manifest, None if there is none yet. `now` (seconds since 1970) lets the rules judge
    expiry. Reads the directory of the manifest (AGM012) and nothing else.
    """
    return run_rules(Context(manifest=manifest, lock=lock, now=now), [rule for rule in RULES if rule.offline])


def run_rules(context: Context, rules: Iterable[Rule] = RULES) -> tuple[Finding, ...]:
    """Everything that these rules find, in the order of the file."""
    found = [finding for rule in rules for finding in rule.findings(context)]
    return tuple(sorted(found, key=lambda finding: (finding.place.line, finding.place.column, finding.code)))


def check_overlay(overlay: Overlay) -> tuple[Finding, ...]:
    """What the offline rules find in an overlay alone: its own entries, without the manifest that it is for."""
    manifest = Manifest(
        name=overlay.name or "overlay",
        version=overlay.version or "0",
        place=overlay.place,
        platforms=overlay.platforms or (),
        expires_seconds=overlay.expires_seconds or 0,
        images=overlay.images,
        charts=overlay.charts,
        workloads=overlay.workloads,
        artifacts=overlay.artifacts,
        files=overlay.files,
        exclude=overlay.exclude,
        verify=overlay.verify,
    )
    # That nothing travels is no fault of an overlay, and its paths start from the directory of the manifest, which is
    # not known here: `check MANIFEST --overlay` looks for them.
    left_out = {nothing_travels.RULE.code, local_file.RULE.code}
    return tuple(finding for finding in check_manifest(manifest) if finding.code not in left_out)


__all__ = ["RULES", "Context", "Rule", "check_manifest", "check_overlay", "run_rules"]
