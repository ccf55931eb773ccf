"""What has no OCI descriptor until it is here: files of the web, chart packages, and directories that are packed.

Each is brought into the cache once, while the lock is made. A build takes it from there, and where the cache is gone
fetches or packs it again; other bytes than those that the lock names are refused.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.connected.helmignore import FILE_NAME, MAX_BYTES, ignore_rule
from airgap_bundle.connected.local_files import open_local, resolve_directory
from airgap_bundle.connected.packing import StoredGzip, list_tree, write_tar
from airgap_bundle.connected.supplies import FromDirectory, FromWeb
from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.core.oci import check_repository
from airgap_bundle.manifest.looseyaml import entry, text_of
from airgap_bundle.manifest.yamltext import parse_foreign

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.connected.cache import BlobCache, Draft
    from airgap_bundle.connected.downloads import WebClient
    from airgap_bundle.core.content import Digest, Source
    from airgap_bundle.core.report import Place

# What `chart_package` allows, so that what is packed here can be read there.
_MAX_METADATA_BYTES = 1024 * 1024
_MAX_METADATA_NODES = 20_000
# Larger than any installer or package; what says to be longer is a mistake or an attack on the disk.
MAX_FILE_BYTES = 256 * 1024**3


@dataclass(frozen=True, kw_only=True, slots=True)
class Stock:
    """The cache, and how to fill it. `directory` is that of the manifest. Safe between threads."""

    cache: BlobCache
    web: WebClient
    directory: Path

    def fetch(self, url: str, *, limit: int = MAX_FILE_BYTES, expected: Digest | None = None) -> tuple[Digest, int]:
        """Bring what stands at an address into the cache; its digest and size. What is there is not fetched again."""
        if expected is not None and (size := self.cache.size(expected)) is not None and self.cache.has(expected, size):
            return expected, size
        draft = self.web.download(url, self.cache, limit=limit, expected=expected)
        return draft.digest, draft.size

    def pack(self, supply: FromDirectory, place: Place) -> tuple[Digest, int]:
        """Pack a directory into the cache; digest and size. `DocumentError` names what cannot travel."""
        root = resolve_directory(self.directory, supply.path, place)
        with self.cache.draft() as draft:
            if supply.is_chart:
                self._pack_chart(root, supply, draft, place)
            else:
                write_tar(root, list_tree(root, place), "", draft, place)
        return draft.digest, draft.size

    @contextmanager
    def open(
        self, supply: FromWeb | FromDirectory, digest: Digest, size: int, place: Place, *, start: int = 0
    ) -> Iterator[Source]:
        """A blob of the lock, from byte `start` on: from the cache, else fetched or packed again.

        `DocumentError` where it has changed.
        """
        if not self.cache.has(digest, size):
            if isinstance(supply, FromWeb):
                self.fetch(supply.url, limit=size, expected=digest)
            elif self.pack(supply, place) != (digest, size):
                raise DocumentError(
                    "AB-LOCK-STALE",
                    f"the directory {supply.path} has changed since the lock was made",
                    hint="make the lock again: airgap-manifest lock",
                )
        with self.cache.open(digest, start=start) as source:
            yield source

    def _pack_chart(self, root: Path, supply: FromDirectory, draft: Draft, place: Place) -> None:
        """As `helm package` does: files only, below the chart's name, without what `.helmignore` names."""
        name, ignores = self._chart_name(supply.path, place), None
        if (root / FILE_NAME).exists():
            raw = read_local(self.directory, f"{supply.path}/{FILE_NAME}", place, MAX_BYTES)
            try:
                ignores = ignore_rule(raw.decode("utf-8"))
            except (InvalidValueError, UnicodeDecodeError) as error:
                raise DocumentError(
                    "AB-MANIFEST-LOCAL-FILE",
                    f"{place}: the chart {supply.path} cannot be packed: {error}",
                    hint="pack it with `helm package` and name the .tgz",
                ) from error
        tree = tuple(listed for listed in list_tree(root, place, ignores) if not listed.is_directory)
        gzip = StoredGzip(draft)
        write_tar(root, tree, f"{name}/", gzip, place)
        gzip.finish()

    def _chart_name(self, path: str, place: Place) -> str:
        """What Chart.yaml in a directory calls the chart: the folder in the package bears that name."""
        raw = read_local(self.directory, f"{path}/Chart.yaml", place, _MAX_METADATA_BYTES)
        file = f"{path}/Chart.yaml"
        node = parse_foreign(raw, file, max_bytes=_MAX_METADATA_BYTES, max_nodes=_MAX_METADATA_NODES)
        name = text_of(entry(node, "name"))
        try:
            if "/" not in check_repository(name):
                return name
            why = "it has a slash"
        except InvalidValueError as error:
            why = str(error)
        raise DocumentError(
            "AB-CHART-LOCAL",
            f"{place}: the chart {path} cannot be carried: its name cannot be a repository: {why}",
            hint="correct 'name' in its Chart.yaml",
        )


def read_local(directory: Path, relative: str, place: Place, limit: int) -> bytes:
    """A small file beside the manifest as a whole; `DocumentError` where it is longer than `limit`."""
    data, buffer = bytearray(), memoryview(bytearray(64 * 1024))
    with open_local(directory, relative, place) as source:
        while count := source.readinto(buffer):
            data += buffer[:count]
            if len(data) > limit:
                raise DocumentError(
                    "AB-MANIFEST-LOCAL-FILE",
                    f"{place}: the file {relative} has more than {limit} bytes",
                    hint="it is not what is meant here, or something was appended to it",
                )
    return bytes(data)
