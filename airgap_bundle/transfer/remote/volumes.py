"""The volumes of a bundle on a web server, as one file by ranges: each range goes to the volumes that it lies in.

`NAME.volumes.json` beside them says how many there are and how long each is. Nobody signed it: where it lies, the
server's own lengths or the digests of the inventory contradict it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from airgap_bundle.bundle.volumes.complaints import appended, truncated
from airgap_bundle.bundle.volumes.naming import table_name, volume_name
from airgap_bundle.bundle.volumes.table import MAX_TABLE_BYTES, VolumeTable, parse_table
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.transfer.remote.places import WebPlace

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.transfer.remote.address import WebAddress
    from airgap_bundle.transfer.remote.ranges import RangeClient, RangeStream

_SUFFIX = ".001"


class VolumesClient:
    """All volumes on one host. Safe between threads. `address` is that of the first one."""

    def __init__(self, address: WebAddress, client_of: Callable[[WebPlace], RangeClient]) -> None:
        base = address.target.removesuffix(_SUFFIX)
        self._address = address
        self._client_of = client_of
        self._base = base
        self._name = address.name.removesuffix(_SUFFIX)
        self._lock = threading.Lock()
        table = self._read_table()
        self._sizes = [entry.size for entry in table.entries]
        self._starts = [0, *accumulate(self._sizes)]
        self._size = self._starts.pop()
        # One for each volume; no connection is made before somebody reads from it.
        self._clients = [client_of(self._place(volume_name(base, number))) for number in range(1, len(self._sizes) + 1)]
        self._begun: set[int] = set()

    @property
    def name(self) -> str:
        """What messages call the bundle."""
        return self._name

    @property
    def size(self) -> int:
        """The length of all volumes together."""
        return self._size

    def begin(self, limit: int) -> bytes:
        """The first bytes, at most `limit` and at most those of the first volume."""
        front = self._clients[0].begin(limit)
        self._check(0)
        return front

    def open(self, start: int, end: int) -> VolumesStream:
        """The bytes from `start` up to `end`, which have to lie in the bundle."""
        return VolumesStream(self, start, end)

    def open_part(self, position: int, end: int) -> RangeStream:
        """Those of them that lie in one volume, the one that `position` is in."""
        index = bisect_right(self._starts, position) - 1
        start, client = self._starts[index], self._clients[index]
        with self._lock:
            if index not in self._begun:
                # Its length, and which file that is: asked for with its first byte.
                client.begin(1)
                self._check(index)
        return client.open(position - start, min(end - start, self._sizes[index]))

    def close(self) -> None:
        """Close every connection; nothing is asked any more."""
        for client in self._clients:
            client.close()

    def _place(self, target: str) -> WebPlace:
        return WebPlace(replace(self._address, target=target))

    def _check(self, index: int) -> None:
        size, client = self._sizes[index], self._clients[index]
        due = f"{size}, as {table_name(self.name)} says"
        if client.pinned.size < size:
            raise truncated(client.place.name, client.pinned.size, due)
        if client.pinned.size > size:
            raise appended(client.place.name, client.pinned.size, due)
        self._begun.add(index)

    def _read_table(self) -> VolumeTable:
        client = self._client_of(self._place(table_name(self._base)))
        try:
            raw = client.begin(MAX_TABLE_BYTES)
            # What is longer is cut here, and then it is no JSON.
            return parse_table(raw)
        except InvalidValueError as error:
            raise RegistryError(
                "AB-URL-VOLUMES",
                f"{client.place.name} does not say which volumes there are: {error}",
                hint="put NAME.volumes.json beside the volumes as it was written with them",
            ) from error
        finally:
            client.close()


class VolumesStream:
    """The bytes of one range over volumes, from front to end. For one thread."""

    def __init__(self, client: VolumesClient, start: int, end: int) -> None:
        self.position = start
        self.end = end
        self._client = client
        self._part: RangeStream | None = None

    def readinto(self, buffer: memoryview, /) -> int:
        """The next bytes; 0 at the end of the range. Raises `RegistryError` and `BundleError`."""
        if self.position >= self.end:
            return 0
        if self._part is None or self._part.position == self._part.end:
            self.close()
            self._part = self._client.open_part(self.position, self.end)
        count = self._part.readinto(buffer)
        self.position += count
        return count

    def close(self) -> None:
        """Let go of the connection."""
        if self._part is not None:
            self._part.close()
            self._part = None
