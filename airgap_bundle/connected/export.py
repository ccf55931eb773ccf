"""Builds a bundle from a lock: plan, fetch, write, sign.

Every offset is known before the first layer is fetched, so each byte is read once from its source, hashed on the way,
and written once, at its place. Design section 6; the bytes are described in bundle/FORMAT.md.
"""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.bundle import layout, signatures, views
from airgap_bundle.bundle.beside import read_beside
from airgap_bundle.bundle.inventory import Inventory, MemberEntry, bundle_id, dump_inventory
from airgap_bundle.bundle.layout import Layout, lay_out, member_parts, padding_of
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.ordered import OrderedFile
from airgap_bundle.bundle.reader import read_head
from airgap_bundle.bundle.signing import add_signature
from airgap_bundle.bundle.writer import PartialFile, partial_path
from airgap_bundle.connected.delta import WHOLE, Delta, whole_entries
from airgap_bundle.connected.ordering import write_in_order
from airgap_bundle.connected.placing import Placement, journal_bytes
from airgap_bundle.core.content import Digest, new_buffer
from airgap_bundle.core.errors import BundleError, DocumentError, HostError, InvalidValueError, UsageError
from airgap_bundle.core.report import PhaseFinished, PhaseStarted
from airgap_bundle.manifest.lock import dump_lock
from airgap_bundle.transfer.journal import Journal
from airgap_bundle.transfer.scheduler import run_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from airgap_bundle.bundle.inventory import BlobEntry, Item
    from airgap_bundle.bundle.ordered import StreamFile
    from airgap_bundle.bundle.reader import UnverifiedHead
    from airgap_bundle.bundle.writer import GrowingFile
    from airgap_bundle.connected.contents import Contents
    from airgap_bundle.connected.fetching import Fetcher
    from airgap_bundle.connected.signing import Signer
    from airgap_bundle.manifest.locked import Lock


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportPlan:
    """A bundle that could be written: what is in it, and where each byte of it will lie.

    `head` is everything in front of the signature area, in pieces, as it may be long; the inventory's bytes are one of
    them. `delta` is what was left out of the contents, as the inside is said to hold it.
    """

    inventory: Inventory
    inventory_raw: bytes = field(repr=False)
    head: tuple[bytes, ...] = field(repr=False)
    layout: Layout
    contents: Contents = field(repr=False)
    delta: Delta = WHOLE

    @property
    def bundle_id(self) -> Digest:
        """The name that the bundle will have."""
        return bundle_id(self.inventory_raw)


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A bundle that was written. `existed`: it was there already. `resumed_bytes` were there from an earlier run.

    `volumes` is how many it has, 0 for one file. `unverified_signatures` are the names of those that it had when it was
    there already, in it or beside it.
    """

    plan: ExportPlan
    existed: bool = False
    volumes: int = 0
    resumed_bytes: int = 0
    unverified_signatures: tuple[str, ...] = ()


def plan_export(
    manifest_raw: bytes, lock: Lock, contents: Contents, *, docker_manifest: bool = True, delta: Delta = WHOLE
) -> ExportPlan:
    """Lay out the bundle for a lock. The same lock, manifest and options give the same plan, whoever makes it.

    `contents` are without what `delta` leaves out. `DocumentError` where the lock asks for what no bundle can be.
    """
    whole = whole_entries(contents, delta)
    members = [(layout.INDEX, views.index_json(item for item, _ in whole))]
    if docker_manifest:
        members.append((layout.DOCKER_MANIFEST, views.docker_manifest(one for one in whole if one[0].kind == "image")))
    members += [(layout.MANIFEST, manifest_raw), (layout.LOCK, dump_lock(lock))]
    inventory = _inventory(lock, contents, members, delta)
    inventory_raw = dump_inventory(inventory)
    members = [(layout.OCI_LAYOUT, layout.OCI_LAYOUT_CONTENT), *members, (layout.INVENTORY, inventory_raw)]
    head = tuple(part for name, data in members for part in member_parts(name, data))
    return ExportPlan(
        inventory=inventory,
        inventory_raw=inventory_raw,
        head=head,
        layout=lay_out(sum(map(len, head)) + layout.SIGNATURE_AREA_BYTES, contents.blobs),
        contents=contents,
        delta=delta,
    )


def _inventory(lock: Lock, contents: Contents, members: Sequence[tuple[str, bytes]], delta: Delta) -> Inventory:
    names: dict[tuple[str, str], Item] = {}
    for item in contents.items:
        other = names.setdefault((item.path, item.tag), item) if item.tag else item
        if other is not item:
            raise DocumentError(
                "AB-LOCK-COLLISION",
                f"{other.source} ({other.digest}) and {item.source} ({item.digest}) would both become "
                f"{item.path}:{item.tag} inside",
                hint="name one of them otherwise with `as`, or make the lock anew: airgap-manifest lock --update-all",
            )
    try:
        return Inventory(
            name=lock.name,
            version=lock.version,
            audience=lock.audience,
            sequence=lock.sequence,
            created=_moment(lock.created),
            expires=_moment(lock.expires) if lock.expires else None,
            members=tuple(MemberEntry(name=name, digest=Digest.of(data), size=len(data)) for name, data in members),
            items=contents.items,
            blobs=contents.blobs,
            assumed=delta.assumed,
            base=delta.base,
        )
    except InvalidValueError as error:
        raise DocumentError(
            "AB-LOCK-INVALID",
            f"the lock of {lock.name} asks for a bundle that cannot be: {error}",
            hint="make the lock again with airgap-manifest lock, or several manifests where there is too much for one",
        ) from error


def build_file(
    plan: ExportPlan, out: Path, fetcher: Fetcher, signers: Sequence[Signer], *, executor: Executor, workers: int
) -> Built:
    """Write the bundle into a new file.

    1. A file of that name with this very bundle in it only gets the signatures; with anything else it is refused.
    2. Check that the file may be that long and that there is space; take up what an earlier run of the plan left.
    3. Write the head, with an empty signature area.
    4. Fetch the blobs in parallel, largest first, each to its place; remember those that are on the medium.
       Where the file system knows no holes: sign first, then all in order, so that nothing is written twice.
    5. End the archive, sign, flush, and only then give the file its name.
    """
    # 1.
    head = _find_existing(plan, out)
    if head is not None:
        earlier = tuple(one.name for one in (*head.signatures, *read_beside(out)))
        for signer in signers:
            add_signature(out, signer.sign(plan.inventory_raw))
        _clear_away(out)
        return Built(plan=plan, existed=True, unverified_signatures=earlier)
    with ExitStack() as stack:
        file = stack.enter_context(closing(PartialFile(out)))
        total = plan.layout.total_bytes
        journal = stack.enter_context(closing(Journal(journal_path(out), plan.bundle_id, total, held_bytes=file.size)))
        # 2. to 5.
        resumed = write_growing(plan, file, journal, fetcher, signers, executor=executor, workers=workers)
        file.publish()
        journal.path.unlink(missing_ok=True)
    return Built(plan=plan, resumed_bytes=resumed)


def write_growing(
    plan: ExportPlan,
    file: GrowingFile,
    journal: Journal,
    fetcher: Fetcher,
    signers: Sequence[Signer],
    *,
    executor: Executor,
    workers: int,
) -> int:
    """Steps 2 to 5 of a build: everything but the final name. How many bytes were there from an earlier run."""
    # 2.
    total = plan.layout.total_bytes
    if journal.is_new:
        file.reset(0)
    with _leaving_nothing_empty(file, journal):
        file.check_size(total)
        file.check_space(total, journal_bytes(len(plan.inventory.blobs), total))
    in_order = 0 < file.size < total or (not file.size and not file.keeps_holes())
    placement = Placement(file=file, journal=journal, layout=plan.layout, fetcher=fetcher)
    waiting = [blob for blob in plan.inventory.blobs if blob.digest not in journal.finished]
    title = "Fetching"
    left = sum(blob.size for blob in waiting)
    fetcher.report(PhaseStarted(title=title, total_bytes=left, total_items=fetcher.count(waiting)))
    # 3. to 5.
    if in_order:
        file.write_at(0, *plan.head, signatures.build_area([signer.sign(plan.inventory_raw) for signer in signers]))
        _append_all(plan, placement, executor=executor, workers=workers)
        fetcher.report(PhaseFinished(title=title))
    else:
        file.resize(total)
        file.write_at(0, *plan.head, signatures.build_area(()))
        run_all(
            map(placement.job, _largest_first(waiting)),
            executor=executor,
            workers=min(workers, max(1, len(waiting))),
            cancellation=fetcher.cancellation,
            abort=fetcher.sources.close,
        )
        placement.save()
        fetcher.report(PhaseFinished(title=title))
        made = [signer.sign(plan.inventory_raw) for signer in signers]
        file.write_at(plan.layout.head_bytes - layout.SIGNATURE_AREA_BYTES, signatures.build_area(made))
    return plan.inventory.total_bytes - left + placement.reused_bytes


def build_stream(
    plan: ExportPlan,
    stream: StreamFile,
    fetcher: Fetcher,
    signers: Sequence[Signer],
    *,
    executor: Executor,
    workers: int,
) -> Built:
    """Send the bundle down a pipe, in order and signed before the first blob.

    What goes wrong on the way leaves the stream without its end, and no reader takes it for a bundle.
    """
    title = "Sending"
    fetcher.report(
        PhaseStarted(
            title=title, total_bytes=plan.inventory.total_bytes, total_items=fetcher.count(plan.inventory.blobs)
        )
    )
    for part in plan.head:
        stream.write(part)
    stream.write(signatures.build_area([signer.sign(plan.inventory_raw) for signer in signers]))
    write_in_order(plan.inventory.blobs, stream, plan.layout, fetcher, executor=executor, workers=workers)
    stream.end()
    fetcher.report(PhaseFinished(title=title))
    return Built(plan=plan)


def journal_path(out: Path) -> Path:
    """Where the journal of a growing bundle lies."""
    return out.with_name(out.name + ".partial.journal")


def _append_all(plan: ExportPlan, placement: Placement, *, executor: Executor, workers: int) -> None:
    """All blobs in order, at the end of the file; those that an earlier run wrote are hashed again where they lie."""
    blobs, buffer = plan.inventory.blobs, new_buffer()
    ready = 0
    while ready < len(blobs) and placement.complete(blobs[ready], buffer):
        end = plan.layout.extents[blobs[ready].digest].data_end
        placement.file.write_at(end, bytes(padding_of(blobs[ready].size)))
        placement.finished(blobs[ready])
        ready += 1
    rest = blobs[ready:]
    position = plan.layout.extents[rest[0].digest].header_at if rest else plan.layout.end_at
    out = OrderedFile(placement.file, position)
    write_in_order(
        rest,
        out,
        plan.layout,
        placement.fetcher,
        executor=executor,
        workers=workers,
        advanced=placement.advanced,
        finished=placement.finished,
    )
    out.end()
    placement.save()


def _largest_first(blobs: Sequence[BlobEntry]) -> list[BlobEntry]:
    """The longest transfer starts first, so that none is left over at the end."""
    return sorted(blobs, key=lambda blob: -blob.size)


@contextmanager
def _leaving_nothing_empty(file: GrowingFile, journal: Journal) -> Iterator[None]:
    """What is refused within, before anything was written, leaves no empty file behind."""
    try:
        yield
    except HostError:
        if not file.size:
            journal.path.unlink(missing_ok=True)
            file.discard()
        raise


def _clear_away(out: Path) -> None:
    """Remove what a run left that was killed right after it had given the file its name.

    Then the growing file is a second name of the finished one, which `PartialFile` takes away, or is gone.
    """
    if partial_path(out).exists() or journal_path(out).exists():
        with closing(PartialFile(out)) as file:
            if not file.size:
                journal_path(out).unlink(missing_ok=True)
                file.discard()


def _find_existing(plan: ExportPlan, out: Path) -> UnverifiedHead | None:
    """The head of this very bundle where it is there already; `UsageError` where anything else has its name."""
    if not out.exists():
        return None
    with suppress(BundleError), closing(FileMedium(out)) as medium:
        head = read_head(medium)
        if head.bundle_id == plan.bundle_id and medium.size == plan.layout.total_bytes:
            return head
    raise UsageError(
        "AB-USAGE-OUTPUT-EXISTS",
        f"{out} exists and is not this bundle",
        hint="move it away or choose another name: a bundle is never overwritten",
    )


def _moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
