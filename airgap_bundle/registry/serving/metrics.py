"""What the embedded server counts, as Prometheus reads it (text format 0.0.4).

Written by hand: it is a page of text whose labels are all our own words, and no reason for the side that verifies to
depend on one library more. No label holds a name of a repository or of a client.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from airgap_bundle import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airgap_bundle.registry.serving.access_log import Answered

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
# From a manifest out of the cache to a layer over a slow line.
_BUCKETS_SECONDS = (0.005, 0.05, 0.5, 5.0, 60.0, 600.0)
_PREFIX = "airgap_registry"


class Metrics:
    """Counters since the server began. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * len(_BUCKETS_SECONDS)
        self._seconds = 0.0
        self._received = 0
        self._sent = 0
        self._turned_away = 0

    def count(self, answered: Answered) -> None:
        """One request more."""
        method = answered.method if answered.method in _METHODS else "other"
        with self._lock:
            self._requests[method, answered.status] += 1
            self._received += answered.received_bytes
            self._sent += answered.sent_bytes
            self._seconds += answered.seconds
            for place, bound in enumerate(_BUCKETS_SECONDS):
                self._buckets[place] += answered.seconds <= bound

    def turn_away(self) -> None:
        """One connection more that was closed because there were too many."""
        with self._lock:
            self._turned_away += 1

    def page(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """The page. `gauges` are further values by name, each with its meaning."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines(gauges))

    def _lines(self, gauges: Mapping[str, tuple[str, float]]) -> Iterator[str]:
        yield from _head("build_info", "gauge", "The version of the program")
        yield f'{_PREFIX}_build_info{{version="{__version__}"}} 1'
        yield from _head("requests_total", "counter", "Requests by method and status; 0 where the client left before")
        for (method, status), count in sorted(self._requests.items()):
            yield f'{_PREFIX}_requests_total{{code="{status}",method="{method}"}} {count}'
        yield from _head(
            "request_duration_seconds", "histogram", "From the end of the headers to the end of the answer"
        )
        for bound, below in zip(_BUCKETS_SECONDS, self._buckets, strict=True):
            yield f'{_PREFIX}_request_duration_seconds_bucket{{le="{bound}"}} {below}'
        total = self._requests.total()
        yield f'{_PREFIX}_request_duration_seconds_bucket{{le="+Inf"}} {total}'
        yield f"{_PREFIX}_request_duration_seconds_sum {self._seconds}"
        yield f"{_PREFIX}_request_duration_seconds_count {total}"
        for name, meaning, value in (
            ("received_bytes_total", "Bytes from clients, headers included", self._received),
            ("sent_bytes_total", "Bytes to clients, headers included", self._sent),
            ("connections_refused_total", "Connections closed because there were too many", self._turned_away),
        ):
            yield from _head(name, "counter", meaning)
            yield f"{_PREFIX}_{name} {value}"
        for name, (meaning, number) in gauges.items():
            yield from _head(name, "gauge", meaning)
            yield f"{_PREFIX}_{name} {number:.17g}"


def _head(name: str, kind: str, meaning: str) -> tuple[str, str]:
    return f"# HELP {_PREFIX}_{name} {meaning}", f"# TYPE {_PREFIX}_{name} {kind}"
