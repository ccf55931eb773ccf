"""What lies beside volumes: `NAME.volumes.json`, and `NAME.sha256` over everything of the bundle on the medium."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airgap_bundle.bundle.beside import beside, read_directory
from airgap_bundle.bundle.volumes.naming import sums_name, table_name
from airgap_bundle.bundle.volumes.table import VolumeTable, dump_sums, dump_table
from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core.content import Digest
from airgap_bundle.core.whole_files import write_whole

if TYPE_CHECKING:
    from pathlib import Path


def write_table_and_sums(directory: Path, table: VolumeTable, name: str) -> None:
    """Write both into `directory`, in place of older ones; the sums name the volumes that lie there.

    The table names all volumes, on each medium. Files appear whole or not at all.
    """
    raw = dump_table(table)
    replace_file(directory / table_name(name), raw)
    sums = [(one.name, one.digest) for one in table.entries if os.path.lexists(directory / one.name)]
    sums.append((table_name(name), Digest.of(raw)))
    signatures = beside(directory / name)
    sums += [(f"{signatures.name}/{one.name}", Digest.of(one.data)) for one in read_directory(signatures)]
    replace_file(directory / sums_name(name), dump_sums(sums))


def replace_file(path: Path, raw: bytes) -> None:
    """Write a small file that appears whole, in place of an older one."""
    try:
        write_whole(path, raw)
    except OSError as error:
        raise cannot_write(path, error) from error
