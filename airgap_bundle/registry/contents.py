"""The bytes of a registry directory: every blob and manifest once, under its digest, for all repositories.

Version 1 of the layout, as a whole:

    registry.json                                    {"format": "airgap-bundle-registry", "version": 1}
    blobs/ALGORITHM/HH/HEX                           content; HH are the first two digits of HEX
    scratch/                                         what is being written; names here mean nothing
    uploads/                                         uploads under way (`uploads.py`)
    collecting.lock                                  held while content is removed, shared while it is stored
    collector.lock                                   held by who looks for what can be removed
    repositories/NAME/_blobs/ALGORITHM-HEX           empty: the repository holds this blob
    repositories/NAME/_manifests/ALGORITHM-HEX       media type: the repository holds this manifest
    repositories/NAME/_tags/TAG                      digest
    repositories/NAME/_referrers/SUBJECT/REFERRER    descriptor: what is attached to a subject
    repositories/NAME/_lock                          held while manifests and tags of the repository change

NAME is a repository name with its slashes; its components never begin with an underscore, so that nested names and our
own directories cannot meet. A directory that says a higher version is refused, and so is one that holds other things.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest, copy_verified
from airgap_bundle.core.errors import HostError, InvalidValueError, RegistryError, UsageError
from airgap_bundle.core.text import size_text
from airgap_bundle.registry import durable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from io import FileIO
    from pathlib import Path

    from airgap_bundle.core.content import Source

LAYOUT_VERSION = 1
_FORMAT = "airgap-bundle-registry"
_VERSION_FILE = "registry.json"
_COLLECTING_FILE = "collecting.lock"
# The version file has two short members; anything near this size is something else.
_MAX_VERSION_FILE_BYTES = 4096
# What a fresh file system puts into its top directory.
_HARMLESS_NAMES = frozenset({"lost+found"})


class Contents:
    """The content of a registry directory, by digest. Safe for many threads and many processes.

    A directory that does not exist yet is made at once or, without `make`, by the first that writes to it.
    """

    def __init__(self, root: Path, *, make: bool = True) -> None:
        self.root = root
        self._scratch = root / "scratch"
        self._blobs = root / "blobs"
        self._is_claimed = False
        with durable.host_errors(root, "be opened"):
            if make or (root / _VERSION_FILE).exists():
                self._claim()
            elif root.exists():
                _refuse_foreign(root)

    @property
    def scratch(self) -> Path:
        """Where files are written before they get their names. Who asks is about to write, so the directory is made."""
        if not self._is_claimed:
            with durable.host_errors(self.root, "be opened"):
                self._claim()
        return self._scratch

    def _claim(self) -> None:
        _claim(self.root, self._scratch)
        self._is_claimed = True

    def path(self, digest: Digest) -> Path:
        """Where the content of a digest is, or would be."""
        return self._blobs / digest.algorithm / digest.encoded[:2] / digest.encoded

    def size(self, digest: Digest) -> int | None:
        """The number of bytes, `None` if it is not here."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def open(self, digest: Digest) -> FileIO | None:
        """The content, open for reading and unverified; `None` if it is not here."""
        try:
            return self.path(digest).open("rb", buffering=0)
        except FileNotFoundError:
            return None

    def is_there(self) -> bool:
        """Whether the directory can be read at this moment."""
        try:
            return (self.root / _VERSION_FILE).is_file()
        except OSError:
            return False

    def free_bytes(self) -> int:
        """How much more could be stored."""
        with durable.host_errors(self.root, "be looked at"):
            status = os.statvfs(self.root)
        return status.f_bavail * status.f_frsize

    def check_writable(self, total_bytes: int) -> None:
        """Return if so much could be stored; `HostError` if not."""
        with durable.host_errors(self.root, "be written to"), durable.scratch_file(self.scratch) as (descriptor, _):
            status = os.fstatvfs(descriptor)
        free = status.f_bavail * status.f_frsize
        if total_bytes > free:
            raise HostError(
                "AB-HOST-SPACE",
                f"{self.root} needs room for {size_text(total_bytes)}, and {size_text(free)} are free",
                hint="free some space, or use a directory on another disk",
            )

    def write(
        self,
        digest: Digest,
        size: int,
        source: Source,
        *,
        buffer: memoryview,
        moved: Callable[[int], None] | None = None,
    ) -> None:
        """Store what `source` yields if it is the content of `digest`; else nothing is stored.

        Raises `ContentMismatchError`, and `HostError` for what this side cannot write; what the source raises passes
        through.
        """
        with contextlib.ExitStack() as stack:
            with durable.host_errors(self.root, "begin to store a blob"):
                descriptor, path = stack.enter_context(durable.scratch_file(self.scratch))
            copy_verified(source, _Sink(self.root, descriptor), digest=digest, size=size, buffer=buffer, moved=moved)
            self.adopt(descriptor, path, digest)

    def adopt(self, descriptor: int, path: Path, digest: Digest) -> None:
        """Give a file whose digest has been checked its place. It has to be on this file system."""
        with durable.host_errors(self.root, "store a blob"), self.staying():
            os.utime(descriptor)
            durable.publish(descriptor, path, self.path(digest))

    def put_document(self, digest: Digest, raw: bytes) -> None:
        """Store the bytes of a manifest, which have been found to have this digest."""
        with durable.host_errors(self.root, "store a manifest"), self.staying():
            durable.write_file(self.path(digest), raw, scratch=self.scratch)

    def staying(self) -> AbstractContextManager[None]:
        """For as long as it lasts nothing is collected: what is stored meanwhile is new to who collects."""
        return durable.locked(self.root / _COLLECTING_FILE, shared=True)

    def all_digests(self) -> Iterator[tuple[Digest, os.stat_result]]:
        """Everything that is stored, in no order. What has gone meanwhile, or is not named by a digest, is left out."""
        with durable.host_errors(self.root, "be looked through"):
            for path in self._blobs.glob("*/??/*"):
                with contextlib.suppress(InvalidValueError, FileNotFoundError):
                    yield Digest(f"{path.parent.parent.name}:{path.name}"), path.stat()

    def discard(self, digest: Digest, *, older_than: float) -> int:
        """Remove the content of a digest unless it was stored since `older_than` (time of day); the bytes set free."""
        path = self.path(digest)
        with durable.host_errors(self.root, "remove a blob"), durable.locked(self.root / _COLLECTING_FILE):
            try:
                found = path.stat()
            except FileNotFoundError:
                return 0
            if found.st_mtime >= older_than:
                return 0
            path.unlink()
        return found.st_size


