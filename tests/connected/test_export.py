"""Writing a bundle: stopped anywhere it goes on, inside a long blob too; on media without holes and down a pipe."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import pytest

from airgap_bundle.bundle.inventory import BlobEntry, Item
from airgap_bundle.bundle.ordered import StreamFile
from airgap_bundle.bundle.writer import PartialFile
from airgap_bundle.connected import placing
from airgap_bundle.connected.contents import Contents, FromMemory, FromRegistry
from airgap_bundle.connected.export import ExportPlan, build_file, build_stream, journal_path, plan_export
from airgap_bundle.connected.fetching import Fetcher
from airgap_bundle.connected.supplies import FromFile
from airgap_bundle.core.content import BytesSource, Digest
from airgap_bundle.core.errors import HostError, RegistryError, UsageError
from airgap_bundle.core.oci import OCI_CONFIG, OCI_MANIFEST, parse_document
from airgap_bundle.core.report import BytesMoved, Place, silent
from airgap_bundle.manifest.locked import Lock
from airgap_bundle.transfer.inspection import inspect_bundle
from airgap_bundle.transfer.scheduler import Cancellation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.report import Event, Reporter
    from airgap_bundle.registry.abilities import BlobStream

MIB = 1024 * 1024
LAYERS = [os.urandom(size) for size in (9 * MIB, 100, 0, 3 * MIB, 5000)]
BY_DIGEST = {Digest.of(data): data for data in LAYERS}


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


class Stream(BytesSource):
    """A blob as it comes from the registry: in small pieces, each of them counted."""

    def __init__(self, remote: Remote, digest: Digest, data: bytes, start: int) -> None:
        super().__init__(data, start)
        self.remote = remote
        self.digest = digest

    def readinto(self, buffer: memoryview, /) -> int:
        count = super().readinto(buffer[: 256 * 1024])
        self.remote.count(self.digest, count)
        return count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Remote:
    """A registry in memory that counts what it sends, and ends the process at a given number of bytes."""

    name = "remote"

    def __init__(self, *, dies_after: int | None = None) -> None:
        self.sent: Counter[Digest] = Counter()
        self.opened: list[tuple[Digest, int]] = []
        self.lies = False
        self._left = dies_after
        self._lock = threading.Lock()

    def registry(self, host: str) -> Remote:
        assert host == "registry.example.com"
        return self

    def open_blob(self, repository: str, digest: Digest, size: int, *, start: int = 0) -> BlobStream:
        assert (repository, len(BY_DIGEST[digest])) == ("a/b", size)
        self.opened.append((digest, start))
        data = bytes(size) if self.lies else BY_DIGEST[digest]
        return Stream(self, digest, data, start)

    def count(self, digest: Digest, count: int) -> None:
        with self._lock:
            self.sent[digest] += count
            if self._left is not None and self.sent.total() > self._left:
                raise Killed

    def close(self) -> None:
        pass


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"


@pytest.fixture(autouse=True)
def notes_are_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "_NOTE_BYTES", MIB)


def planned() -> ExportPlan:
    config = b'{"os":"linux","architecture":"amd64"}'
    layers = [
        {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(data)}
        for digest, data in BY_DIGEST.items()
    ]
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": Digest.of(config), "size": len(config)},
            "layers": layers,
        }
    ).encode()
    document = parse_document(raw)
    digest = document.descriptor.digest
    item = Item(
        kind="image",
        source="registry.example.com/a/b:1",
        path="registry.example.com/a/b",
        tag="1",
        digest=digest,
        media_type=OCI_MANIFEST,
        size=len(raw),
    )
    contents = Contents(
        entries=((item, (document,)),),
        blobs=(
            BlobEntry(digest=digest, size=len(raw)),
            BlobEntry(digest=Digest.of(config), size=len(config)),
            *(BlobEntry(digest=each, size=len(data)) for each, data in BY_DIGEST.items()),
        ),
        supplies={
            digest: FromMemory(raw),
            Digest.of(config): FromMemory(config),
            **dict.fromkeys(BY_DIGEST, FromRegistry("registry.example.com", "a/b")),
        },
    )
    lock = Lock(name="x", version="1", created=1, sequence=1, manifest_digest=Digest.of(b"x"))
    return plan_export(b"manifest\n", lock, contents)


PLAN = planned()


def fetcher(remote: Remote, report: Reporter = silent, *, directory: Path | None = None) -> Fetcher:
    """With a directory the layers lie there, as files; else in the registry."""
    files = {digest: FromFile(str(number)) for number, digest in enumerate(BY_DIGEST)}
    return Fetcher(
        supplies={**PLAN.contents.supplies, **(files if directory else {})},
        sources=cast("Sources", remote),
        directory=directory or Path(),
        place=Place(file="x.yaml"),
        report=report,
        cancellation=Cancellation(),
    )


def build(
    out: Path, remote: Remote, executor: ThreadPoolExecutor, *, workers: int = 4, report: Reporter = silent
) -> int:
    return build_file(PLAN, out, fetcher(remote, report), (), executor=executor, workers=workers).resumed_bytes


def whole(out: Path) -> bool:
    return inspect_bundle(out, check=True, report=silent).checked and not journal_path(out).exists()


def without_holes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PartialFile, "keeps_holes", lambda _: False)


def test_all_of_it_is_written_and_nothing_is_left_beside(out: Path, executor: ThreadPoolExecutor) -> None:
    build(out, Remote(), executor)
    assert whole(out)
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("holes", [True, False])
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("dies_after", [0, 1, 5 * MIB, 10 * MIB, 12 * MIB])
def test_killed_anywhere_the_next_run_fetches_only_what_was_not_written(
    out: Path,
    executor: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    *,
    dies_after: int,
    workers: int,
    holes: bool,
) -> None:
    if not holes:
        without_holes(monkeypatch)
    first, second = Remote(dies_after=dies_after), Remote()
    with pytest.raises(Killed):
        build(out, first, executor, workers=workers)
    assert not out.exists()
    resumed = build(out, second, executor, workers=workers)
    assert whole(out)
    assert second.sent.total() >= sum(map(len, LAYERS)) - resumed
    # In flight when it ended: a buffer of 4 MiB and what was not noted yet, for each blob at work.
    assert second.sent.total() <= sum(map(len, LAYERS)) - dies_after + 8 * MIB


@pytest.mark.parametrize("holes", [True, False])
def test_inside_a_long_blob_it_goes_on_where_the_journal_says(
    out: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, *, holes: bool
) -> None:
    if not holes:
        without_holes(monkeypatch)
    with pytest.raises(Killed):
        build(out, Remote(dies_after=8 * MIB + 1), executor, workers=1)
    second = Remote()
    assert build(out, second, executor, workers=1) >= 8 * MIB
    assert (Digest.of(LAYERS[0]), 8 * MIB) in second.opened
    assert whole(out)


@pytest.mark.parametrize("holes", [True, False])
def test_inside_a_long_file_beside_the_manifest_it_goes_on_too(
    out: Path, tmp_path: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, *, holes: bool
) -> None:
    if not holes:
        without_holes(monkeypatch)
    for number, data in enumerate(LAYERS):
        (tmp_path / str(number)).write_bytes(data)
    came = 0

    def report(event: Event) -> None:
        nonlocal came
        came += event.count if isinstance(event, BytesMoved) else 0
        if came > 8 * MIB:
            raise Killed

    with pytest.raises(Killed):
        build_file(PLAN, out, fetcher(Remote(), report, directory=tmp_path), (), executor=executor, workers=1)
    again = build_file(PLAN, out, fetcher(Remote(), directory=tmp_path), (), executor=executor, workers=1)
    assert again.resumed_bytes >= 4 * MIB
    assert whole(out)


@pytest.mark.parametrize("holes", [True, False])
def test_a_beginning_that_was_lost_with_the_power_is_fetched_again(
    out: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, *, holes: bool
) -> None:
    if not holes:
        without_holes(monkeypatch)
    with pytest.raises(Killed):
        build(out, Remote(dies_after=8 * MIB + 1), executor, workers=1)
    extent = PLAN.layout.extents[Digest.of(LAYERS[0])]
    growing = out.with_name("x.tar.partial")
    with growing.open("r+b") as file:
        file.seek(extent.header_at)
        file.write(bytes(min(MIB, growing.stat().st_size - extent.header_at)))
    events: list[Event] = []
    second = Remote()
    build(out, second, executor, workers=1, report=events.append)
    assert second.sent[Digest.of(LAYERS[0])] >= 9 * MIB
    assert sum(event.count for event in events if isinstance(event, BytesMoved)) == PLAN.inventory.total_bytes
    assert whole(out)


def test_what_the_journal_says_of_a_file_that_is_gone_is_not_believed(out: Path, executor: ThreadPoolExecutor) -> None:
    with pytest.raises(Killed):
        build(out, Remote(dies_after=10 * MIB), executor)
    out.with_name("x.tar.partial").unlink()
    assert build(out, Remote(), executor) == 0
    assert whole(out)


def test_wrong_bytes_are_the_fault_of_the_source_and_leave_no_bundle(out: Path, executor: ThreadPoolExecutor) -> None:
    remote = Remote()
    remote.lies = True
    with pytest.raises(RegistryError, match="sent other bytes"):
        build(out, remote, executor)
    assert not out.exists()
    assert build(out, Remote(), executor) >= 0
    assert whole(out)


def test_a_file_of_that_name_is_never_overwritten(out: Path, executor: ThreadPoolExecutor) -> None:
    out.write_bytes(b"mine")
    with pytest.raises(UsageError, match="is not this bundle"):
        build(out, Remote(), executor)
    assert out.read_bytes() == b"mine"


def test_a_medium_without_holes_gets_the_same_bundle(
    tmp_path: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "holes.tar", Remote(), executor)
    without_holes(monkeypatch)
    build(tmp_path / "order.tar", Remote(), executor)
    assert (tmp_path / "order.tar").read_bytes() == (tmp_path / "holes.tar").read_bytes()


def test_on_a_medium_without_holes_nothing_is_written_behind_the_end(
    out: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_holes(monkeypatch)
    write_at = PartialFile.write_at
    gaps: list[int] = []

    def watched(self: PartialFile, offset: int, *parts: Any) -> None:
        gaps.append(offset - self.size)
        write_at(self, offset, *parts)

    monkeypatch.setattr(PartialFile, "write_at", watched)
    build(out, Remote(), executor)
    assert max(gaps) <= 0


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_a_stream_holds_the_same_bytes_as_a_file(tmp_path: Path, executor: ThreadPoolExecutor, workers: int) -> None:
    build(tmp_path / "file.tar", Remote(), executor)
    with (tmp_path / "stream.tar").open("wb") as file:
        build_stream(PLAN, StreamFile(file.fileno()), fetcher(Remote()), (), executor=executor, workers=workers)
    assert (tmp_path / "stream.tar").read_bytes() == (tmp_path / "file.tar").read_bytes()


def test_a_stream_whose_source_fails_has_no_end(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    with (tmp_path / "stream.tar").open("wb") as file, pytest.raises(Killed):
        build_stream(PLAN, StreamFile(file.fileno()), fetcher(Remote(dies_after=MIB)), (), executor=executor, workers=4)
    assert (tmp_path / "stream.tar").stat().st_size < PLAN.layout.end_at


def test_a_stream_whose_reader_goes_stops_the_workers(executor: ThreadPoolExecutor) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(HostError, match="reader of the stream has gone"):
            build_stream(PLAN, StreamFile(writing), fetcher(Remote()), (), executor=executor, workers=4)
    finally:
        os.close(writing)


def test_a_bundle_that_is_longer_than_files_may_be_is_refused_before_anything_is_fetched(out: Path) -> None:
    with closing(PartialFile(out)) as file, pytest.raises(HostError) as caught:
        file.check_size(2**62)
    assert caught.value.code == "AB-HOST-FILE-SIZE"


def test_this_file_system_keeps_holes_and_asking_leaves_the_file_empty(out: Path) -> None:
    with closing(PartialFile(out)) as file:
        assert file.keeps_holes()
        assert file.size == 0
