"""Files of oc-mirror v2, skopeo sync and regsync."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.manifest.convert_parts import pattern_of
from airgap_bundle.manifest.looseyaml import entry, items, text_of, texts
from airgap_bundle.manifest.yamltext import MappingNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airgap_bundle.manifest.convert_parts import Draft
    from airgap_bundle.manifest.yamltext import Node

# A pattern that allows one tag and nothing else, with its dots escaped or not.
_ONE_TAG = re.compile(r"\^?([A-Za-z0-9_-]+(?:\\?\.[A-Za-z0-9_-]+)*)\$?")


def from_oc_mirror(documents: Sequence[Node], draft: Draft) -> None:
    """`ImageSetConfiguration`; operators and releases of OpenShift are only known to oc-mirror."""
    for document in documents:
        mirror = entry(document, "mirror")
        for image in items(entry(mirror, "additionalImages")):
            draft.image(text_of(entry(image, "name")), image.place)
            if text_of(entry(image, "targetRepo")) or text_of(entry(image, "targetTag")):
                draft.lose(image.place, f"another name for {text_of(entry(image, 'name'))}: see `as` and --map")
        for image in items(entry(mirror, "blockedImages")):
            draft.add("exclude", pattern_of(text_of(entry(image, "name"))), image.place)
        for operator in items(entry(mirror, "operators")):
            packages = ", ".join(text_of(entry(one, "name")) for one in items(entry(operator, "packages"))) or "all"
            message = f"operators of {text_of(entry(operator, 'catalog'))} ({packages}): list their images"
            draft.lose(operator.place, message)
        platform = entry(mirror, "platform")
        if platform is not None:
            draft.lose(platform.place, "releases of OpenShift (platform): oc-mirror resolves them")
        _helm(entry(mirror, "helm"), draft)
    if any(entry(document, "archiveSize") is not None for document in documents):
        draft.lose(documents[0].place, "archiveSize: build with --volume-size")


def _helm(node: Node | None, draft: Draft) -> None:
    for repository in items(entry(node, "repositories")):
        for chart in items(entry(repository, "charts")):
            fields = {
                "chart": text_of(entry(chart, "name")),
                "repo": text_of(entry(repository, "url")),
                "version": text_of(entry(chart, "version")),
            }
            if fields["version"]:
                draft.add("charts", fields, chart.place)
            else:
                draft.lose(
                    chart.place, f"the chart {fields['chart']}: no version, which means the newest one; name one"
                )
            if entry(chart, "imagePaths") is not None:
                draft.lose(chart.place, f"imagePaths of {fields['chart']}: rendered charts are walked everywhere")
    for chart in items(entry(node, "local")):
        path = text_of(entry(chart, "path"))
        if path.startswith("/"):
            draft.lose(
                chart.place, f"the chart {path}: put it beside the manifest, and name it ./{path.rpartition('/')[2]}"
            )
        else:
            draft.add("charts", {"chart": f"./{path.removeprefix('./')}"}, chart.place)


def from_skopeo(documents: Sequence[Node], draft: Draft) -> None:
    """`skopeo sync --src yaml` (skopeo-sync(1)). Logins are never quoted."""
    for document in documents:
        for host, registry in document.entries.items() if isinstance(document, MappingNode) else ():
            _skopeo_registry(host, registry, draft)


def _skopeo_registry(host: str, registry: Node, draft: Draft) -> None:
    for repository, tags in _entries(registry, "images"):
        if not items(tags):
            draft.lose(tags.place, f"every tag of {host}/{repository}: name those that are needed")
        for tag in items(tags):
            separator = "@" if text_of(tag).startswith("sha256:") else ":"
            draft.image(f"{host}/{repository}{separator}{text_of(tag)}", tag.place)
    for key in ("images-by-tag-regex", "images-by-semver"):
        for repository, pattern in _entries(registry, key):
            draft.lose(pattern.place, f"{key} of {host}/{repository}: name the tags that are needed")
    if text_of(entry(registry, "tls-verify")) == "false":
        draft.lose(registry.place, f"tls-verify: false of {host}: use --plain-http or --ca-file")
    if entry(registry, "credentials") is not None:
        draft.lose(registry.place, f"the login for {host}: log in with docker or podman, or use --authfile")


def _entries(node: Node, key: str) -> Iterable[tuple[str, Node]]:
    found = entry(node, key)
    return found.entries.items() if isinstance(found, MappingNode) else ()


def from_regsync(documents: Sequence[Node], draft: Draft) -> None:
    """Regsync's configuration (`cmd/regsync/config.go`). Logins are never quoted."""
    for document in documents:
        default = texts(entry(document, "defaults", "platforms"))
        if entry(document, "creds") is not None:
            draft.lose(document.place, "logins (creds): log in with docker or podman, or use --authfile")
        for sync in items(entry(document, "sync")):
            _regsync_entry(sync, default, draft)


def _regsync_entry(node: Node, default: Sequence[str], draft: Draft) -> None:
    source, kind = text_of(entry(node, "source")), text_of(entry(node, "type"))
    platforms = texts(entry(node, "platforms")) or texts(entry(node, "platform")) or default
    if kind == "image":
        if draft.image(source, node.place, platforms=platforms):
            _target(node, source, draft)
        return
    if kind == "registry":
        draft.lose(node.place, f"everything in the registry {source}: name the images that are needed")
        return
    allowed = texts(entry(node, "tags", "allow"))
    exact = [match[1].replace("\\", "") for tag in allowed if (match := _ONE_TAG.fullmatch(tag))]
    for tag in exact:
        draft.image(f"{source}:{tag}", node.place, platforms=platforms)
    if len(exact) != len(allowed) or not allowed:
        patterns = ", ".join(tag for tag in allowed if not _ONE_TAG.fullmatch(tag)) or "every tag"
        draft.lose(node.place, f"{patterns} of {source}: name the tags that are needed")
    for key in ("deny", "semverRange"):
        if entry(node, "tags", key) is not None:
            draft.lose(node.place, f"tags.{key} of {source}")
    _target(node, source, draft)


def _target(node: Node, source: str, draft: Draft) -> None:
    target = text_of(entry(node, "target"))
    if target:
        draft.lose(node.place, f"{source} going to {target}: DEST is named at import, see `as` and --map")
