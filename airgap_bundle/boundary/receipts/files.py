"""Receipts as files, `receipts/<id>.json`: copies of what the ledger holds, for people and other programs.

A file appears complete or not at all: written beside, flushed, renamed, and the directory flushed. Writers take turns
by a lock on the directory, so a name beside that is found is what a crash left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.documents import MAX_RECEIPT_BYTES, parse_receipt
from airgap_bundle.boundary.state import unusable
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import check_tag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.boundary.receipts.receipt import Receipt

_SUFFIX = ".json"
_BESIDE = ".partial"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiptFiles:
    """The directory of receipts. What cannot be read or written raises `HostError` AB-STATE-UNUSABLE."""

    path: Path

    def ids(self) -> set[str]:
        """The ids that have a file, by name alone. Names that are no id of ours are passed over."""
        try:
            names = [name.removesuffix(_SUFFIX) for name in os.listdir(self.path) if name.endswith(_SUFFIX)]  # noqa: PTH208 - names are all that is needed
        except OSError as error:
            raise unusable(self.path, "be read", error) from error
        return {name for name in names if _is_id(name)}

    def write(self, receipt: str, raw: bytes, *, only_if_missing: bool = False) -> None:
        """Write or replace the file of a receipt; it is durable when this returns."""
        target = self.path / f"{receipt}{_SUFFIX}"
        beside = self.path / f"{receipt}{_BESIDE}"
        try:
            with self._locked() as directory:
                if only_if_missing and target.exists():
                    return
                descriptor = os.open(
                    beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
                )
                with os.fdopen(descriptor, "wb") as file:
                    file.write(raw)
                    file.flush()
                    os.fsync(descriptor)
                beside.replace(target)
                os.fsync(directory)
        except OSError as error:
            # Left alone it would be there for ever where the disk is full.
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise unusable(target, "be written", error) from error

    def remove(self, receipt: str) -> None:
        """Take the file of a receipt away, durably; fine if there is none."""
        target = self.path / f"{receipt}{_SUFFIX}"
        try:
            with self._locked() as directory:
                # A signature is over the bytes that go.
                (self.path / f"{receipt}{_SUFFIX}.sig").unlink(missing_ok=True)
                if target.exists():
                    target.unlink()
                    os.fsync(directory)
        except OSError as error:
            raise unusable(target, "be removed", error) from error

    def read_all(self) -> Iterator[tuple[Receipt, bytes]]:
        """Each file that is a receipt and has its id as its name. Others are passed over; nothing depends on them."""
        for receipt in sorted(self.ids()):
            path = self.path / f"{receipt}{_SUFFIX}"
            try:
                with path.open("rb") as file:
                    raw = file.read(MAX_RECEIPT_BYTES + 1)
            except OSError as error:
                raise unusable(path, "be read", error) from error
            with contextlib.suppress(InvalidValueError):
                found = parse_receipt(raw)
                if found.id == receipt:
                    yield found, raw

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield directory
        finally:
            os.close(directory)


def _is_id(name: str) -> bool:
    try:
        check_tag(name)
    except InvalidValueError:
        return False
    return True
