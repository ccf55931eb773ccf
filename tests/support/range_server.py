"""A web server with one file, which answers ranges rightly until it is told to do something else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.scripted_server import Received, ScriptedServer, Step, answer

if TYPE_CHECKING:
    from collections.abc import Callable

_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]+)")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens instead of a right answer. With `reply` it says all; the others act on the right answer."""

    reply: bytes | Callable[[Received], bytes] | None = None
    cut_after: int | None = None
    """Hang up after so many bytes of the answer."""
    drip: float = 0.0
    """Seconds between two bytes of the body."""


@dataclass
class RangeServer(ScriptedServer):
    """Serves `data` as any path. `faults` are by the number of the request, the first is 0; `always_fault` for all."""

    data: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"etag": '"one"'})
    faults: dict[int, Fault] = field(default_factory=dict)
    always_fault: Fault | None = None
    conditional: bool = True
    """Whether conditions are honoured: If-Match and If-Unmodified-Since."""
    count: int = 0

    @property
    def url(self) -> str:
        """The address of the file."""
        return f"http://{self.address}/acme.tar"

    @property
    def ranges(self) -> list[str]:
        """What was asked for."""
        return [request.headers.get("range", "") for request in self.received]

    def right(self, request: Received) -> bytes:
        """What a good server answers."""
        if self.conditional and self._has_another(request):
            return answer(412)
        match = _RANGE.fullmatch(request.headers.get("range", ""))
        if match is None:
            return answer(200, self.data, **self.headers)
        first, last = int(match[1]), min(int(match[2]), len(self.data) - 1)
        if first > last:
            return answer(416, content_range=f"bytes */{len(self.data)}")
        content_range = f"bytes {first}-{last}/{len(self.data)}"
        return answer(206, self.data[first : last + 1], content_range=content_range, **self.headers)

    def _has_another(self, request: Received) -> bool:
        tag, since = request.headers.get("if-match"), request.headers.get("if-unmodified-since")
        return (tag is not None and tag != self.headers.get("etag")) or (
            since is not None and since != self.headers.get("last_modified")
        )

    def _next(self, method: str, target: str) -> Step:
        with self._lock:
            number, self.count = self.count, self.count + 1
        fault = self.faults.get(number, self.always_fault) or Fault()
        reply = fault.reply if fault.reply is not None else self.right

        def cut(request: Received) -> bytes:
            raw = reply if isinstance(reply, bytes) else reply(request)
            return raw[: fault.cut_after]

        return Step(method=method, target=target, answer=cut, cut=fault.cut_after is not None, drip=fault.drip)
