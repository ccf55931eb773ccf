"""kustomize: `kustomization.yaml` with `images`, as a component that any kustomization can take in.

kustomize compares names letter by letter, so every way of writing a name is listed. An entry is for all tags of a name:
where several travelled, the tags stay as they are; else the digest takes their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airgap_bundle.boundary.relocation.output import Made, Output, header
from airgap_bundle.core.oci import DEFAULT_HOST
from airgap_bundle.manifest import yamlout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.boundary.relocation.moves import Moved, Moves
    from airgap_bundle.core.oci import Reference

PATH = "kustomization.yaml"
_USE = "name this directory under components: in your kustomization.yaml"


def kustomize(moves: Moves) -> Output:
    """The file; every image has a place in it."""
    names: dict[str, list[Moved]] = {}
    for one in moves.images:
        names.setdefault(one.source.name, []).append(one)
    entries: list[dict[str, Any]] = []
    several: list[str] = []
    for name, moved in sorted(names.items()):
        digests = {one.digest for one in moved}
        if len(digests) > 1:
            several.append(f"{name} has several tags here, so they stay as they are")
        for spelling in spellings(moved[0].source):
            entry = {"name": spelling, "newName": moved[0].name}
            entries.append(entry | ({"digest": str(moved[0].digest)} if len(digests) == 1 else {}))
    if not entries:
        return Output()
    document = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "images": entries}
    notes = ["fields of custom resources need their own `configurations` (images transformer)", *several]
    data = (header(moves.receipts, notes) + yamlout.dump(document)).encode()
    return Output(files=(Made(path=PATH, data=data),), use=_USE)


def spellings(source: Reference) -> Iterator[str]:
    """The ways to write a name: Docker Hub's may leave out the host, and `library/` too."""
    yield source.name
    if source.host == DEFAULT_HOST:
        yield source.repository
        bare = source.repository.removeprefix("library/")
        if bare != source.repository and "/" not in bare:
            yield f"{source.host}/{bare}"
            yield bare
