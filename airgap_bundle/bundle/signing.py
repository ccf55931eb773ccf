"""Adds a signature to a bundle that is already written: in place, or beside it where the medium cannot be changed."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import closing, suppress
from itertools import islice
from typing import TYPE_CHECKING

from airgap_bundle.bundle.layout import SIGNATURE_AREA_BYTES
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import read_head
from airgap_bundle.bundle.signatures import (
    MAX_SIGNATURE_BYTES,
    MAX_SIGNATURES,
    SignatureFile,
    plan_addition,
)
from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core.content import new_buffer
from airgap_bundle.core.errors import AirgapError, BundleError, InvalidValueError, UsageError
from airgap_bundle.core.whole_files import write_whole

if TYPE_CHECKING:
    from pathlib import Path


_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ETXTBSY}


def beside(bundle: Path) -> Path:
    """The directory for signatures of a bundle that cannot be changed itself."""
    return bundle.with_name(f"{bundle.name}.signatures")


def add_signature(bundle: Path, signature: SignatureFile) -> Path | None:
    """Add one; where it went, or None where the same key had signed before.

    In place where the file can be written and has room, else as a file in `NAME.signatures/`. Killed at any moment, the
    bundle has its old signatures or its old ones and this one.
    """
    try:
        descriptor = os.open(bundle, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _READ_ONLY:
            return add_beside(bundle, signature)
        raise cannot_write(bundle, error) from error
    try:
        # Two people who sign at the same moment would write to the same place. Where there are no locks, they may.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with closing(FileMedium(bundle)) as medium:
            area_at = read_head(medium).area_at
        area = os.pread(descriptor, SIGNATURE_AREA_BYTES, area_at)
        try:
            writes = plan_addition(area, signature)
        except InvalidValueError:
            return add_beside(bundle, signature)
        for write in writes:
            os.pwrite(descriptor, write.data, area_at + write.at)
            os.fdatasync(descriptor)
    except OSError as error:
        raise cannot_write(bundle, error) from error
    finally:
        os.close(descriptor)
    return bundle if writes else None


def read_beside(bundle: Path) -> tuple[SignatureFile, ...]:
    """The signatures that lie beside a bundle, bounded in number and size; none where there is no such directory."""
    return read_directory(beside(bundle))


def read_directory(directory: Path, *, must_exist: bool = False) -> tuple[SignatureFile, ...]:
    """The signatures in a directory, bounded in number and size; `UsageError` where it is missing and must not be.

    Hidden files are passed over: a signing that was killed leaves one, and so do some systems on every medium.
    """
    try:
        visible = (path.name for path in directory.iterdir() if not path.name.startswith("."))
        names = sorted(islice(visible, MAX_SIGNATURES + 1))
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise UsageError(
                "AB-USAGE-SIGNATURES",
                f"there is no directory {directory} with signatures",
                hint="give the directory that airgap-export sign made beside the bundle: NAME.signatures",
            ) from error
        return ()
    if len(names) > MAX_SIGNATURES:
        raise BundleError(
            "AB-BUNDLE-SIGNATURES",
            f"{directory} holds more than {MAX_SIGNATURES} files; that many signatures are allowed",
            hint="leave only the signatures of this bundle there",
        )
    found = []
    for name in names:
        try:
            found.append(SignatureFile(name=name, data=_read_regular(directory / name)))
        except (InvalidValueError, AirgapError) as error:
            raise BundleError(
                "AB-BUNDLE-SIGNATURES",
                f"{directory / name} is not a signature: {error}",
                hint="leave only the signatures of this bundle there",
            ) from error
    return tuple(found)


def _read_regular(path: Path) -> bytes:
    """At most one byte more than a signature may have; never from a FIFO or a device, which could block for ever."""
    with closing(FileMedium(path)) as medium:
        buffer = new_buffer(MAX_SIGNATURE_BYTES + 1)
        return bytes(buffer[: medium.read_at(0, buffer)])


def add_beside(bundle: Path, signature: SignatureFile) -> Path | None:
    """Add one in `NAME.signatures/`; where it went, or None where the same key had signed before."""
    directory = beside(bundle)
    target = directory / signature.name
    try:
        directory.mkdir(exist_ok=True)
        if target.exists():
            return None
        write_whole(target, signature.data)
    except OSError as error:
        raise cannot_write(target, error) from error
    return target
