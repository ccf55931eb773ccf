"""Opens the blobs of a bundle where they are now: in a registry, beside the manifest, or in memory."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.connected.local_files import open_local
from airgap_bundle.connected.supplies import (
    FromArchive,
    FromDirectory,
    FromFile,
    FromMemory,
    FromRegistry,
    FromWeb,
    supply_name,
)
from airgap_bundle.core.content import BytesSource, ContentMismatchError, copy_verified
from airgap_bundle.core.errors import DocumentError, RegistryError
from airgap_bundle.core.report import BytesMoved, ItemFinished, ItemStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from airgap_bundle.bundle.inventory import BlobEntry
    from airgap_bundle.bundle.writer import HeldSource
    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.connected.supplies import Supply
    from airgap_bundle.core.content import Digest, Sink, Source
    from airgap_bundle.core.report import Place, Reporter
    from airgap_bundle.transfer.scheduler import Cancellation

_LABEL_DIGITS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetcher:
    """Brings blobs from their supplies, checked on the way. `directory` is the one of the manifest."""

    supplies: Mapping[Digest, Supply]
    sources: Sources
    directory: Path
    place: Place
    report: Reporter
    cancellation: Cancellation

    def can_continue(self, blob: BlobEntry) -> bool:
        """Whether the end of this blob can be had without its beginning, so that a part of it is worth keeping."""
        return not isinstance(self.supplies[blob.digest], FromMemory)

    def count(self, blobs: Iterable[BlobEntry]) -> int:
        """How many of them have to be fetched from somewhere; the others are at hand."""
        return sum(1 for blob in blobs if not isinstance(self.supplies[blob.digest], FromMemory))

    def fetch(self, blob: BlobEntry, sink: Sink, buffer: memoryview, *, held: HeldSource | None = None) -> None:
        """Copy one blob into `sink`; `RegistryError` or `DocumentError` says whose bytes were wrong.

        `held` is what is there of a blob already, all of it or the beginning of one that can be continued: it is hashed
        from there, and only the rest is fetched. Where that does not make the right bytes nobody knows whose fault it
        is, and `ContentMismatchError` says so.
        """
        supply = self.supplies[blob.digest]
        label = _label(blob, supply)
        quiet = isinstance(supply, FromMemory)
        if not quiet:
            self.report(ItemStarted(name=label, size=blob.size))

        done = 0

        def moved(count: int) -> None:
            nonlocal done
            done += count
            self.cancellation.check()
            self.report(BytesMoved(name=label, count=count))

        try:
            with self._open(blob, supply, held) as source:
                copy_verified(source, sink, digest=blob.digest, size=blob.size, buffer=buffer, moved=moved)
        except ContentMismatchError as error:
            if held is not None:
                self.report(BytesMoved(name=label, count=-done))
                raise
            raise self._wrong(blob, supply) from error
        if not quiet:
            self.report(ItemFinished(name=label, outcome="fetched"))

    @contextmanager
    def _open(self, blob: BlobEntry, supply: Supply, held: HeldSource | None) -> Iterator[Source]:
        with ExitStack() as stack:

            def rest(start: int) -> Source:
                return stack.enter_context(self._open_supply(blob, supply, start))

            yield rest(0) if held is None else _Continued(held, blob.size, rest)

    @contextmanager
    def _open_supply(self, blob: BlobEntry, supply: Supply, start: int) -> Iterator[Source]:
        match supply:
            case FromMemory(data):
                yield BytesSource(data)
            case FromFile(path):
                with open_local(self.directory, path, self.place, start=start) as source:
                    yield source
            case FromRegistry(host, repository):
                registry = self.sources.registry(host)
                with registry.open_blob(repository, blob.digest, blob.size, start=start) as stream:
                    yield stream
            case FromArchive(origin):
                with self.sources.archive(origin).open_blob("", blob.digest, blob.size, start=start) as stream:
                    yield stream
            case FromWeb() | FromDirectory():
                with self.sources.stock.open(supply, blob.digest, blob.size, self.place, start=start) as source:
                    yield source

    def _wrong(self, blob: BlobEntry, supply: Supply) -> RegistryError | DocumentError:
        if isinstance(supply, FromFile | FromArchive | FromDirectory):
            return DocumentError(
                "AB-LOCK-STALE",
                f"the file {supply_name(supply)} has changed since the lock was made",
                hint="make the lock again: airgap-manifest lock",
            )
        return RegistryError(
            "AB-REGISTRY-CONTENT",
            f"{supply_name(supply)} sent other bytes than {blob.digest} ({blob.size} bytes)",
            hint="the registry, a proxy or a mirror in between is damaged; try another mirror",
        )


class _Continued:
    """What is held, then the rest, which is asked for only if there is one."""

    def __init__(self, held: HeldSource, size: int, rest: Callable[[int], Source]) -> None:
        self._held = held
        self._size = size
        self._open_rest = rest
        self._rest: Source | None = None

    def readinto(self, buffer: memoryview, /) -> int:
        """The next bytes."""
        if self._rest is None:
            count = self._held.readinto(buffer)
            if count or self._held.count == self._size:
                return count
            self._rest = self._open_rest(self._held.count)
        return self._rest.readinto(buffer)


def _label(blob: BlobEntry, supply: Supply) -> str:
    """What the person sees in flight: the image and the beginning of the digest."""
    digits = blob.digest.encoded[:_LABEL_DIGITS]
    match supply:
        case FromRegistry(_, repository):
            return f"{repository.rpartition('/')[2]} {digits}"
        case FromFile(path) | FromDirectory(path):
            return path
        case _:
            return digits
