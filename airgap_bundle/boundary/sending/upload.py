"""Carries out the blobs of a plan: uploads once, mounts elsewhere, and puts each image as soon as it is complete.

From a file several workers read at once; from a stream one at a time, in its order. More uploads are begun than send:
while the registry opens one or ends another, a third has the line. What mostly waits for answers (small blobs, mounts,
image manifests) is done besides by many, so that round trips do not add up. Either way a blob's last piece leaves only
when its hash matches (`copy_verified`), so the destination never commits a damaged one.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.boundary.sending.reading_back import open_there
from airgap_bundle.bundle.distant import Distant, is_within_reach, passes_over
from airgap_bundle.core.content import BytesSource
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.core.report import BytesMoved, ItemFinished, ItemStarted, Reporter
from airgap_bundle.transfer.reading import pass_by
from airgap_bundle.transfer.scheduler import WAKE_SECONDS, LightJobs
from airgap_bundle.transfer.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from airgap_bundle.bundle.inventory import BlobEntry
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
    """What was done so far. Outcomes are those of receipts: pushed, mounted, present.

    `anchors` are the tags of ours (repository, tag) that were not there before, or named something else.
    """

    blobs_pushed: int = 0
    blobs_mounted: int = 0
    blobs_present: int = 0
    bytes_sent: int = 0
    anchors: list[tuple[str, str]] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class Uploader:
    """The state of one execution of a plan. `senders` is how many large blobs may be on the line at once."""

    plan: PushPlan
    reader: BundleReader
    registry: Registry
    report: Reporter
    cancellation: Cancellation
    senders: int
    sent: Sent = field(default_factory=Sent)
    light: LightJobs = field(init=False)
    """What mostly waits: to be done besides `heavy_jobs`. It grows while they run."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _probe: threading.Lock = field(default_factory=threading.Lock)
    _line: threading.Semaphore = field(init=False)
    _turns: Turns = field(init=False)
    _mounts: bool | None = None
    _waiting: dict[int, int] = field(default_factory=dict)
    _users: dict[Digest, Target | None] = field(default_factory=dict)
    _shared: dict[tuple[str, Digest], list[Target]] = field(default_factory=dict)
    """For blobs of several images, those of each repository; `_users` has None for them. Most blobs have one user."""
    _missing: frozenset[tuple[str, Digest]] = frozenset()

    def __post_init__(self) -> None:
        """Count for each image how many blobs it waits for. What is there already is no work for anybody."""
        self._missing = frozenset((name, move.digest) for move in self.plan.blobs for name in move.missing)
        self.sent.blobs_present = sum(1 for move in self.plan.blobs if not move.missing)
        self._line = threading.Semaphore(self.senders)
        self._turns = Turns(cancellation=self.cancellation)
        self.light = LightJobs(self._light_jobs())
        for target in self.plan.targets:
            lacking = {blob.digest for blob in target.blobs if (target.repository, blob.digest) in self._missing}
            self._waiting[id(target)] = len(lacking)
            for digest in lacking:
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
        """One job for each large blob of a file that has to be sent; for each blob of a stream, in its order."""
        if self.reader.medium.seekable:
            yield from (self._carrying(move, self._on_the_line) for move in self.plan.blobs if self._is_heavy(move))
            return
        moves = {move.digest: move for move in self.plan.blobs if move.missing}
        for number, entry in enumerate(self.reader.inventory.blobs):
            yield self._passing(number, entry, moves.get(entry.digest))

    def _light_jobs(self) -> Iterator[Callable[[memoryview], None]]:
        """One job for each image that waits for no blob, and one for each other blob that is missing somewhere.

        Of a stream only for what it leaves out: that is there, and spreads from where it is.
        """
        for target in self.plan.targets:
            if self._waiting[id(target)] == 0:
                yield self._putting(target)
        is_file, left_out = self.reader.medium.seekable, {entry.digest for entry in self.reader.inventory.assumed}
        for move in self.plan.blobs:
            if move.missing and (not self._is_heavy(move) if is_file else move.digest in left_out):
                yield self._carrying(move, self.reader.open_blob)

    def _is_heavy(self, move: BlobMove) -> bool:
        return move.size >= _LIGHT_BYTES and bool(move.missing) and not move.source

    def _putting(self, target: Target) -> Callable[[memoryview], None]:
        def job(_buffer: memoryview) -> None:
            self._put(target)

        return job

    def _carrying(
        self, move: BlobMove, open_blob: Callable[[Digest], AbstractContextManager[Source]]
    ) -> Callable[[memoryview], None]:
        def job(buffer: memoryview) -> None:
            self._carry(move, buffer, lambda: open_blob(move.digest))

        return job

    @contextmanager
    def _on_the_line(self, digest: Digest) -> Iterator[Source]:
        """Read a blob of a file once the line is free for it, until its last byte has left."""
        while not self._line.acquire(timeout=WAKE_SECONDS):
            self.cancellation.check()
        try:
            with self.reader.open_blob(digest) as source:
                yield source
        finally:
            self._line.release()

    def _carry(self, move: BlobMove, buffer: memoryview, open_source: OpenSource) -> None:
        """Bring one blob to a repository that needs it; from there it spreads to the others as light jobs."""
        self.cancellation.check()
        source, missing = move.source, move.missing
        if not source:
            source, missing = missing[0], missing[1:]
            self._upload(move, source, buffer, open_source)
            self._arrived(source, move.digest)
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

    def _passing(self, number: int, entry: BlobEntry, move: BlobMove | None) -> Callable[[memoryview], None]:
        """Read a blob of a stream when its turn comes, check it, and send it where it is missing."""

        def job(buffer: memoryview) -> None:
            if move is not None:
                self._carry(move, buffer, self._once(number, entry, move, buffer))
            if not self._turns.is_over(number):
                # Nobody needs it, or it got there in another way while we asked.
                self._pass_by(number, entry, buffer)

        return job

    def check_end(self) -> None:
        """The archive ends where it should. For that alone no further volume is asked for."""
        if is_within_reach(self.reader.medium, self.reader.layout.end_at):
            self.reader.check_end()

    def _is_left_out(self, digest: Digest) -> bool:
        """Whether a blob that nobody lacks is not read: of volumes that come one after another, as of a file.

        Each volume costs somebody a walk.
        """
        return passes_over(self.reader.medium) and not self.reader.is_wanted(digest)

    def _pass_by(self, number: int, entry: BlobEntry, buffer: memoryview) -> None:
        with self._turns.turn(number):
            if self.reader.loaded(entry.digest) is None and not self._is_left_out(entry.digest):
                pass_by(self.reader, entry, buffer)

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

    def _once(self, number: int, entry: BlobEntry, move: BlobMove, buffer: memoryview) -> OpenSource:
        """A blob of a stream can be read once; a small one is kept so that an upload can start anew.

        A large one that some repository has passes by: it is mounted from there, or read from there. So does any where
        somebody would have to fetch its volume.
        """
        document = self.reader.loaded(move.digest)
        is_dear = move.size > len(buffer) or passes_over(self.reader.medium)
        if document is not None or (move.source and is_dear):
            self._pass_by(number, entry, buffer)
        elif move.size <= len(buffer):
            with self._turns.turn(number):
                document = self.reader.read_blob(move.digest)
        if document is not None:
            return lambda: nullcontext(BytesSource(document))
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
            with self._turns.turn(number):
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
            # Noted first: an answer may be lost where the registry has done it.
            self.sent.anchors.append((target.repository, target.anchor))
            self.registry.put_manifest(target.repository, target.anchor, target.top)
