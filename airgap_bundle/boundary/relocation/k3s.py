"""k3s and RKE2: `registries.yaml` (docs.k3s.io, "Private Registry Configuration").

Where a host's images all have the same path before them, one rewrite does; else each image has one. Rules are tried in
no order, so no two of them fit the same name. A rewrite does not apply to the host itself: without
`--disable-default-registry-endpoint` k3s still asks that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airgap_bundle.boundary.relocation.moves import by_host, prefixes
from airgap_bundle.boundary.relocation.output import Made, Output, header
from airgap_bundle.manifest import yamlout

if TYPE_CHECKING:
    from airgap_bundle.boundary.relocation.moves import Moved, Moves

PATH = "registries.yaml"
_USE = (
    "copy registries.yaml to /etc/rancher/{} on each node, set disable-default-registry-endpoint: true in config.yaml"
    " beside it, and restart {}"
)


def k3s(moves: Moves) -> Output:
    """The file for k3s."""
    return _made(moves, _USE.format("k3s", "k3s"))


def rke2(moves: Moves) -> Output:
    """The same file for RKE2."""
    return _made(moves, _USE.format("rke2", "rke2-server or rke2-agent"))


def _made(moves: Moves, use: str) -> Output:
    mirrors: dict[str, Any] = {}
    for host, moved in by_host(moves.pulled).items():
        mirrors[host] = {"endpoint": [moves.home.url]}
        rewrite = _rewrite(moved)
        if rewrite:
            mirrors[host]["rewrite"] = rewrite
    if not mirrors:
        return Output()
    document: dict[str, Any] = {"mirrors": mirrors}
    if moves.home.plain_http and moves.home.host not in mirrors:
        mirrors[moves.home.host] = {"endpoint": [moves.home.url]}
    if moves.home.ca_file:
        document["configs"] = {moves.home.host: {"tls": {"ca_file": moves.home.ca_file}}}
    notes = ["/etc/rancher/k3s/registries.yaml or /etc/rancher/rke2/registries.yaml"]
    data = (header(moves.receipts, notes) + yamlout.dump(document)).encode()
    return Output(files=(Made(path=PATH, data=data),), use=use)


def _rewrite(moved: list[Moved]) -> dict[str, str]:
    found = prefixes(moved)
    if len(found) == 1 and all(one.prefix is not None for one in moved):
        return {"^(.*)$": f"{found[0]}/$1"} if found[0] else {}
    return {f"^{re.escape(one.source.repository)}$": one.repository for one in moved}
