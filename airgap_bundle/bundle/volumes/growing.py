"""Writes a bundle straight into volumes: every byte once, at its place, wherever the cut falls.

Each volume is called `NAME.001.partial` while it grows. The names appear when all of them are on the medium.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from airgap_bundle.bundle.room import bundle_files
from airgap_bundle.bundle.volumes.joined import allow_open_files
from airgap_bundle.bundle.volumes.naming import parse_volume_name, volume_name, volume_sizes
from airgap_bundle.bundle.volumes.table import VolumeHash
from airgap_bundle.bundle.writer import GrowingFile, PartialFile, cannot_write, partial_path
from airgap_bundle.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.bundle.volumes.table import VolumeEntry


class PartialVolumes(GrowingFile):
    """The growing volumes of the bundle `out`, as one file of `total_bytes`. Any thread may write."""

    def __init__(self, out: Path, total_bytes: int, volume_bytes: int) -> None:
        self.out = out
        self.path = out
        self.volume_bytes = volume_bytes
        self.sizes = volume_sizes(total_bytes, volume_bytes)
        allow_open_files(len(self.sizes))
        self._files: list[PartialFile] = []
        # Of each volume the hash of its front, as far as it was written in order: that much is not read back.
        self._hashes = [VolumeHash() for _ in self.sizes]
        self._locks = [threading.Lock() for _ in self.sizes]
        try:
            for number in range(1, len(self.sizes) + 1):
                self._files.append(PartialFile(out.with_name(volume_name(out.name, number))))
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """How long it is now: the volumes up to the first that is not full, and that one."""
        total = 0
        for file, size in zip(self._files, self.sizes, strict=True):
            held = min(file.size, size)
            total += held
            if held < size:
                break
        return total

    def resize(self, total_bytes: int) -> None:
        """Be `total_bytes` long; what is there stays."""
        for index, (file, size) in enumerate(zip(self._files, self.sizes, strict=True)):
            held = min(size, total_bytes)
            if file.size != held:
                file.resize(held)
                self._hashes[index] = VolumeHash()
            total_bytes -= held

    def check_space(self, total_bytes: int, beside_bytes: int = 0) -> None:
        """`HostError` with the numbers where the file system cannot hold all volumes, and what lies beside them."""
        held = sum(file.allocated_bytes for file in self._files)
        self._files[0].check_files(self.out, [*bundle_files(total_bytes, self.sizes), beside_bytes], held)

    def check_size(self, total_bytes: int) -> None:
        """`HostError` where no file may be as long as a volume."""
        self._files[0].check_size(min(total_bytes, self.volume_bytes))

    def keeps_holes(self) -> bool:
        """Whether this file system stores nothing for what was never written; asked of an empty file."""
        return self._files[0].keeps_holes()

    def write_at(self, offset: int, *parts: bytes | memoryview) -> None:
        """Write all of the parts, one behind the other, from `offset` on, into as many volumes as they reach."""
        pending = [memoryview(part) for part in parts if len(part)]
        while pending:
            index, within = divmod(offset, self.volume_bytes)
            room = self.volume_bytes - within
            fitting: list[memoryview] = []
            while pending and room:
                piece = pending[0][:room]
                fitting.append(piece)
                room -= len(piece)
                offset += len(piece)
                if len(piece) < len(pending[0]):
                    pending[0] = pending[0][len(piece) :]
                else:
                    pending.pop(0)
            self._files[index].write_at(within, *fitting)
            self._hash(index, within, fitting)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill the front of `buffer` with what stands there now."""
        index, within = divmod(offset, self.volume_bytes)
        if index >= len(self._files):
            return 0
        return self._files[index].read_into(within, buffer[: self.volume_bytes - within])

    def flush(self) -> None:
        """Everything written so far is on the medium when this returns."""
        for file in self._files:
            file.flush()

    def finish(self, index: int, buffer: memoryview) -> VolumeEntry:
        """The digests of one volume, which is whole, once it is on the medium."""
        file, hashing = self._files[index], self._hashes[index]
        while hashing.count < self.sizes[index] and (count := file.read_into(hashing.count, buffer)):
            hashing.update(buffer[:count])
        file.flush()
        return hashing.entry(volume_name(self.out.name, index + 1))

    def publish(self) -> None:
        """Give every volume its name. Existing ones are not replaced (`HostError`)."""
        for file in self._files:
            file.publish()

    def discard(self) -> None:
        """Remove all of them."""
        for file in self._files:
            file.discard()

    def close(self) -> None:
        """Let go of the files and their locks."""
        while self._files:
            self._files.pop().close()

    def _hash(self, index: int, within: int, parts: list[memoryview]) -> None:
        with self._locks[index]:
            if within < self._hashes[index].count:
                # The signature area is written twice.
                self._hashes[index] = VolumeHash()
            if within == self._hashes[index].count:
                for part in parts:
                    self._hashes[index].update(part)


def check_no_strangers(out: Path, count: int) -> None:
    """`UsageError` where a volume of `out` lies there that this bundle will not have: it would be taken for a part."""
    for path in sorted(out.parent.glob(f"{_escaped(out.name)}.*")):
        parsed = parse_volume_name(path.name)
        if parsed is not None and parsed[1] > count:
            raise UsageError(
                "AB-USAGE-OUTPUT-EXISTS",
                f"{path} exists, and the bundle will have {count} volumes",
                hint="move the volumes of the earlier bundle away, or choose another name",
            )


def take_back(out: Path, count: int) -> None:
    """Give volumes their growing names again: an earlier run was killed between the first name and the table."""
    try:
        for number in range(1, count + 1):
            path = out.with_name(volume_name(out.name, number))
            growing = partial_path(path)
            if path.is_file() and not os.path.lexists(growing):
                path.rename(growing)
            elif path.is_file() and growing.samefile(path):
                # Killed right between the new name and the end of the old one.
                path.unlink()
    except OSError as error:
        raise cannot_write(out, error) from error


def remove_leftovers(out: Path, count: int) -> None:
    """Remove growing volumes behind the last one, which a run with smaller ones left."""
    for path in out.parent.glob(f"{_escaped(out.name)}.*.partial"):
        parsed = parse_volume_name(path.name.removesuffix(".partial"))
        if parsed is not None and parsed[0] == out.name and parsed[1] > count:
            path.unlink(missing_ok=True)


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
