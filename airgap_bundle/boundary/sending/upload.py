"""Carries out the blobs of a plan: uploads once, mounts elsewhere, and puts each image as soon as it is complete.

From a file several workers read at once; from a stream one reads everything in order. What mostly waits for answers
(small blobs, mounts, image manifests) is done besides by many, so that round trips do not add up. Either way a blob's
last piece leaves only when its hash matches (`copy_verified`), so the destination never commits a damaged one.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.boundary.sending.reading_back import open_there
from airgap_bundle.bundle.distant import Distant
from airgap_bundle.core.content import BytesSource, copy_verified
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.core.report import BytesMoved, ItemFinished, ItemStarted, Reporter
from airgap_bundle.transfer.reading import Nowhere
from airgap_bundle.transfer.scheduler import LightJobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from airgap_bundle.bundle.reader import BundleReader
    from airgap_bundle.core.content import Digest, Source
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.transfer.plan import BlobMove, PushPlan, Target
    from airgap_bundle.transfer.scheduler import Cancellation

    OpenSource = Callable[[], AbstractContextManager[Source]]

_LABEL_DIGITS = 12
# Below this a blob is on the line for less time than its two round trips take on most networks.
_LIGHT_BYTES = 1024 * 1024


@dataclass(kw_only=True, slots=True)
class Sent:
    """What was done so far. Outcomes are those of receipts: pushed, mounted, present."""

    blobs_pushed: int = 0
    blobs_mounted: int = 0
    blobs_present: int = 0
    bytes_sent: int = 0


@dataclass(kw_only=True, slots=True)
class Uploader:
    """The state of one execution of a plan."""

    plan: PushPlan
    reader: BundleReader
    registry: Registry
    report: Reporter
    cancellation: Cancellation
    sent: Sent = field(default_factory=Sent)
    light: LightJobs = field(init=False)
    """What mostly waits: to be done besides `heavy_jobs`. It grows while they run."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _probe: threading.Lock = field(default_factory=threading.Lock)
    _mounts: bool | None = None
    _waiting: dict[int, int] = field(default_factory=dict)
    _users: dict[Digest, Target | None] = field(default_factory=dict)
    _shared: dict[tuple[str, Digest], list[Target]] = field(default_factory=dict)
    """For blobs of several images, those of each repository; `_users` has None for them. Most blobs have one user."""
    _missing: frozenset[tuple[str, Digest]] = frozenset()

    def __post_init__(self) -> None:
        """Count for each image how many blobs it waits for."""
        self._missing = frozenset((name, move.digest) for move in self.plan.blobs for name in move.missing)
        self.light = LightJobs(self._light_jobs() if self.reader.medium.seekable else ())
        for target in self.plan.targets:
            blobs = {blob.digest for blob in target.blobs}
            self._waiting[id(target)] = len(blobs)
            for digest in blobs:
                self._note_user(digest, target)

    def _note_user(self, digest: Digest, target: Target) -> None:
        if digest not in self._users:
            self._users[digest] = target
            return
        first = self._users[digest]
        if first is not None:
            self._shared[first.repository, digest] = [first]
            self._users[digest] = None
        self._shared.setdefault((target.repository, digest), []).append(target)

    def heavy_jobs(self) -> Iterator[Callable[[memoryview], None]]:
        """One job for each large blob that has to be sent. For a file."""
        return (self._carrying(move) for move in self.plan.blobs if self._is_heavy(move))

    def _light_jobs(self) -> Iterator[Callable[[memoryview], None]]:
        """One job for each other blob, and one for each image that needs none."""
        for target in self.plan.targets:
            if self._waiting[id(target)] == 0:
                yield self._putting(target)
        for move in self.plan.blobs:
            if not self._is_heavy(move):
                yield self._carrying(move)

    def _is_heavy(self, move: BlobMove) -> bool:
        return move.size >= _LIGHT_BYTES and bool(move.missing) and not move.source

    def _putting(self, target: Target) -> Callable[[memoryview], None]:
        def job(_buffer: memoryview) -> None:
            self._put(target)

        return job

    def _carrying(self, move: BlobMove) -> Callable[[memoryview], None]:
        def job(buffer: memoryview) -> None:
            self.carry(move, buffer, lambda: self.reader.open_blob(move.digest))

        return job

    def carry(self, move: BlobMove, buffer: memoryview, open_source: OpenSource) -> None:
        """Bring one blob to a repository that needs it; from there it spreads to the others as light jobs."""
        self.cancellation.check()
        source, missing = move.source, move.missing
        if not source:
            source, missing = missing[0], missing[1:]
            self._upload(move, source, buffer, open_source)
            self._arrived(source, move.digest)
        elif not missing:
            with self._lock:
                self.sent.blobs_present += 1
        for repository in move.held:
            self._arrived(repository, move.digest)
        for repository in missing:
            self.light.add(self._spreading(move, repository, source, open_source))

    def _spreading(
        self, move: BlobMove, repository: str, source: str, open_source: OpenSource
    ) -> Callable[[memoryview], None]:
        def job(buffer: memoryview) -> None:
            self.cancellation.check()
            if not self._mount(move, repository, source):
                # Many do this at once where a registry cannot mount: small pieces keep memory small.
                self._upload(move, repository, buffer[:_LIGHT_BYTES], self._again(move, source, open_source))
            self._arrived(repository, move.digest)

        return job

    def stream(self, buffer: memoryview) -> None:
        """Read every blob of a stream in its order, checking all of them and sending what is missing."""
        moves = {move.digest: move for move in self.plan.blobs}
        for target in self.plan.targets:
            if self._waiting[id(target)] == 0:
                self.light.add(self._putting(target))
        for entry in self.reader.inventory.assumed:
            if entry.digest in moves:
                # It does not come: it is there, and spreads from where it is.
                self._carrying(moves[entry.digest])(buffer)
        for entry in self.reader.inventory.blobs:
            self.cancellation.check()
            move = moves.get(entry.digest)
            if move is not None:
                self.carry(move, buffer, self._once(move, buffer))
            elif self.reader.loaded(entry.digest) is None:
                self._pass_by(entry.digest, entry.size, buffer)

    def _pass_by(self, digest: Digest, size: int, buffer: memoryview) -> None:
        """Read a blob of a stream that nobody needs: it is checked all the same, and the next one comes behind it."""
        with self.reader.open_blob(digest) as source, self.reader.damage_of(digest):
            copy_verified(source, Nowhere(), digest=digest, size=size, buffer=buffer)

    def _mount(self, move: BlobMove, repository: str, source: str) -> bool:
        """Try a mount; the first answer decides whether this registry is asked for more."""
        with self._probe if self._mounts is None else nullcontext():
            if self._mounts is False:
                return False
            mounted = self.registry.mount_blob(repository, move.digest, source)
            if self._mounts is None:
                self._mounts = mounted
        if mounted:
            with self._lock:
                self.sent.blobs_mounted += 1
        return mounted

    def _upload(self, move: BlobMove, repository: str, buffer: memoryview, open_source: OpenSource) -> None:
        label = f"{repository.rpartition('/')[2]} {move.digest.encoded[:_LABEL_DIGITS]}"
        self.report(ItemStarted(name=label, size=move.size))

        def moved(count: int) -> None:
            self.cancellation.check()
            self.report(BytesMoved(name=label, count=count))

        with self.reader.damage_of(move.digest):
            self.registry.push_blob(repository, move.digest, move.size, open_source, buffer=buffer, moved=moved)
        with self._lock:
            self.sent.blobs_pushed += 1
            self.sent.bytes_sent += move.size
        self.report(ItemFinished(name=label, outcome="uploaded"))

    def _again(self, move: BlobMove, source: str, open_source: OpenSource) -> OpenSource:
        """Where a second upload reads from: the file again, or the repository that has it now.

        The latter where the file is far away, and for what a delta leaves out.
        """
        is_at_hand = self.reader.medium.seekable and not isinstance(self.reader.medium, Distant)
        if is_at_hand and move.digest in self.reader.layout.extents:
            return open_source
        return lambda: open_there(self.registry, self.plan.destination, source, move.digest, move.size)

    def _once(self, move: BlobMove, buffer: memoryview) -> OpenSource:
        """A blob of a stream can be read once; a small one is kept so that an upload can start anew.

        What no repository lacks passes by, and so does a large one that some repository has: it is mounted from there,
        or read from there.
        """
        document = self.reader.loaded(move.digest)
        if document is not None:
            return lambda: nullcontext(BytesSource(document))
        if not move.missing or (move.source and move.size > len(buffer)):
            self._pass_by(move.digest, move.size, buffer)
        elif move.size <= len(buffer):
            kept = self.reader.read_blob(move.digest)
            return lambda: nullcontext(BytesSource(kept))
        opened = False

        @contextmanager
        def open_once() -> Iterator[Source]:
            nonlocal opened
            if opened:
                raise RegistryError(
                    "AB-REGISTRY-STREAM-BROKEN",
                    f"the upload of {move.digest} to {self.plan.destination} broke off, and a stream cannot be rewound",
                    hint="send the bundle again; what the destination has is not uploaded twice",
                )
            opened = True
            with self.reader.open_blob(move.digest) as source:
                yield source

        return open_once

    def _arrived(self, repository: str, digest: Digest) -> None:
        """A blob is in: put the images that waited for nothing else."""
        complete = []
        with self._lock:
            only = self._users.get(digest)
            for target in [only] if only is not None else self._shared.get((repository, digest), ()):
                if target.repository == repository:
                    self._waiting[id(target)] -= 1
                    if self._waiting[id(target)] == 0:
                        complete.append(target)
        for target in complete:
            self.light.add(self._putting(target))

    def _put(self, target: Target) -> None:
        """Children by digest first, then the item's own document under its anchor."""
        self.cancellation.check()
        # Where a blob was missing the manifest cannot be there: putting it asks and answers in one.
        is_new = any((target.repository, blob.digest) in self._missing for blob in target.blobs)
        for document in target.documents[:-1]:
            if is_new or self.registry.head_manifest(target.repository, document.descriptor.digest) is None:
                self.registry.put_manifest(target.repository, document.descriptor.digest, document)
        present = None if is_new else self.registry.head_manifest(target.repository, target.anchor)
        if present is None or present.digest != target.top.descriptor.digest:
            self.registry.put_manifest(target.repository, target.anchor, target.top)
