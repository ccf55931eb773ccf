"""Adds a signature to a bundle that is already written: in place, or beside it where the medium cannot be changed."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from airgap_bundle.bundle.beside import beside
from airgap_bundle.bundle.layout import SIGNATURE_AREA_BYTES
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import read_head
from airgap_bundle.bundle.signatures import plan_addition
from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.whole_files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.bundle.signatures import SignatureFile

_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ETXTBSY}


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
