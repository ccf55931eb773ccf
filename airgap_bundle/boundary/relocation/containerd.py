"""containerd: `certs.d/HOST/hosts.toml` for each host outside (containerd docs/hosts.md).

`server` names the registry inside as well, so that nothing falls back to the internet; `override_path` since the path
of a mirror stands behind `/v2/`. A host has one file, and in it a path can only stand before a repository's own: an
image that was mapped to another name has no place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.relocation.moves import by_host, prefixes
from airgap_bundle.boundary.relocation.output import Made, Output, Unplaced, header
from airgap_bundle.boundary.relocation.toml import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.boundary.relocation.moves import Home, Moved, Moves

_USE = (
    "copy certs.d/ to /etc/containerd/certs.d on each node, and let config_path of containerd's registry section name"
    " it; no restart is needed"
)


def containerd(moves: Moves) -> Output:
    """The files, one for each host, and one for the registry itself where it needs to be told how to be spoken to."""
    files: list[Made] = []
    unplaced: list[Unplaced] = []
    taken = {one.repository: one.source.name for one in moves.pulled}
    for host, moved in by_host(moves.pulled).items():
        found = prefixes(moved)
        lost = list(_unplaced(moved, found, taken))
        unplaced += lost
        if found:
            notes = [f"no place here: {one.what}" for one in lost]
            files.append(_file(moves, host, found, notes))
    home = moves.home
    if files and (home.plain_http or home.ca_file) and home.host not in by_host(moves.pulled):
        files.append(_file(moves, home.host, [""], ["the registry inside, for images that are named by it"]))
    return Output(files=tuple(files), unplaced=tuple(unplaced), use=_USE if files else "")


def _unplaced(moved: list[Moved], found: list[str], taken: dict[str, str]) -> Iterator[Unplaced]:
    for one in moved:
        if one.prefix is None:
            yield Unplaced(
                what=one.source.name, why=f"containerd cannot rename it to {one.repository}, only put a path before it"
            )
            continue
        # The mirrors of a host are asked one after the other, so an earlier one must not have another image there.
        for prefix in found[: found.index(one.prefix)]:
            other = taken.get(f"{prefix}/{one.source.repository}" if prefix else one.source.repository)
            if other is not None:
                yield Unplaced(what=one.source.name, why=f"{other} went where containerd looks for it first")


def _file(moves: Moves, host: str, found: list[str], notes: list[str]) -> Made:
    lines = [header(moves.receipts, notes).rstrip("\n"), *_lines(moves.home, found)]
    return Made(path=f"certs.d/{directory(host)}/hosts.toml", data=("\n".join(lines) + "\n").encode())


def directory(host: str) -> str:
    """The directory of a host: a port is written `host_5000_`, as a colon cannot stand in names on every medium."""
    name, colon, port = host.rpartition(":")
    return f"{name}_{port}_" if colon and not host.endswith("]") else host


def _lines(home: Home, found: list[str]) -> Iterator[str]:
    yield f"server = {quoted(_url(home, found[0]))}"
    yield from _how(home, found[0], "")
    for prefix in found:
        yield ""
        yield f"[host.{quoted(_url(home, prefix))}]"
        yield from _how(home, prefix, "  ")


def _how(home: Home, prefix: str, indent: str) -> Iterator[str]:
    yield f'{indent}capabilities = ["pull", "resolve"]'
    if prefix:
        yield f"{indent}override_path = true"
    if home.ca_file:
        yield f"{indent}ca = {quoted(home.ca_file)}"


def _url(home: Home, prefix: str) -> str:
    return f"{home.url}/v2/{prefix}" if prefix else home.url
