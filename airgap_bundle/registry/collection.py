"""Sets free what no tag reaches any more in a registry directory, while it is being served and written to.

A tag keeps its manifest, the children of that, their blobs, and everything attached to any of them; tags themselves are
never removed. What was stored, or asked for by somebody who may push, within a time of grace stays too: that is a push
under way. Per repository, the decision and the removal happen while its manifests and tags stand still, and a manifest
is stored in the same way together with the check that its parts are there. Content that no repository has goes last.
Killed at any moment it leaves a registry that is whole, and the next run goes on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.core.oci import INDEX_TYPES, parse_document
from airgap_bundle.registry import durable
from airgap_bundle.registry.directory import EntryKind
from airgap_bundle.registry.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airgap_bundle.registry.directory import RegistryDirectory

_COLLECTOR_FILE = "collector.lock"
# Longer than the longest push that somebody may interrupt at night and go on with in the morning.
GRACE_SECONDS = 24 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Waste:
    """What a repository need not hold: manifests, those with children first, and blobs."""

    repository: str
    manifests: tuple[Digest, ...]
    blobs: tuple[Digest, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Collection:
    """What can go, or has gone: from repositories, and content that none of them has any more, with its bytes.

    `damaged` are repositories that hold something unreadable; nothing of them is touched.
    """

    repositories: tuple[Waste, ...]
    contents: tuple[Digest, ...]
    total_bytes: int
    damaged: tuple[str, ...] = ()


class Collector:
    """Looks for waste in one directory, and removes it.

    `needed` are manifests that stay although no tag may name them, by repository. Only what is older than
    `older_than` (time of day, seconds) is waste. Every method raises `HostError` for what the disk refuses.
    """

    def __init__(
        self, storage: RegistryDirectory, *, older_than: float, needed: Mapping[str, frozenset[Digest]] | None = None
    ) -> None:
        self._storage = storage
        self._older_than = older_than
        self._needed = dict(needed or {})

    def plan(self) -> Collection:
        """Find what can go. Changes nothing."""
        wasted: list[Waste] = []
        damaged: list[str] = []
        kept: set[Digest] = set()
        for repository in self._storage.repositories():
            with self._storage.at_rest(repository):
                waste = self._waste(repository)
                kept |= (
                    self._held(repository) - set(waste.manifests if waste else ()) - set(waste.blobs if waste else ())
                )
            if waste is None:
                damaged.append(repository)
            elif waste.manifests or waste.blobs:
                wasted.append(waste)
        contents, total = self._unheld(kept)
        return Collection(repositories=tuple(wasted), contents=contents, total_bytes=total, damaged=tuple(damaged))

    def run(self, plan: Collection) -> Collection:
        """Remove what the plan names, unless it is needed by now; what has gone. Waits for another that is at it."""
        with durable.locked(self._storage.root / _COLLECTOR_FILE):
            return self._run(plan)

    def _run(self, plan: Collection) -> Collection:
        wasted = [waste for planned in plan.repositories if (waste := self._clear(planned)) is not None]
        held = {digest for repository in self._storage.repositories() for digest in self._held(repository)}
        gone: list[Digest] = []
        total = 0
        for digest in plan.contents:
            if digest not in held and (freed := self._storage.contents.discard(digest, older_than=self._older_than)):
                gone.append(digest)
                total += freed
        Uploads(self._storage.contents).sweep()
        return Collection(repositories=tuple(wasted), contents=tuple(gone), total_bytes=total, damaged=plan.damaged)

    def _clear(self, planned: Waste) -> Waste | None:
        gone: dict[EntryKind, list[Digest]] = {EntryKind.MANIFEST: [], EntryKind.BLOB: []}
        with self._storage.at_rest(planned.repository):
            # Again from the start where one was asked for at this moment: what it needs is needed too.
            while not self._clear_once(planned, gone):
                pass
        manifests, blobs = tuple(gone[EntryKind.MANIFEST]), tuple(gone[EntryKind.BLOB])
        return Waste(repository=planned.repository, manifests=manifests, blobs=blobs) if manifests or blobs else None

    def _clear_once(self, planned: Waste, gone: dict[EntryKind, list[Digest]]) -> bool:
        """Take what is planned and still waste; `False` where a manifest turns out to be in use."""
        now = self._waste(planned.repository)
        if now is None:
            return True
        # Before the blobs that they name, so that none is ever there without its parts.
        for digest in (digest for digest in now.manifests if digest in set(planned.manifests)):
            if not self._take(planned.repository, digest, EntryKind.MANIFEST):
                return False
            gone[EntryKind.MANIFEST].append(digest)
        for digest in set(planned.blobs) & set(now.blobs):
            if self._take(planned.repository, digest, EntryKind.BLOB):
                gone[EntryKind.BLOB].append(digest)
        gone[EntryKind.BLOB].sort()
        return True

    def _take(self, repository: str, digest: Digest, kind: EntryKind) -> bool:
        return self._storage.take(repository, digest, kind, older_than=self._older_than)

    def _waste(self, repository: str) -> Waste | None:
        """What the repository need not hold; `None` where that cannot be told."""
        manifests = self._storage.entries(repository, EntryKind.MANIFEST)
        blobs = self._storage.entries(repository, EntryKind.BLOB)
        try:
            kept_manifests, kept_blobs = self._reached(repository, manifests)
        except (RegistryError, InvalidValueError):
            return None
        old = [digest for digest in sorted(manifests) if digest not in kept_manifests]
        return Waste(
            repository=repository,
            manifests=tuple(sorted(old, key=lambda digest: not self._is_index(repository, digest))),
            blobs=tuple(
                digest for digest, used in sorted(blobs.items()) if digest not in kept_blobs and used < self._older_than
            ),
        )

    def _reached(self, repository: str, manifests: Mapping[Digest, float]) -> tuple[set[Digest], set[Digest]]:
        """The manifests and the blobs that a tag, a young manifest or somebody's need leads to."""
        roots = {digest for digest, stored in manifests.items() if stored >= self._older_than}
        roots |= self._needed.get(repository, frozenset())
        for tag in self._storage.tags(repository):
            held = self._storage.find_manifest(repository, tag)
            if held is not None:
                roots.add(held.digest)
        reached: set[Digest] = set()
        blobs: set[Digest] = set()
        waiting = sorted(roots)
        while waiting:
            digest = waiting.pop()
            held = self._storage.find_manifest(repository, digest)
            if digest in reached:
                continue
            reached.add(digest)
            waiting += [Digest(entry["digest"]) for entry in self._storage.referrers(repository, digest)]
            if held is None:
                # A child that is a plain blob, as BuildKit's caches have.
                blobs.add(digest)
                continue
            document = parse_document(self._storage.read_manifest(held), held.media_type)
            waiting += [child.descriptor.digest for child in document.children]
            blobs |= {blob.digest for blob in document.blobs}
        return reached, blobs

    def _is_index(self, repository: str, digest: Digest) -> bool:
        held = self._storage.find_manifest(repository, digest)
        return held is not None and held.media_type in INDEX_TYPES

    def _held(self, repository: str) -> set[Digest]:
        return {digest for kind in EntryKind for digest in self._storage.entries(repository, kind)}

    def _unheld(self, held: set[Digest]) -> tuple[tuple[Digest, ...], int]:
        old = {
            digest: found.st_size
            for digest, found in self._storage.contents.all_digests()
            if digest not in held and found.st_mtime < self._older_than
        }
        return tuple(sorted(old)), sum(old.values())


def grace_begins(grace_seconds: float = GRACE_SECONDS) -> float:
    """The time of day before which waste may go."""
    return time.time() - grace_seconds