class _Sink:
    """An open file as a sink, whose refusals are those of this side and not of the source."""

    def __init__(self, root: Path, descriptor: int) -> None:
        self._root = root
        self._descriptor = descriptor

    def write(self, data: memoryview, /) -> None:
        """Take all of `data`."""
        with durable.host_errors(self._root, "write a blob"):
            durable.write_all(self._descriptor, data)


def _claim(root: Path, scratch: Path) -> None:
    """Check that the directory is ours, or make it so if it is new or empty."""
    version_file = root / _VERSION_FILE
    if not version_file.exists():
        if root.exists():
            _refuse_foreign(root)
        durable.make_directory(scratch)
        marker = {"format": _FORMAT, "version": LAYOUT_VERSION}
        durable.write_file(version_file, strictjson.canonical(marker) + b"\n", scratch=scratch)
    _check_version(root, version_file)
    durable.make_directory(scratch)


def _refuse_foreign(root: Path) -> None:
    hint = "name a directory that does not exist yet, an empty one, or one that this program made"
    if not root.is_dir():
        raise UsageError("AB-STORE-FOREIGN", f"{root} is not a directory", hint=hint)
    # `scratch` alone is what another process leaves that is making the same directory at this moment.
    names = {entry.name for entry in root.iterdir() if not entry.name.startswith(".")} - _HARMLESS_NAMES - {"scratch"}
    if names and not (root / _VERSION_FILE).exists():
        example = min(names)
        raise UsageError("AB-STORE-FOREIGN", f"{root} is not a registry and holds other things: {example}", hint=hint)


def _check_version(root: Path, version_file: Path) -> None:
    with version_file.open("rb") as file:
        raw = file.read(_MAX_VERSION_FILE_BYTES + 1)
    hint = "open it with the version of this program that made it, or a newer one"
    try:
        value = strictjson.parse_object(raw, max_bytes=_MAX_VERSION_FILE_BYTES)
    except InvalidValueError as error:
        raise RegistryError("AB-STORE-LAYOUT", f"{version_file} cannot be read: {error}", hint=hint) from error
    if value.get("format") != _FORMAT or value.get("version") != LAYOUT_VERSION:
        found = str(value.get("version", "none"))[:20]
        raise RegistryError(
            "AB-STORE-LAYOUT", f"the registry in {root} has layout version {found}, not {LAYOUT_VERSION}", hint=hint
        )
