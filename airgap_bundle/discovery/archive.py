"""The files of a chart, from a directory or a `.tgz`, as bytes in memory.

A chart is untrusted: nothing is unpacked, links are not followed, names that lead anywhere else are passed over, and
everything is bounded before it is read. Helm's own limits are the same.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.manifest.model import read_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Helm refuses charts that unpack to more than 100 MiB, and files in them of more than 5 MiB.
MAX_UNPACKED_BYTES = 100 * 1024 * 1024
MAX_FILE_BYTES = 5 * 1024 * 1024
MAX_ARCHIVE_BYTES = 20 * 1024 * 1024
# kube-prometheus-stack with its subcharts has 400.
MAX_FILES = 20_000

_BLOCK = 512
_REGULAR = frozenset({b"0", b"\0"})
# Extended headers hold a path, and a few hundred bytes of times.
_MAX_EXTENDED_BYTES = 64 * 1024


def read_chart(path: Path) -> dict[str, bytes]:
    """The files below the chart's own directory, by their path there (`Chart.yaml`, `templates/x.yaml` …).

    `DocumentError` (AB-CHART-INVALID) where it is no chart, or one that nobody should unpack.
    """
    try:
        files = dict(_walk(path)) if path.is_dir() else unpack(read_document(path, max_bytes=MAX_ARCHIVE_BYTES))
    except InvalidValueError as error:
        raise DocumentError(
            "AB-CHART-INVALID", f"{path} is not a chart: {error}", hint="try: helm show chart"
        ) from error
    if "Chart.yaml" not in files:
        raise DocumentError("AB-CHART-INVALID", f"{path} is not a chart: it has no Chart.yaml", hint="check the path")
    return files


def unpack(raw: bytes) -> dict[str, bytes]:
    """The files of a `.tgz`, without the name of the one directory that all of them are in. `InvalidValueError`."""
    if len(raw) > MAX_ARCHIVE_BYTES:
        raise InvalidValueError(f"more than {MAX_ARCHIVE_BYTES} bytes")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            data = stream.read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidValueError(f"not a gzip file: {error}") from error
    if len(data) > MAX_UNPACKED_BYTES:
        raise InvalidValueError(f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    files: dict[str, bytes] = {}
    for name, content in _members(memoryview(data)):
        _, slash, inside = name.removeprefix("./").partition("/")
        if slash and is_inside(inside):
            files[inside] = bytes(content)
        if len(files) > MAX_FILES:
            raise InvalidValueError(f"more than {MAX_FILES} files")
    return files


def pack(files: Mapping[str, bytes], name: str = "chart") -> bytes:
    """A `.tgz` of the files, for Helm's own reader. The same for the same files."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(files):
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(files[path])
            archive.addfile(member, io.BytesIO(files[path]))
    return buffer.getvalue()


def is_inside(name: str) -> bool:
    """Whether a path stays below where it starts."""
    return (
        bool(name)
        and not name.startswith("/")
        and "\\" not in name
        and all(part not in {"", ".", ".."} for part in name.split("/"))
    )


def _walk(top: Path) -> Iterator[tuple[str, bytes]]:
    """Regular files below a directory. Hidden ones and links are no part of a chart that somebody should render."""
    count = total = 0
    for directory, folders, names in os.walk(top):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for name in sorted(names):
            path = Path(directory, name)
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or (name.startswith(".") and name != ".helmignore"):
                continue
            if status.st_size > MAX_FILE_BYTES:
                # Helm would refuse it; a picture or archive beside a chart under development is no reason to.
                continue
            count, total = count + 1, total + status.st_size
            if count > MAX_FILES or total > MAX_UNPACKED_BYTES:
                raise InvalidValueError(f"more than {MAX_FILES} files or {MAX_UNPACKED_BYTES} bytes")
            yield path.relative_to(top).as_posix(), read_document(path, max_bytes=MAX_FILE_BYTES)


def _members(data: memoryview) -> Iterator[tuple[str, memoryview]]:
    """Name and content of each regular file; the standard reader stops silently, or never, at odd headers."""
    position, long_name = 0, ""
    while position + _BLOCK <= len(data):
        header = bytes(data[position : position + _BLOCK])
        if not header.rstrip(b"\0"):
            return
        size = _size(header)
        start, position = position + _BLOCK, position + _BLOCK + -(-size // _BLOCK) * _BLOCK
        if start + size > len(data):
            raise InvalidValueError("the archive ends within a file")
        content, kind = data[start : start + size], header[156:157]
        if kind in {b"x", b"L"}:
            long_name = _long_name(kind, bytes(content[:_MAX_EXTENDED_BYTES]))
            continue
        if kind in _REGULAR:
            if size > MAX_FILE_BYTES:
                raise InvalidValueError(f"a file of more than {MAX_FILE_BYTES} bytes")
            yield long_name or _name(header), content
        long_name = ""


def _size(header: bytes) -> int:
    digits = header[124:136].strip(b" \0")
    if not digits.isdigit() or set(digits) - set(b"01234567"):
        raise InvalidValueError("a file without a size")
    return int(digits, 8)


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0].decode("utf-8", "replace")
    prefix = header[345:500].partition(b"\0")[0].decode("utf-8", "replace") if header[257:262] == b"ustar" else ""
    return f"{prefix}/{name}" if prefix and header[257:263] == b"ustar\0" else name


def _long_name(kind: bytes, content: bytes) -> str:
    if kind == b"L":
        return content.partition(b"\0")[0].decode("utf-8", "replace")
    while content:
        length, space, _ = content.partition(b" ")
        if not space or not length.isdigit() or not 0 < int(length) <= len(content):
            return ""
        key, _, value = content[len(length) + 1 : int(length)].rstrip(b"\n").partition(b"=")
        if key == b"path":
            return value.decode("utf-8", "replace")
        content = content[int(length) :]
    return ""
