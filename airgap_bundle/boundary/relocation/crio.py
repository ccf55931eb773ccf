"""CRI-O, podman, skopeo: `registries.conf.d/50-airgap.conf` (containers-registries.conf(5), version 2).

`location` and no mirror: a name of that host goes inside and nowhere else. The longest prefix decides, so images that
were mapped elsewhere have rules of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.relocation.moves import by_host, prefixes
from airgap_bundle.boundary.relocation.output import Made, Output, header
from airgap_bundle.boundary.relocation.toml import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.boundary.relocation.moves import Moved, Moves

PATH = "registries.conf.d/50-airgap.conf"
_USE = f"copy {PATH} to /etc/containers/registries.conf.d on each node; CRI-O reads it again on SIGHUP"


def crio(moves: Moves) -> Output:
    """The file; everything has a place in it."""
    rules = [rule for host, moved in by_host(moves.pulled).items() for rule in _rules(host, moved, moves.home.host)]
    if not rules:
        return Output()
    home = moves.home
    if home.plain_http and home.host not in by_host(moves.pulled):
        rules.append((home.host, home.host))
    notes = ["short names such as redis:7 need unqualified-search-registries in /etc/containers/registries.conf"]
    if home.ca_file:
        notes.append(f"copy {home.ca_file} to /etc/containers/certs.d/{home.host}/ca.crt, unless it is trusted already")
    lines = [header(moves.receipts, notes).rstrip("\n")]
    for prefix, location in rules:
        lines += ["", "[[registry]]", f"prefix = {quoted(prefix)}", f"location = {quoted(location)}"]
        lines += ["insecure = true"] if home.plain_http else []
    return Output(files=(Made(path=PATH, data=("\n".join(lines) + "\n").encode()),), use=_USE)


def _rules(host: str, moved: list[Moved], inside: str) -> Iterator[tuple[str, str]]:
    """Name outside, name inside: the host as a whole where a path was put before, and each image that is elsewhere."""
    found = prefixes(moved)
    if found:
        yield host, f"{inside}/{found[0]}" if found[0] else inside
    own = {one.source.name: one.name for one in moved if not found or one.prefix != found[0]}
    yield from sorted(own.items())
