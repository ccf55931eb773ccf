"""Images in Kubernetes manifests and kustomizations, and in plain lists."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import AirgapError
from airgap_bundle.discovery import archive, naming, readiness
from airgap_bundle.discovery.finds import Certainty, Discovery, Sighting, Unresolved, gathered
from airgap_bundle.discovery.walk import Walk
from airgap_bundle.manifest.looseyaml import Stream, entry, items, parse_bytes, text_of, texts
from airgap_bundle.manifest.model import read_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airgap_bundle.core.oci import Reference
    from airgap_bundle.discovery.finds import Risk
    from airgap_bundle.manifest.yamltext import Node

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
# A directory of manifests of a whole platform has a few thousand.
MAX_FILES = 20_000
MAX_FILE_BYTES = 16 * 1024 * 1024
_MAX_LIST_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 20


def discover_stream(stream: Stream) -> Discovery:
    """The images of documents that were read."""
    walk = Walk()
    risks: list[Risk] = []
    for document in stream.documents:
        walk.document(document)
        risks += readiness.of_document(document, document.place.file)
    for trouble in stream.troubles:
        walk.broken(trouble.text, trouble.place, trouble.message)
    sightings = [
        Sighting(reference=one.reference, certainty=one.certainty, where=f"{one.place} ({one.how or one.key})")
        for one in walk.spotted
    ]
    return Discovery(sightings=tuple(sightings), unresolved=tuple(walk.unresolved), risks=tuple(risks))


def discover_manifest(path: Path) -> Discovery:
    """The images of one file of Kubernetes documents."""
    return discover_stream(parse_bytes(read_document(path, max_bytes=MAX_FILE_BYTES), str(path)))


def discover_list(path: Path) -> Discovery:
    """A file with one reference a line; empty lines and comments are passed over."""
    sightings: list[Sighting] = []
    unresolved: list[Unresolved] = []
    text = read_document(path, max_bytes=_MAX_LIST_BYTES).decode("utf-8", "replace").removeprefix("\ufeff")
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        reference = naming.parse(words[0])
        where = f"{path}:{number}"
        # Some lists have a second column, the name that the image has inside.
        if reference is not None:
            sightings.append(Sighting(reference=reference, certainty=Certainty.RENDERED, where=where))
        else:
            unresolved.append(Unresolved(where=where, message=f"not a reference: {words[0][:120]}"))
    return Discovery(sightings=tuple(sightings), unresolved=tuple(unresolved))


def kustomization_in(directory: Path) -> Path | None:
    """The kustomization file of a directory."""
    return next((directory / name for name in KUSTOMIZATIONS if (directory / name).is_file()), None)


def discover_kustomization(
    directory: Path, chart: Callable[[Path, list[str]], Discovery], root: Path | None = None, depth: int = 0
) -> Discovery:
    """What a kustomization deploys, with its `images` applied. `chart` discovers charts that it inflates."""
    root = root or _tree(directory.resolve())
    file = kustomization_in(directory)
    if file is None or depth > _MAX_DEPTH:
        message = "no kustomization is here" if file is None else "kustomizations within kustomizations without end"
        return Discovery(unresolved=(Unresolved(where=str(directory), message=message),))
    stream = parse_bytes(read_document(file), str(file))
    parts: list[Discovery] = [discover_stream(Stream(documents=(), troubles=stream.troubles)), _read(file)]
    for document in stream.documents:
        for key in ("resources", "bases", "components", "crds", "generators", "transformers", "patchesStrategicMerge"):
            parts += [_resource(directory, name, chart, root, depth) for name in texts(entry(document, key))]
        for patch in items(entry(document, "patches")):
            name = text_of(entry(patch, "path"))
            parts.append(
                _resource(directory, name, chart, root, depth) if name else discover_stream(_inline(patch, file))
            )
        parts += [_inflated(directory, one, chart, str(file)) for one in items(entry(document, "helmCharts"))]
        whole = gathered(parts)
        parts = [_renamed(whole, items(entry(document, "images")))]
    return gathered(parts)


def files_below(directory: Path) -> Iterator[Path]:
    """Regular files below a directory in order; hidden ones and links are passed over."""
    count = 0
    for top, folders, names in os.walk(directory):
        folders[:] = sorted(folder for folder in folders if not folder.startswith(".") and folder != "node_modules")
        for name in sorted(names):
            path = Path(top, name)
            if name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            count += 1
            if count > MAX_FILES:
                return
            yield path


def _read(path: Path) -> Discovery:
    return Discovery(read=frozenset((path.resolve(),)))


def _tree(directory: Path) -> Path:
    """What belongs together: the checkout, else two levels up, since overlays name their bases as `../../base`."""
    return next((one for one in (directory, *directory.parents) if (one / ".git").exists()), directory.parent.parent)


def _inline(patch: Node, file: Path) -> Stream:
    return parse_bytes(text_of(entry(patch, "patch")).encode(), str(file))


def _resource(
    directory: Path, name: str, chart: Callable[[Path, list[str]], Discovery], root: Path, depth: int
) -> Discovery:
    where = f"{directory}: {name}"
    if "\n" in name:
        return discover_stream(parse_bytes(name.encode(), str(directory)))
    if "://" in name or "?ref=" in name or name.startswith(("git@", "github.com/")):
        message = "comes from elsewhere, so its images are not known here"
        return Discovery(unresolved=(Unresolved(where=where, message=message),))
    path = directory / name
    if not path.resolve().is_relative_to(root):
        return Discovery(unresolved=(Unresolved(where=where, message="lies outside, so it was not read"),))
    try:
        if path.is_dir():
            return discover_kustomization(path, chart, root, depth + 1)
        return gathered([discover_manifest(path), _read(path)])
    except AirgapError as error:
        return Discovery(unresolved=(Unresolved(where=where, message=error.message),))


def _inflated(directory: Path, node: Node, chart: Callable[[Path, list[str]], Discovery], file: str) -> Discovery:
    name, version = text_of(entry(node, "name")), text_of(entry(node, "version"))
    for place in (directory / "charts" / f"{name}-{version}" / name, directory / "charts" / name):
        if name and archive.is_inside(name) and (place / "Chart.yaml").is_file():
            values = [
                read_document(directory / one).decode("utf-8", "replace")
                for one in [text_of(entry(node, "valuesFile")), *texts(entry(node, "additionalValuesFiles"))]
                if one and archive.is_inside(one) and (directory / one).is_file()
            ]
            return gathered([chart(place, values), _read(place)])
    message = f"inflates the chart {name} {version} from {text_of(entry(node, 'repo'))}, which is not here"
    return Discovery(unresolved=(Unresolved(where=f"{file}:{node.place.line}", message=message),))


def _renamed(discovery: Discovery, rules: tuple[Node, ...]) -> Discovery:
    """`images` of a kustomization: another name, tag or digest for what matches."""
    sightings = []
    for sighting in discovery.sightings:
        renamed = sighting
        for rule in rules:
            asked = naming.parse(text_of(entry(rule, "name")))
            if asked is not None and asked.name == renamed.reference.name:
                renamed = _renamed_one(renamed, rule)
        sightings.append(renamed)
    return replace(discovery, sightings=tuple(sightings))


def _renamed_one(sighting: Sighting, rule: Node) -> Sighting:
    old = sighting.reference
    name = text_of(entry(rule, "newName")) or old.name
    tag, digest = text_of(entry(rule, "newTag")), text_of(entry(rule, "digest"))
    if not tag and not digest:
        tag, digest = old.tag, str(old.digest or "")
    reference: Reference | None = naming.parse(name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else ""))
    if reference is None:
        return sighting
    where = f"{sighting.where}, renamed in {rule.place}"
    return Sighting(reference=reference, certainty=sighting.certainty, where=where)
