"""Locks made from manifests on disk, without a command."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from support.clients import Recorder, options

from airgap_bundle.connected import building
from airgap_bundle.connected.project import open_project
from airgap_bundle.connected.workshop import workshop
from airgap_bundle.manifest.lock import dump_lock, parse_lock

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.connected.export import ExportPlan
    from airgap_bundle.connected.locking import Refresh
    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.registry.options import ClientOptions

NOW = dt.datetime(2026, 3, 1, 12, 0, 0, tzinfo=dt.UTC)


def write_manifest(directory: Path, *lines: str) -> Path:
    """A manifest with these lines behind its head."""
    file = directory / "acme.yaml"
    file.write_text("\n".join(("apiVersion: airgap-bundle/v1", "name: acme", "version: 1.0.0", *lines)) + "\n")
    return file


def make_lock(
    manifest: Path,
    *,
    recorder: Recorder | None = None,
    refresh: Refresh | None = None,
    now: dt.datetime = NOW,
    client: ClientOptions | None = None,
) -> Lock:
    """The lock of a manifest, written beside it, and the same when it is read again."""
    kept = recorder or Recorder()
    project = open_project(manifest)
    with workshop(client or options(kept), None, kept.events.append) as shop:
        lock, _ = building.make_lock(project, shop, now, refresh)
    assert parse_lock(dump_lock(lock), "lock") == lock
    return lock


def plan_of(manifest: Path) -> ExportPlan:
    """What a bundle of the manifest and the lock beside it would hold."""
    project = open_project(manifest)
    assert project.lock is not None
    with workshop(options(), None, Recorder().events.append) as shop:
        return building.plan_build(project, project.lock, shop, docker_manifest=True, now=NOW)
