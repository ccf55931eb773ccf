"""Builds a bundle from a lock: plan, fetch, write, sign.

Every offset is known before the first layer is fetched, so each byte is read once from its source, hashed on the way,
and written once, at its place. Design section 6; the bytes are described in bundle/FORMAT.md.
"""

from __future__ import annotations

import datetime as dt
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.bundle import layout, signatures, views
from airgap_bundle.bundle.inventory import Inventory, MemberEntry, bundle_id, dump_inventory
from airgap_bundle.bundle.layout import Layout, lay_out, member_bytes
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import read_head
from airgap_bundle.bundle.signing import add_signature
from airgap_bundle.bundle.writer import PartialFile, StreamFile
from airgap_bundle.core.content import Digest, new_buffer
from airgap_bundle.core.errors import BundleError, UsageError
from airgap_bundle.core.report import PhaseFinished, PhaseStarted
from airgap_bundle.manifest.lock import dump_lock
from airgap_bundle.transfer.journal import Journal
from airgap_bundle.transfer.scheduler import run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from airgap_bundle.bundle.inventory import BlobEntry
    from airgap_bundle.connected.contents import Contents
    from airgap_bundle.connected.fetching import Fetcher
    from airgap_bundle.connected.signing import Signer
    from airgap_bundle.manifest.locked import Lock


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportPlan:
    """A bundle that could be written: what is in it, and where each byte of it will lie.

    `head` is everything in front of the signature area; the inventory's bytes are in it.
    """

    inventory: Inventory
    inventory_raw: bytes = field(repr=False)
    head: bytes = field(repr=False)
    layout: Layout
    contents: Contents = field(repr=False)

    @property
    def bundle_id(self) -> Digest:
        """The name that the bundle will have."""
        return bundle_id(self.inventory_raw)


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A bundle that was written. `existed`: it was there already. `resumed_bytes` were there from an earlier run."""

    plan: ExportPlan
    existed: bool = False
    resumed_bytes: int = 0


def plan_export(manifest_raw: bytes, lock: Lock, contents: Contents, *, docker_manifest: bool = True) -> ExportPlan:
    """Lay out the bundle for a lock. The same lock, manifest and option give the same plan, whoever makes it."""
    members = [(layout.INDEX, views.index_json(contents.items))]
    if docker_manifest:
        members.append((layout.DOCKER_MANIFEST, views.docker_manifest(contents.images)))
    members += [(layout.MANIFEST, manifest_raw), (layout.LOCK, dump_lock(lock))]
    inventory = Inventory(
        name=lock.name,
        version=lock.version,
        audience=lock.audience,
        sequence=lock.sequence,
        created=_moment(lock.created),
        expires=_moment(lock.expires) if lock.expires else None,
        members=tuple(MemberEntry(name=name, digest=Digest.of(data), size=len(data)) for name, data in members),
        items=contents.items,
        blobs=contents.blobs,
    )
    inventory_raw = dump_inventory(inventory)
    head = b"".join(
        member_bytes(name, data)
        for name, data in [
            (layout.OCI_LAYOUT, layout.OCI_LAYOUT_CONTENT),
            *members,
            (layout.INVENTORY, inventory_raw),
        ]
    )
    return ExportPlan(
        inventory=inventory,
        inventory_raw=inventory_raw,
        head=head,
        layout=lay_out(len(head) + layout.SIGNATURE_AREA_BYTES, contents.blobs),
        contents=contents,
    )


def build_file(
    plan: ExportPlan, out: Path, fetcher: Fetcher, signers: Sequence[Signer], *, executor: Executor, workers: int
) -> Built:
    """Write the bundle into a new file.

    1. A file of that name with this very bundle in it only gets the signatures; with anything else it is refused.
    2. Check the space; take up what an earlier run of the same plan left.
    3. Write the head, with an empty signature area.
    4. Fetch the blobs in parallel, largest first, each to its place; remember those that are on the medium.
    5. End the archive, sign, flush, and only then give the file its name.
    """
    if _exists_already(plan, out):
        for signer in signers:
            add_signature(out, signer.sign(plan.inventory_raw))
        return Built(plan=plan, existed=True)
    file = PartialFile(out)
    with closing(file):
        journal = Journal(
            out.with_name(out.name + ".partial.journal"),
            plan.bundle_id,
            plan.layout.total_bytes,
            held_bytes=file.size,
        )
        with closing(journal):
            if not journal.finished:
                file.reset(0)
            file.check_space(plan.layout.total_bytes)
            file.resize(plan.layout.total_bytes)
            file.write_at(0, plan.head, signatures.build_area(()))
            waiting = [blob for blob in plan.inventory.blobs if blob.digest not in journal.finished]
            checkpoint = _Checkpoint(file, journal)
            title = "Fetching"
            fetcher.report(
                PhaseStarted(title=title, total_bytes=sum(b.size for b in waiting), total_items=len(waiting))
            )
            run_all(
                [_fetching(plan, fetcher, file, checkpoint, blob) for blob in _largest_first(waiting)],
                executor=executor,
                workers=min(workers, max(1, len(waiting))),
                cancellation=fetcher.cancellation,
                abort=fetcher.sources.close,
            )
            checkpoint.save()
            fetcher.report(PhaseFinished(title=title))
            made = [signer.sign(plan.inventory_raw) for signer in signers]
            file.write_at(len(plan.head), signatures.build_area(made))
            file.publish()
            journal.path.unlink(missing_ok=True)
    return Built(plan=plan, resumed_bytes=plan.inventory.total_bytes - sum(blob.size for blob in waiting))


def build_stream(plan: ExportPlan, stream: StreamFile, fetcher: Fetcher, signers: Sequence[Signer]) -> Built:
    """Send the bundle down a pipe, in order and signed before the first blob.

    What goes wrong on the way leaves the stream without its end, and no reader takes it for a bundle.
    """
    title = "Sending"
    fetcher.report(
        PhaseStarted(title=title, total_bytes=plan.inventory.total_bytes, total_items=len(plan.inventory.blobs))
    )
    stream.write(plan.head)
    stream.write(signatures.build_area([signer.sign(plan.inventory_raw) for signer in signers]))
    buffer = new_buffer()
    for blob in plan.inventory.blobs:
        stream.write(plan.layout.extents[blob.digest].header)
        fetcher.fetch(blob, stream, buffer)
        stream.pad(blob.size)
    stream.end()
    fetcher.report(PhaseFinished(title=title))
    return Built(plan=plan)


# Data between two flushes: often enough that a crash costs seconds, seldom enough to cost nothing.
_CHECKPOINT_BYTES = 256 * 1024 * 1024


class _Checkpoint:
    """Collects finished blobs, and writes them to the journal once their data are on the medium."""

    def __init__(self, file: PartialFile, journal: Journal) -> None:
        self._file = file
        self._journal = journal
        self._lock = threading.Lock()
        self._pending: list[Digest] = []
        self._bytes = 0

    def finished(self, blob: BlobEntry) -> None:
        """The data of this blob were written."""
        with self._lock:
            self._pending.append(blob.digest)
            self._bytes += blob.size
            if self._bytes < _CHECKPOINT_BYTES:
                return
            pending, self._pending, self._bytes = self._pending, [], 0
        # Outside the lock: the other workers go on writing while this one waits for the medium.
        self._file.flush()
        self._journal.add(pending)

    def save(self) -> None:
        """Everything that was finished is on the medium when this returns."""
        self._file.flush()
        self._journal.add(self._pending)
        self._pending = []


def _fetching(
    plan: ExportPlan, fetcher: Fetcher, file: PartialFile, checkpoint: _Checkpoint, blob: BlobEntry
) -> Callable[[memoryview], None]:
    def job(buffer: memoryview) -> None:
        sink = file.blob_sink(plan.layout.extents[blob.digest])
        fetcher.fetch(blob, sink, buffer)
        sink.finish()
        checkpoint.finished(blob)

    return job


def _largest_first(blobs: Sequence[BlobEntry]) -> list[BlobEntry]:
    """The longest transfer starts first, so that none is left over at the end."""
    return sorted(blobs, key=lambda blob: -blob.size)


def _exists_already(plan: ExportPlan, out: Path) -> bool:
    if not out.exists():
        return False
    try:
        with closing(FileMedium(out)) as medium:
            same = read_head(medium).bundle_id == plan.bundle_id and medium.size == plan.layout.total_bytes
    except BundleError:
        same = False
    if not same:
        raise UsageError(
            "AB-USAGE-OUTPUT-EXISTS",
            f"{out} exists and is not this bundle",
            hint="move it away or choose another name: a bundle is never overwritten",
        )
    return True


def _moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
