"""A web server with bundles to fetch: real nginx on loopback, which keeps a record of what it sent."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.nginx import nginx_before

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LINE = re.compile(r'"([A-Z]+) (\S+) HTTP/[0-9.]+" ([0-9]{3}) ([0-9]+) ')


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One answer: method, path, status, and bytes of its body."""

    method: str
    path: str
    status: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A directory behind nginx. `url` gives the address of a file in it."""

    base: str
    directory: Path
    log: Path

    def url(self, name: str) -> str:
        """The address of a file."""
        return f"{self.base}/drop/{name}"

    def sent(self, *, at_least: int = 0) -> list[Sent]:
        """What was answered so far. nginx writes its log after the answer, so `at_least` so many are waited for."""
        deadline = time.monotonic() + 5
        while True:
            found = [
                Sent(method=match[1], path=match[2], status=int(match[3]), size=int(match[4]))
                for match in map(_LINE.search, self.log.read_text().splitlines())
                if match is not None
            ]
            if len(found) >= at_least or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def forget(self) -> None:
        """Begin the record anew."""
        time.sleep(0.05)
        with self.log.open("r+b") as file:
            file.truncate()


@contextlib.contextmanager
def nginx_drop(
    path: Path, *, tls: tuple[Path, Path] | None = None, rules: str = "", client_authority: Path | None = None
) -> Iterator[Drop]:
    """nginx with the files of `path/files/drop`. `rules` are lines of the location that they are in.

    With `client_authority` clients need a certificate by it.
    """
    directory = path / "files" / "drop"
    directory.mkdir(parents=True)
    log = path / "drop.log"
    location = f"root {path / 'files'}; access_log {log} combined; location /drop/ {{ {rules} }}"
    with nginx_before(
        "127.0.0.1:1", path / "nginx", rules=location, tls=tls, client_authority=client_authority
    ) as front:
        yield Drop(base=f"http{'s' if tls else ''}://{front.address}", directory=directory, log=log)
