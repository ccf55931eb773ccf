"""Reads back what receipts say: every document of an image from the registry that should hold it, and its blobs.

What is missing or damaged is collected, not raised: whoever asks decides what that means. Only when a registry cannot
be asked is that an error.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.closure import children_first, walk
from airgap_bundle.core.content import ContentMismatchError, Descriptor, Digest, copy_verified
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.core.report import BytesMoved
from airgap_bundle.transfer.reading import Nowhere
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from airgap_bundle.core.oci import Document
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.registry.abilities import Registry

# What a registry, ours or another one, is told to have answered when it holds wrong bytes under a right name.
_DAMAGED = frozenset(
    {"AB-REGISTRY-CONTENT", "AB-REGISTRY-DOCUMENT", "AB-STORE-DAMAGED", "AB-STORE-SIZE", "AB-STORE-BLOB-UNKNOWN"}
)
_LABEL_DIGITS = 12
# How many faults an error names.
_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Fault:
    """Something that should be there and is not, or is not what it should be. `what` is image or blob."""

    repository: str
    what: str
    digest: Digest
    is_damaged: bool = False

    def __str__(self) -> str:
        """For messages."""
        return f"the {self.what} {self.digest} of {self.repository} is {'damaged' if self.is_damaged else 'not there'}"


class _Absent(Exception):  # noqa: N818 - it ends a walk and is no error of anybody's
    """A document in the middle of a walk is not there."""

    def __init__(self, digest: Digest, *, is_damaged: bool) -> None:
        super().__init__(digest)
        self.digest = digest
        self.is_damaged = is_damaged


@dataclass(kw_only=True, slots=True)
class Recall:
    """What one registry holds of some images. `documents` are by repository and top digest, children first."""

    registry: Registry
    executor: Executor
    workers: int
    report: Reporter
    documents: dict[tuple[str, Digest], tuple[Document, ...]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, names: Iterable[tuple[str, Digest]]) -> None:
        """Read the documents of each image (repository, digest) that was not read yet."""
        new = sorted(set(names) - set(self.documents))
        self._run([self._reading(repository, digest) for repository, digest in new])

    def check_blobs(self, *, deep: bool = False) -> None:
        """Ask for every blob of what was read; with `deep` read and hash it."""
        self._run([self._asking(repository, blob, deep=deep) for repository, blob in self.blobs()])

    def blobs(self) -> list[tuple[str, Descriptor]]:
        """Every blob of what was read, once for each repository."""
        found = {
            (repository, blob.digest): blob
            for (repository, _), documents in self.documents.items()
            for document in documents
            for blob in document.blobs
        }
        return [(repository, found[repository, digest]) for repository, digest in sorted(found)]

    def document(self, repository: str, digest: Digest) -> Document:
        """The top document of an image that was read and is whole."""
        return self.documents[repository, digest][-1]

    def lost(self, destination: str, what: str) -> RegistryError:
        """The error for an undertaking that needs all of it."""
        shown = "; ".join(str(fault) for fault in sorted(self.faults)[:_SHOWN])
        more = f"; and {len(self.faults) - _SHOWN} more" if len(self.faults) > _SHOWN else ""
        return RegistryError(
            "AB-REGISTRY-COLLECTED",
            f"{destination} no longer holds all of {what}: {shown}{more}",
            hint="no tag was moved; push the bundle of that receipt again, then run this again",
        )

    def _run(self, jobs: list[Callable[[memoryview], None]]) -> None:
        run_all(
            jobs,
            executor=self.executor,
            workers=self.workers,
            cancellation=Cancellation(),
            abort=self.registry.close,
        )

    def _note(self, repository: str, what: str, digest: Digest, *, is_damaged: bool) -> None:
        with self._lock:
            self.faults.append(Fault(repository=repository, what=what, digest=digest, is_damaged=is_damaged))

    def _reading(self, repository: str, digest: Digest) -> Callable[[memoryview], None]:
        def load(descriptor: Descriptor) -> Document:
            return self._load(repository, descriptor.digest)

        def job(_buffer: memoryview) -> None:
            try:
                top = self._load(repository, digest)
                documents = tuple(children_first(list(walk(top.descriptor, load))))
            except _Absent as absent:
                self._note(repository, "image", absent.digest, is_damaged=absent.is_damaged)
            except InvalidValueError:
                self._note(repository, "image", digest, is_damaged=True)
            else:
                with self._lock:
                    self.documents[repository, digest] = documents

        return job

    def _load(self, repository: str, digest: Digest) -> Document:
        try:
            document = self.registry.get_manifest(repository, digest)
        except RegistryError as error:
            if error.code in _DAMAGED:
                raise _Absent(digest, is_damaged=True) from error
            raise
        if document is None:
            raise _Absent(digest, is_damaged=False)
        return document

    def _asking(self, repository: str, blob: Descriptor, *, deep: bool) -> Callable[[memoryview], None]:
        def job(buffer: memoryview) -> None:
            try:
                if not self.registry.has_blob(repository, blob.digest, blob.size):
                    self._note(repository, "blob", blob.digest, is_damaged=False)
                elif deep:
                    self._hash(repository, blob, buffer)
            except ContentMismatchError:
                self._note(repository, "blob", blob.digest, is_damaged=True)
            except RegistryError as error:
                if error.code not in _DAMAGED:
                    raise
                self._note(repository, "blob", blob.digest, is_damaged=True)

        return job

    def _hash(self, repository: str, blob: Descriptor, buffer: memoryview) -> None:
        label = blob.digest.encoded[:_LABEL_DIGITS]
        with self.registry.open_blob(repository, blob.digest, blob.size) as source:
            copy_verified(
                source,
                Nowhere(),
                digest=blob.digest,
                size=blob.size,
                buffer=buffer,
                moved=lambda count: self.report(BytesMoved(name=label, count=count)),
            )
