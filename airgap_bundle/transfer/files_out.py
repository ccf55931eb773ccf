"""Writes the files of a bundle into a directory: licences, packages and notes that people want as files.

All of it is written or nothing; whether it was verified is for the caller to say. Everything is put beside its place
first; then names that are taken by something else stop it, and each file is linked into place without ever replacing
one. No name leads out of the directory, and no link on the way is followed.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from airgap_bundle.bundle.reader import damage
from airgap_bundle.bundle.writer import cannot_write, sync_directory
from airgap_bundle.core.content import ContentMismatchError, copy_verified, new_buffer
from airgap_bundle.core.errors import BundleError, InvalidValueError, UsageError
from airgap_bundle.core.oci import TITLE
from airgap_bundle.manifest.locked import DIRECTORY_MEDIA_TYPE
from airgap_bundle.transfer.files_out_tree import Planned, plan_file, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from airgap_bundle.core.content import Descriptor, Digest, Source
    from airgap_bundle.transfer.plan import Target

    OpenBlob = Callable[[str, Descriptor], AbstractContextManager[Source]]

_CANNOT_LINK = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_COMPARED_BYTES = 1024 * 1024
_NO_DOCUMENTS: Mapping[str, bytes] = MappingProxyType({})


@dataclass(kw_only=True, slots=True)
class Staged:
    """Files that lie ready in `scratch`, to be put into `directory`."""

    directory: Path
    scratch: Path
    planned: tuple[Planned, ...]
    _made: list[Path] = field(default_factory=list)

    @property
    def put(self) -> tuple[str, ...]:
        """The names of the files that are there once they are put."""
        return tuple(planned.name for planned in self.planned if not planned.is_directory)

    def check(self) -> None:
        """`UsageError` naming the first file or directory in the way; nothing is changed."""
        for planned in self.planned:
            place = self._in_the_way(planned)
            if place is not None:
                raise UsageError(
                    "AB-USAGE-FILES-EXIST",
                    f"{self.directory / place} is there already and is something else than the bundle's",
                    hint="move it away, or name another directory; nothing is ever overwritten",
                )

    def publish(self) -> None:
        """Put every file into place, or, where that fails, none of them."""
        try:
            for planned in self.planned:
                self._put(planned)
            sync_directory(self.directory)
        except BaseException as error:
            self.withdraw()
            if isinstance(error, OSError):
                raise cannot_write(self.directory, error) from error
            raise

    def withdraw(self) -> None:
        """Take away what was put, and nothing that was there before."""
        while self._made:
            _take_away(self._made.pop())

    def _in_the_way(self, planned: Planned) -> str | None:
        """The part of a name that is taken by something else; None where the place is free, or holds the same."""
        parts = planned.name.split("/")
        for end in range(1, len(parts) + 1):
            name = "/".join(parts[:end])
            try:
                mode = (self.directory / name).lstat().st_mode
            except FileNotFoundError:
                return None
            is_last = end == len(parts)
            if not is_last or planned.is_directory:
                if not stat.S_ISDIR(mode):
                    return name
            elif not stat.S_ISREG(mode) or not _same(self.directory / name, self.scratch / planned.scratch):
                return name
        return None

    def _put(self, planned: Planned) -> None:
        parts = planned.name.split("/")
        with ExitStack() as stack:
            parent = _open_directory(stack, str(self.directory), None)
            for number, part in enumerate(parts if planned.is_directory else parts[:-1], start=1):
                path = self.directory.joinpath(*parts[:number])
                try:
                    os.mkdir(part, 0o755, dir_fd=parent)
                    self._made.append(path)
                except FileExistsError:
                    pass
                parent = _open_directory(stack, part, parent)
            if planned.is_directory:
                return
            if self._link(planned, parts[-1], parent):
                self._made.append(self.directory / planned.name)
            else:
                # What was there before is the same, or came into being since the check and stops it here.
                self.check()

    def _link(self, planned: Planned, name: str, parent: int) -> bool:
        """Give a file its name, unless something bears it."""
        source = self.scratch / planned.scratch
        try:
            os.link(source, name, dst_dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            # FAT and some network file systems have no links; there a rename must do, which would replace.
            try:
                os.lstat(name, dir_fd=parent)
            except FileNotFoundError:
                os.rename(source, name, dst_dir_fd=parent)
                return True
            return False
        return True


@contextmanager
def stage(
    directory: Path,
    targets: tuple[Target, ...],
    open_blob: OpenBlob,
    *,
    below: str = "",
    without: Collection[Digest] = (),
    documents: Mapping[str, bytes] = _NO_DOCUMENTS,
) -> Iterator[Staged]:
    """Write the files of a bundle beside their places; whatever is left there is gone when the block ends.

    `open_blob` gives the bytes of a layer of a repository; each is compared with its digest. They go `below` that
    directory, `without` those of these digests; `documents` are files by their names, of which the caller is sure.
    `BundleError` where names cannot be used, `HostError` where the directory cannot be written.
    """
    # Named before it is made, so that Ctrl-C at that very moment leaves nothing either.
    scratch = directory / f".airgap-files-{secrets.token_hex(16)}"
    try:
        _make_scratch(scratch)
        planned = _stage_layers(scratch, targets, open_blob, without)
        if below:
            planned = [replace(one, name=f"{below}/{one.name}") for one in planned]
        planned += _stage_documents(scratch, documents)
        _check_names(planned)
        yield Staged(directory=directory, scratch=scratch, planned=tuple(planned))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _make_scratch(scratch: Path) -> None:
    try:
        scratch.parent.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(mode=0o700)
    except OSError as error:
        raise cannot_write(scratch.parent, error) from error


def _stage_layers(
    scratch: Path, targets: tuple[Target, ...], open_blob: OpenBlob, without: Collection[Digest]
) -> list[Planned]:
    files = [target for target in targets if target.item.kind == "files"]
    layers = [(target, layer) for target in files for layer in target.top.layers if layer.digest not in without]
    planned: list[Planned] = []
    try:
        for number, (target, layer) in enumerate(layers):
            planned += _stage_layer(scratch / str(number), target, layer, open_blob)
    except OSError as error:
        raise cannot_write(scratch, error) from error
    return planned


def _stage_documents(scratch: Path, documents: Mapping[str, bytes]) -> list[Planned]:
    planned: list[Planned] = []
    try:
        for number, (name, data) in enumerate(documents.items()):
            place = scratch / f"d{number}"
            with place.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)
            planned.append(Planned(name=name, scratch=place.name))
    except OSError as error:
        raise cannot_write(scratch, error) from error
    return planned


def _stage_layer(place: Path, target: Target, layer: Descriptor, open_blob: OpenBlob) -> list[Planned]:
    """One file, or the contents of one packed directory."""
    place.mkdir()
    data = place / "data"
    with data.open("xb") as file:
        try:
            with open_blob(target.repository, layer) as source:
                copy_verified(source, file, digest=layer.digest, size=layer.size, buffer=new_buffer())
        except ContentMismatchError as error:
            raise damage(target.item.source, layer.digest) from error
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o644)
    title = layer.annotations.get(TITLE, "")
    try:
        if layer.media_type != DIRECTORY_MEDIA_TYPE:
            return [plan_file(title, f"{place.name}/data")]
        planned = unpack(data, title, place)
    except InvalidValueError as error:
        raise BundleError(
            "AB-BUNDLE-FILES",
            f"the files of the bundle cannot be written: {title[:160]!r}: {error}",
            hint="ask whoever built the bundle for one with other names; images and charts are not affected",
        ) from error
    data.unlink()
    return planned


def _check_names(planned: list[Planned]) -> None:
    """No two for one name, whatever the case, as FAT, NTFS and macOS have it; and no file where a directory must be."""
    taken: set[str] = set()
    for one in planned:
        if not one.is_directory:
            if one.name.lower() in taken:
                raise _clash(one.name)
            taken.add(one.name.lower())
    for one in planned:
        parts = one.name.lower().split("/")
        # A directory must not bear the name of a file itself, a file only its own.
        for end in range(1, len(parts) + one.is_directory):
            if "/".join(parts[:end]) in taken:
                raise _clash(one.name)


def _clash(name: str) -> BundleError:
    return BundleError(
        "AB-BUNDLE-FILES",
        f"the files of the bundle cannot be written: two of them would be {name[:160]!r}",
        hint="ask whoever built the bundle for one with other names; images and charts are not affected",
    )


def _open_directory(stack: ExitStack, name: str, parent: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (os.O_NOFOLLOW if parent is not None else 0)
    descriptor = os.open(name, flags, dir_fd=parent)
    stack.callback(os.close, descriptor)
    return descriptor


def _take_away(path: Path) -> None:
    """Undo one step; what has become somebody else's in the meantime stays."""
    try:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    except OSError:
        return


def _same(left: Path, right: Path) -> bool:
    with left.open("rb") as one, right.open("rb") as other:
        if os.fstat(one.fileno()).st_size != os.fstat(other.fileno()).st_size:
            return False
        while piece := one.read(_COMPARED_BYTES):
            if piece != other.read(_COMPARED_BYTES):
                return False
    return True
