"""The audit trail: one JSON line for each thing that happened, each line chained to the one before it.

A record holds the SHA-256 of the bytes of the previous line, line feed included (`sed -n 7p audit.jsonl | sha256sum`
is what line 8 must say), so a change, a removal or another order anywhere but at the end breaks the chain. What was cut
off at the end, or the last line rewritten, shows only against a head kept elsewhere: every receipt has one, and
`verify` takes them.

A record is on disk before `append` returns. A line that a crash tore was never acknowledged; it is put aside in a file
of its own, and a record says so. Moments are arguments, and text from outside is made printable and freed of
credentials first.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

from airgap_bundle.boundary.audit.record import (
    MAX_LINE_BYTES,
    ORIGIN,
    AuditRecord,
    dump_record,
    glance,
    parse_record,
)
from airgap_bundle.boundary.receipts.receipt import AuditHead
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import HostError, InvalidValueError
from airgap_bundle.registry.durable import sync_directory, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

# Appending takes milliseconds; who holds the file longer than this is stopped or on a dead network mount.
_LOCK_SECONDS = 30.0
_POLL_SECONDS = 0.01
# A torn line is at most one record; more than a few is a file that something else writes to.
_MAX_TORN_FILES = 1000
_NO_DETAILS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditVerdict:
    """What `verify` found. `problems` has a sentence for each broken place, in order; empty means whole.

    `torn_bytes` is the length of an unfinished last line, which a crash leaves and the next append puts aside.
    """

    records: int
    head: AuditHead
    problems: tuple[str, ...] = ()
    torn_bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing was changed, moved or removed."""
        return not self.problems


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """The trail in one file. Safe for several processes and threads; every call opens the file anew."""

    path: Path

    def append(
        self,
        event: str,
        *,
        at: datetime,
        product: str = "",
        bundle: Digest | None = None,
        destination: str = "",
        details: Mapping[str, str] = _NO_DETAILS,
    ) -> AuditHead:
        """Write one record; it is durable when this returns. The new head.

        Raises `HostError`, and whoever calls goes no further: AB-AUDIT-WRITE when it cannot be written,
        AB-AUDIT-DAMAGED when the last record is not one, AB-AUDIT-BUSY when somebody keeps the file locked.
        """
        with self._locked() as descriptor:
            head = self._mended_head(descriptor, at)
            record = AuditRecord(
                sequence=head.records + 1,
                previous=head.digest,
                time=at,
                event=event,
                product=product,
                bundle=bundle,
                destination=destination,
                details=details,
            )
            return self._write(descriptor, record)

    def head(self) -> AuditHead:
        """Number of records and digest of the last line. An unfinished last line does not count."""
        if not self.path.exists():
            return ORIGIN
        with _reading(self.path) as descriptor:
            return self._head(descriptor, _whole_bytes(descriptor))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            is_new = not self.path.exists()
            descriptor = os.open(self.path, flags, 0o600)
            try:
                if is_new:
                    sync_directory(self.path.parent)
                _flock(descriptor, self.path, fcntl.LOCK_EX)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _mended_head(self, descriptor: int, at: datetime) -> AuditHead:
        """The head, after an unfinished last line was put aside and a record of that was written."""
        size, whole = os.fstat(descriptor).st_size, _whole_bytes(descriptor)
        head = self._head(descriptor, whole)
        if whole == size:
            return head
        torn = os.pread(descriptor, size - whole, whole)
        aside = self._put_aside(torn)
        os.ftruncate(descriptor, whole)
        details = {"bytes": str(len(torn)), "file": aside.name, "sha256": hashlib.sha256(torn).hexdigest()}
        return self._write(
            descriptor,
            AuditRecord(
                sequence=head.records + 1, previous=head.digest, time=at, event="audit.torn-line", details=details
            ),
        )

    def _head(self, descriptor: int, whole: int) -> AuditHead:
        if not whole:
            return ORIGIN
        window = min(whole, MAX_LINE_BYTES + 1)
        tail = os.pread(descriptor, window, whole - window)
        line = tail[tail.rfind(b"\n", 0, -1) + 1 :]
        try:
            record = parse_record(line)
        except InvalidValueError as error:
            raise HostError(
                "AB-AUDIT-DAMAGED",
                f"the last record of the audit trail {self.path} was not written by this program: {error}",
                hint="keep the file as evidence, find out who changed it, and move it away to begin a new trail",
            ) from error
        return AuditHead(records=record.sequence, digest=Digest.of(line))

    def _put_aside(self, torn: bytes) -> Path:
        for n in range(1, _MAX_TORN_FILES):
            aside = self.path.with_name(f"{self.path.name}.torn-{n}")
            with contextlib.suppress(FileExistsError):
                descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                try:
                    write_all(descriptor, torn)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                sync_directory(self.path.parent)
                return aside
        raise HostError(
            "AB-AUDIT-DAMAGED",
            f"the audit trail {self.path} was torn {_MAX_TORN_FILES} times",
            hint="check the disk, then archive the files named .torn-*",
        )

    def _write(self, descriptor: int, record: AuditRecord) -> AuditHead:
        line = dump_record(record)
        before = os.fstat(descriptor).st_size
        try:
            write_all(descriptor, line)
            os.fsync(descriptor)
        except OSError:
            # Nobody is told that this record exists, so nothing of it may stay.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, before)
            raise
        return AuditHead(records=record.sequence, digest=Digest.of(line))


