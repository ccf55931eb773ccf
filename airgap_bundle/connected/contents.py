"""What a lock stands for, byte by byte: the documents themselves, and for every blob where to get it.

Everything in a bundle but the signatures is a function of the lock and of these documents, so that two people who build
from the same lock get the same inventory, and the same bundle id.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airgap_bundle.bundle.inventory import BlobEntry, Item
from airgap_bundle.connected.file_set import file_set
from airgap_bundle.connected.files import file_supply
from airgap_bundle.connected.supplies import FromArchive, FromMemory, FromRegistry, Supply
from airgap_bundle.connected.upstream_carrying import CarriedEvidence, gather_evidence
from airgap_bundle.connected.weight import Weight
from airgap_bundle.core.closure import walk
from airgap_bundle.core.errors import DocumentError, InvalidValueError, RegistryError
from airgap_bundle.core.oci import Reference
from airgap_bundle.core.partial_index import keep_children
from airgap_bundle.core.report import Place
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.content import Descriptor, Digest
    from airgap_bundle.core.oci import Document
    from airgap_bundle.manifest.locked import Lock, LockedItem

    Entry = tuple[Item, tuple[Document, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """Items in the order of the inventory, blobs in the order of the tar, and where each blob comes from.

    `entries` pairs each item with its documents, top first.
    """

    entries: tuple[Entry, ...] = field(repr=False)
    blobs: tuple[BlobEntry, ...]
    supplies: Mapping[Digest, Supply] = field(repr=False)

    @property
    def items(self) -> tuple[Item, ...]:
        """The items alone."""
        return tuple(item for item, _ in self.entries)

    @property
    def images(self) -> tuple[Entry, ...]:
        """The images alone, with their documents."""
        return tuple(entry for entry in self.entries if entry[0].kind == "image")


def gather(lock: Lock, sources: Sources, executor: Executor, workers: int) -> Contents:
    """Fetch every image document that the lock names, and put together what the bundle will hold.

    Raises `RegistryError` where a registry has lost something, `DocumentError` where the lock does not fit what it
    names (somebody edited it).
    """
    gathered: dict[int, _Gathered] = {}
    weight = Weight()
    lock_of = threading.Lock()

    def fetching(number: int, item: LockedItem) -> Callable[[memoryview], None]:
        def job(_buffer: memoryview) -> None:
            fetched = _chart(item, sources) if item.parts else _fetch(item, sources.at(item.origin))
            with lock_of:
                gathered[number] = fetched
                for document in fetched.documents:
                    weight.add(document.descriptor.digest, document.descriptor.size)

        return job

    locked = [item for item in lock.items if item.kind != "file"]
    run_all(
        [fetching(number, item) for number, item in enumerate(locked)],
        executor=executor,
        workers=min(workers, max(1, len(locked))),
        cancellation=Cancellation(),
        abort=sources.close,
    )
    collector = _Collector()
    for number in range(len(locked)):
        one = gathered[number]
        for entry, documents in one.entries:
            collector.add(entry, documents, one.supply)
        collector.evidence += one.evidence.documents
        collector.loose += one.evidence.payloads
        collector.supplies.update(one.supplies)
    files = [item for item in lock.items if item.kind == "file"]
    if files:
        entry, document, config = file_set(lock.name, lock.version, files)
        collector.add(entry, (document,), FromMemory(config))
        for file in files:
            collector.supplies[file.digest] = file_supply(file)
    return collector.contents()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Gathered:
    """A locked item and what is attached to it, each with its documents; and what travels only as evidence.

    Blobs come from `supply`, but for those that `supplies` has.
    """

    entries: tuple[tuple[Item, tuple[Document, ...]], ...]
    supply: Supply
    evidence: CarriedEvidence = field(default_factory=CarriedEvidence)
    supplies: Mapping[Digest, Supply] = field(default_factory=dict)

    @property
    def documents(self) -> Iterator[Document]:
        """Every document that it holds."""
        yield from (document for _, group in self.entries for document in group)
        yield from self.evidence.documents


def _chart(item: LockedItem, sources: Sources) -> _Gathered:
    """A chart that becomes an artifact here."""
    from airgap_bundle.connected.charts import gather_chart  # noqa: PLC0415 - for who has such charts alone

    chart = gather_chart(item, sources, Place(file=item.source))
    return _Gathered(
        entries=((chart.item, (chart.document,)),), supply=FromMemory(chart.config), supplies=chart.supplies
    )


def _fetch(item: LockedItem, sources: Sources) -> _Gathered:
    reference = Reference.parse(item.source)

    def load(descriptor: Descriptor) -> Document:
        return sources.document(reference.host, reference.repository, descriptor.digest, descriptor.media_type)

    rewritten = None
    original = None
    if item.original is not None and item.digest not in {entry.digest for entry in item.platforms}:
        original = load(item.original)
        rewritten = keep_children(original, {entry.digest for entry in item.platforms})
        if rewritten.descriptor != item.descriptor:
            raise DocumentError(
                "AB-LOCK-MISMATCH",
                f"{item.source}: the lock's platforms make {rewritten.descriptor.digest}, not {item.digest}",
                hint="the lock was edited or made by another version; make it again with airgap-manifest lock",
            )

    def load_kept(descriptor: Descriptor) -> Document:
        if rewritten is not None and descriptor.digest == rewritten.descriptor.digest:
            return rewritten
        return load(descriptor)

    evidence = gather_evidence(item, lambda digest: sources.document(reference.host, reference.repository, digest))
    if original is not None:
        evidence = replace(evidence, index=original)
    try:
        entries = [(_item(item, evidence.index), tuple(walk(item.descriptor, load_kept)))]
        for attachment in item.attached:
            entry = Item(
                kind="attached",
                source=f"{reference.name}:{attachment.tag}"
                if attachment.tag
                else f"{reference.name}@{attachment.digest}",
                path=item.path,
                tag=attachment.tag if attachment.kind == "tag" else "",
                digest=attachment.digest,
                media_type=attachment.media_type,
                size=attachment.size,
                subject=attachment.subject,
            )
            entries.append((entry, tuple(walk(attachment.descriptor, load))))
    except InvalidValueError as error:
        raise RegistryError(
            "AB-REGISTRY-DOCUMENT",
            f"{item.source} cannot be carried: {error}",
            hint="make the lock again with airgap-manifest lock",
        ) from error
    supply = FromArchive(item.origin) if item.origin else FromRegistry(reference.host, reference.repository)
    return _Gathered(
        entries=tuple(entries),
        supply=supply,
        evidence=evidence,
        supplies={blob.digest: supply for blob in evidence.payloads},
    )


def _item(item: LockedItem, original: Document | None) -> Item:
    return Item(
        kind=item.kind,
        source=item.source,
        path=item.path,
        tag=item.tag,
        digest=item.digest,
        media_type=item.media_type,
        size=item.size,
        platforms=tuple(sorted({str(entry.platform) for entry in item.platforms if not entry.platform.is_unknown})),
        original=original.descriptor.digest if original is not None else None,
        referrers=item.referrers,
        upstream=item.verdicts,
    )


class _Collector:
    """Puts blobs in the order of the tar: all documents, then configs, then layers and evidence in order of use."""

    def __init__(self) -> None:
        self.supplies: dict[Digest, Supply] = {}
        self.evidence: list[Document] = []
        self.loose: list[Descriptor] = []
        self._entries: list[tuple[Item, tuple[Document, ...]]] = []
        self._seen: set[tuple[str, str, Digest]] = set()
        self._sizes: dict[Digest, int] = {}

    def add(self, item: Item, documents: tuple[Document, ...], supply: Supply) -> None:
        """One item with its documents; the blobs that these point to come from `supply`."""
        key = (item.path, item.tag, item.digest)
        if key in self._seen:
            return
        self._seen.add(key)
        self._entries.append((item, documents))
        for document in documents:
            for blob in document.blobs:
                self.supplies.setdefault(blob.digest, supply)

    def contents(self) -> Contents:
        """Everything that was added, in order."""
        documents = [document for _, group in self._entries for document in group]
        for document in documents:
            self._place(document.descriptor)
        for document in (*documents, *self.evidence):
            self.supplies[document.descriptor.digest] = FromMemory(document.raw)
        for document in documents:
            if document.config is not None:
                self._place(document.config)
        for document in documents:
            for layer in document.layers:
                self._place(layer)
        for document in self.evidence:
            self._place(document.descriptor)
        for blob in self.loose:
            self._place(blob)
        return Contents(
            entries=tuple(self._entries),
            blobs=tuple(BlobEntry(digest=digest, size=size) for digest, size in self._sizes.items()),
            supplies=self.supplies,
        )

    def _place(self, descriptor: Descriptor) -> None:
        size = self._sizes.setdefault(descriptor.digest, descriptor.size)
        if size != descriptor.size:
            raise RegistryError(
                "AB-REGISTRY-DOCUMENT",
                f"{descriptor.digest} is said to have {size} bytes in one place and {descriptor.size} in another",
                hint="one of the images was put together wrongly; ask its publisher",
            )
