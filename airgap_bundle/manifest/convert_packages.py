"""Hauler's and Zarf's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.manifest.looseyaml import entry, items, text_of, texts
from airgap_bundle.manifest.yamltext import MappingNode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.manifest.convert_parts import Draft
    from airgap_bundle.manifest.yamltext import Node


def from_hauler(documents: Sequence[Node], draft: Draft) -> None:
    """Documents of the kinds Images, Charts and Files (`pkg/apis/hauler.cattle.io`)."""
    for document in documents:
        kind = text_of(entry(document, "kind"))
        draft.call(text_of(entry(document, "metadata", "name")), "")
        if kind == "Images":
            for image in items(entry(document, "spec", "images")):
                _hauler_image(image, document, draft)
        elif kind == "Charts":
            for chart in items(entry(document, "spec", "charts")):
                _hauler_chart(chart, draft)
        elif kind == "Files":
            for file in items(entry(document, "spec", "files")):
                _file(file, text_of(entry(file, "path")), text_of(entry(file, "name")), "", draft)
        elif kind:
            draft.lose(document.place, f"hauler's {kind}: what it stands for is only known to hauler")


def _hauler_image(node: Node, document: Node, draft: Draft) -> None:
    def said(key: str) -> str:
        annotated = text_of(entry(document, "metadata", "annotations", f"hauler.dev/{key}"))
        return text_of(entry(node, key)) or annotated

    name, registry = text_of(entry(node, "name")) or text_of(node), said("registry")
    first = name.partition("/")[0]
    if registry and not ("/" in name and any(c in first for c in ".:")):
        name = f"{registry}/{name}"
    platform = said("platform")
    match = draft.image(name, node.place, platforms=[platform] if platform else [])
    if not match:
        return
    issuer, identity = said("certificate-oidc-issuer"), said("certificate-identity")
    if said("key"):
        draft.add("verify", {"match": match, "key": said("key").removeprefix("./")}, node.place)
    elif issuer and identity:
        draft.add("verify", {"match": match, "keyless": {"issuer": issuer, "identity": identity}}, node.place)
    elif issuer or said("certificate-identity-regexp"):
        draft.lose(node.place, f"the signature of {name} is matched by a pattern; `verify` wants an exact identity")
    if text_of(entry(node, "rewrite")):
        draft.lose(node.place, f"{name} is renamed to {text_of(entry(node, 'rewrite'))}: see `as` and --map")


def _hauler_chart(node: Node, draft: Draft) -> None:
    wants_images = text_of(entry(node, "add-images")) == "true" or text_of(entry(node, "addImages")) == "true"
    _chart(
        node,
        name=text_of(entry(node, "name")),
        url=text_of(entry(node, "repoURL")),
        version=text_of(entry(node, "version")),
        values=texts(entry(node, "valuesFiles")) or texts(entry(node, "values")),
        images="rendered" if wants_images else "none",
        draft=draft,
    )


def from_zarf(documents: Sequence[Node], draft: Draft) -> None:
    """One package (`zarf.schema.json`)."""
    for document in documents:
        name, version = (text_of(entry(document, "metadata", key)) for key in ("name", "version"))
        draft.call(name, version)
        architecture = text_of(entry(document, "metadata", "architecture"))
        if architecture in {"amd64", "arm64"}:
            draft.platforms = [f"linux/{architecture}"]
        for component in items(entry(document, "components")):
            _zarf_component(component, draft)
        for key in ("variables", "constants"):
            if items(entry(document, key)):
                draft.lose(document.place, f"{key} of the package: values are given to Helm inside")


def _zarf_component(node: Node, draft: Draft) -> None:
    name = text_of(entry(node, "name"))
    for image in items(entry(node, "images")):
        draft.image(text_of(image) or text_of(entry(image, "name")), image.place)
    for chart in items(entry(node, "charts")):
        _zarf_chart(chart, draft)
    for manifest in items(entry(node, "manifests")):
        _zarf_manifest(manifest, draft)
    for file in items(entry(node, "files")):
        source, sha256 = text_of(entry(file, "source")), text_of(entry(file, "shasum"))
        _file(file, source, "", sha256, draft)
        if text_of(entry(file, "target")):
            draft.lose(file.place, f"where {source} is put inside: files arrive as they are, nothing installs them")
    if text_of(entry(node, "required")) != "true":
        draft.lose(node.place, f"that the component {name} is optional: all of it travels")
    for key in ("repos", "actions", "dataInjections", "scripts", "imageArchives", "import"):
        found = entry(node, key)
        if items(found) or isinstance(found, MappingNode):
            draft.lose(node.place, f"{key} of the component {name}")


def _zarf_manifest(node: Node, draft: Draft) -> None:
    for path in (*texts(entry(node, "files")), *texts(entry(node, "kustomizations"))):
        if "://" in path:
            draft.lose(node.place, f"the manifest {path} is fetched by zarf: put it beside the manifest")
        else:
            draft.add("workloads", {"kubernetes": path.removeprefix("./")}, node.place)


def _zarf_chart(node: Node, draft: Draft) -> None:
    local, url = text_of(entry(node, "localPath")), text_of(entry(node, "url"))
    if text_of(entry(node, "gitPath")) or url.endswith(".git") or ".git@" in url:
        draft.lose(node.place, f"the chart {text_of(entry(node, 'name'))} is in a git repository: vendor it")
        return
    name = text_of(entry(node, "repoName")) or text_of(entry(node, "name"))
    # Zarf lists the images of its charts by hand.
    _chart(
        node,
        name="" if url.startswith("oci://") else name,
        url=local or url,
        version=text_of(entry(node, "version")),
        values=texts(entry(node, "valuesFiles")),
        images="none",
        draft=draft,
    )


def _chart(node: Node, *, name: str, url: str, version: str, values: Sequence[str], images: str, draft: Draft) -> None:
    """A chart: `url` is an OCI address (of the chart, or with `name` of its parent), a repository, or a path."""
    fields: dict[str, str | Sequence[str]]
    if "://" in url and not version:
        draft.lose(node.place, f"the chart {name or url}: no version, which means the newest one there; name one")
        return
    if url.startswith("oci://"):
        fields = {"chart": f"{url.rstrip('/')}/{name}" if name else url.rstrip("/"), "version": version}
    elif url.startswith(("https://", "http://")):
        fields = {"chart": name, "repo": url, "version": version}
    elif url.startswith("/"):
        draft.lose(node.place, f"the chart {url}: put it beside the manifest, and name it ./{url.rpartition('/')[2]}")
        return
    else:
        path = url.removeprefix("./") if url not in {"", "."} else name
        fields = {"chart": f"./{path.removeprefix('./')}"}
    fields["images"] = images
    kept = [one.removeprefix("./") for one in values if "://" not in one]
    if len(kept) != len(values):
        draft.lose(node.place, "values files from the web: put them beside the manifest")
    if kept:
        fields["values"] = kept
    draft.add("charts", fields, node.place)


def _file(node: Node, source: str, name: str, sha256: str, draft: Draft) -> None:
    key = "url" if source.startswith(("https://", "http://")) else "path"
    fields: dict[str, str] = {key: source if key == "url" else source.removeprefix("./")}
    if name:
        fields["as"] = name
    if sha256:
        fields["sha256"] = sha256
    elif "@" in source.rpartition("/")[2] and key == "url":
        # Zarf's older way of giving a checksum.
        fields["url"], _, fields["sha256"] = source.rpartition("@")
    if not isinstance(node, MappingNode) and not source:
        return
    draft.add("files", fields, node.place)
