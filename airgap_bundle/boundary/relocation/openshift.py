"""OpenShift 4.13 and later: `idms.yaml` and `itms.yaml` (config.openshift.io/v1).

Pulls by digest go by the first, pulls by tag by the second, so both say the same. A whole namespace is named where all
that came from it went to the same place, else each image. The internet is never asked (`NeverContactSource`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.relocation.output import Made, Output, Unplaced, header
from airgap_bundle.manifest import yamlout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.boundary.relocation.moves import Moved, Moves

_USE = "oc apply -f idms.yaml -f itms.yaml; the machine config operator rolls it out, node by node"
# The schema of a mirror has no form for an address in brackets.
_BRACKET = "["


def openshift(moves: Moves) -> Output:
    """Two files; the one for tags only where something has a tag."""
    placed = [one for one in moves.pulled if not _has_address(one)]
    unplaced = tuple(
        Unplaced(what=one.source.name, why="OpenShift's mirror sets have no form for an IPv6 address")
        for one in moves.pulled
        if _has_address(one)
    )
    files = [
        _file(moves, "idms.yaml", "ImageDigestMirrorSet", "imageDigestMirrors", placed),
        _file(moves, "itms.yaml", "ImageTagMirrorSet", "imageTagMirrors", [one for one in placed if one.tag]),
    ]
    made = tuple(file for file in files if file is not None)
    return Output(files=made, unplaced=unplaced, use=_USE if made else "")


def _has_address(one: Moved) -> bool:
    return one.source.host.startswith(_BRACKET) or one.host.startswith(_BRACKET)


def _file(moves: Moves, path: str, kind: str, key: str, moved: list[Moved]) -> Made | None:
    rules = mirror_rules(moved)
    if not rules:
        return None
    notes = []
    if moves.home.plain_http:
        notes.append(f"{moves.home.host} speaks HTTP: image.config.openshift.io/cluster has insecureRegistries for it")
    if moves.home.ca_file:
        notes.append("its certificate belongs into additionalTrustedCA of image.config.openshift.io/cluster")
    document = {
        "apiVersion": "config.openshift.io/v1",
        "kind": kind,
        "metadata": {"name": _name(moves.products)},
        "spec": {
            key: [
                {"source": source, "mirrors": [mirror], "mirrorSourcePolicy": "NeverContactSource"}
                for source, mirror in rules
            ]
        },
    }
    return Made(path=path, data=(header(moves.receipts, notes) + yamlout.dump(document)).encode())


def mirror_rules(moved: Iterable[Moved]) -> list[tuple[str, str]]:
    """Source and mirror: a namespace where everything of it went along, else an image."""
    namespaces: dict[str, set[str | None]] = {}
    for one in moved:
        if (pair := _namespace(one)) is not None:
            namespaces.setdefault(pair[0], set()).add(pair[1])
    rules = {}
    for one in moved:
        pair = _namespace(one)
        whole = pair is not None and pair[1] is not None and len(namespaces[pair[0]]) == 1
        source, mirror = (pair[0], pair[1] or "") if pair is not None and whole else (one.source.name, one.name)
        rules[source] = mirror
    return sorted(rules.items())


def _namespace(one: Moved) -> tuple[str, str | None] | None:
    """What the image lies in outside and inside; None inside where it has another name there."""
    above, slash, _ = one.source.repository.rpartition("/")
    if not slash:
        return None
    source = f"{one.source.host}/{above}"
    return source, None if one.prefix is None else one.name.rpartition("/")[0]


def _name(products: tuple[str, ...]) -> str:
    """A name that Kubernetes takes; a product's may have an underscore."""
    return f"airgap-{products[0].replace('_', '-')}" if len(products) == 1 else "airgap"