@dataclass(slots=True)
class _Chain:
    """Where a verification stands."""

    head: AuditHead = ORIGIN
    problems: list[str] = field(default_factory=list)


def verify(path: Path, heads: Iterable[AuditHead] = ()) -> AuditVerdict:
    """Check the whole trail, and that each of `heads` (from receipts) is a place that it went through.

    1. Every line is a record in our form.
    2. Numbers count up from 1 without a gap, and each record has the digest of the line before it.
    3. Each head is found: a trail that was cut, or written anew from some place on, lacks the later ones.

    A missing file is an empty trail. After a broken place the check goes on from the line that is there, so one edit is
    one complaint. Raises `HostError` if the file cannot be read.
    """
    wanted: dict[int, set[Digest]] = {}
    for head in heads:
        wanted.setdefault(head.records, set()).add(head.digest)
    chain, torn = _Chain(), 0
    if path.exists():
        with _reading(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
            whole = _whole_bytes(descriptor)
            torn = os.fstat(descriptor).st_size - whole
            _let_go(descriptor)
            for n, line in enumerate(_lines(file, whole), start=1):
                _check_line(chain, line, n)
                wanted.get(chain.head.records, set()).discard(chain.head.digest)
    for records, digests in sorted(wanted.items()):
        if records and digests:
            chain.problems.append(
                f"record {records} as receipts know it is not there: the trail was cut or written anew"
            )
    return AuditVerdict(records=chain.head.records, head=chain.head, problems=tuple(chain.problems), torn_bytes=torn)


def read_lines(path: Path) -> Iterator[bytes]:
    """The finished lines of a trail, as they are; a missing file has none. `HostError` if it cannot be read.

    What is appended meanwhile is not among them. A line that is longer than a record may be comes as its front.
    """
    if path.exists():
        with _reading(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
            whole = _whole_bytes(descriptor)
            _let_go(descriptor)
            yield from _lines(file, whole)


def _lines(file: BinaryIO, whole: int) -> Iterator[bytes]:
    """The finished lines. One that is longer than a record may be comes as its front, without its end."""
    while whole:
        line = file.readline(min(whole, MAX_LINE_BYTES + 1))
        whole -= len(line)
        yield line
        while whole and not line.endswith(b"\n"):
            line = file.readline(min(whole, MAX_LINE_BYTES))
            whole -= len(line)


def _check_line(chain: _Chain, line: bytes, number: int) -> None:
    expected = chain.head.records + 1
    if glance(line) == (expected, chain.head.digest.encoded):
        chain.head = AuditHead(records=expected, digest=Digest.of(line))
        return
    try:
        record = parse_record(line)
    except InvalidValueError as error:
        chain.problems.append(f"line {number} is not a record: {error}")
        chain.head = AuditHead(records=expected, digest=Digest.of(line))
        return
    if record.sequence != expected:
        chain.problems.append(f"line {number} is record {record.sequence} where {expected} belongs")
    elif record.previous != chain.head.digest:
        chain.problems.append(f"line {number} does not follow from the line before it: one of them was changed")
    chain.head = AuditHead(records=record.sequence, digest=Digest.of(line))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _flock(descriptor, path, fcntl.LOCK_SH)
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HostError(
            "AB-AUDIT-READ",
            f"the audit trail {path} cannot be read: {error.strerror or error}",
            hint="check owner and mode of the file and the health of the disk",
        ) from error


def _flock(descriptor: int, path: Path, kind: int) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise HostError(
                    "AB-AUDIT-BUSY",
                    f"the audit trail {path} has been locked by another process for {_LOCK_SECONDS:.0f} seconds",
                    hint="find the process that holds it (for example with fuser) and end it if it is stuck",
                ) from error
            time.sleep(_POLL_SECONDS)
        else:
            return


def _let_go(descriptor: int) -> None:
    """Let others append: what is finished never changes, and reading a long trail takes longer than they would wait."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def _whole_bytes(descriptor: int) -> int:
    """Where the last finished line ends. Reads backwards; a torn line is short, whatever the trail's length."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - MAX_LINE_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _unwritable(path: Path, error: OSError) -> HostError:
    return HostError(
        "AB-AUDIT-WRITE",
        f"the audit trail {path} cannot be written: {error.strerror or error}",
        hint="nothing is imported without a trail; make room or repair the file's owner and mode, then run again",
    )
