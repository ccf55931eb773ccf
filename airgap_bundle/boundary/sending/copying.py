"""Copies the blobs and images of a plan from one registry to another, each blob hashed before its last piece leaves."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.content import ContentMismatchError
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.core.report import BytesMoved, PhaseFinished, PhaseStarted
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from airgap_bundle.core.report import Reporter
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.transfer.plan import BlobMove, PushPlan, Target

_LABEL_DIGITS = 12


@dataclass(kw_only=True, slots=True)
class Copier:
    """One copy. `from_repository` says where a repository of the destination comes from; the counts are what was done.

    In one and the same registry blobs are mounted, where it lets them be.
    """

    plan: PushPlan
    source: Registry
    registry: Registry
    from_repository: Callable[[str], str]
    is_same_registry: bool
    report: Reporter
    sent: int = 0
    mounted: int = 0
    present: int = 0
    bytes_sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _cancellation: Cancellation = field(default_factory=Cancellation)

    def run(self, executor: Executor, workers: int) -> None:
        """All blobs, then all images: children by digest first, the item's own under its anchor."""
        title = "Copying"
        self.report(PhaseStarted(title=title, total_bytes=self.plan.upload_bytes, total_items=self.plan.upload_count))
        for jobs in (map(self._carrying, self.plan.blobs), map(self._putting, self.plan.targets)):
            run_all(
                jobs, executor=executor, workers=workers, cancellation=self._cancellation, abort=self.registry.close
            )
        self.report(PhaseFinished(title=title))

    def _carrying(self, move: BlobMove) -> Callable[[memoryview], None]:
        def job(buffer: memoryview) -> None:
            there = next((name for name in move.repositories if name in move.held), "")
            for repository in move.missing:
                mountable = there or (self.from_repository(repository) if self.is_same_registry else "")
                if mountable and self.registry.mount_blob(repository, move.digest, mountable):
                    self._count(mounted=1)
                else:
                    self._send(move, repository, buffer)
                there = there or repository
            if not move.missing:
                self._count(present=1)

        return job

    def _send(self, move: BlobMove, repository: str, buffer: memoryview) -> None:
        label = move.digest.encoded[:_LABEL_DIGITS]

        def moved(count: int) -> None:
            self._cancellation.check()
            self.report(BytesMoved(name=label, count=count))

        try:
            self.registry.push_blob(
                repository,
                move.digest,
                move.size,
                lambda: self.source.open_blob(self.from_repository(repository), move.digest, move.size),
                buffer=buffer,
                moved=moved,
            )
        except ContentMismatchError as error:
            raise RegistryError(
                "AB-REGISTRY-CONTENT",
                f"{self.source.name} sends other bytes for {move.digest} than it should: {error}",
                hint="its storage is damaged; airgap-import drift --deep finds what else is",
            ) from error
        self._count(sent=1, bytes_sent=move.size)

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, count in more.items():
                setattr(self, name, getattr(self, name) + count)

    def _putting(self, target: Target) -> Callable[[memoryview], None]:
        def job(_buffer: memoryview) -> None:
            for document in target.documents[:-1]:
                if self.registry.head_manifest(target.repository, document.descriptor.digest) is None:
                    self.registry.put_manifest(target.repository, document.descriptor.digest, document)
            top = target.top.descriptor.digest
            present = self.registry.head_manifest(target.repository, target.anchor or top)
            if present is None or present.digest != top:
                self.registry.put_manifest(target.repository, target.anchor or top, target.top)

        return job
