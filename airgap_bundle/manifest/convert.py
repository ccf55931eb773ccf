"""Manifests of other tools as ours: recognised, read, and written as YAML with what could not be carried over.

Nothing is fetched and no file is looked at but the one given. What comes out is a manifest that `parse_manifest` takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import DocumentError, UsageError
from airgap_bundle.manifest import convert_clusters, convert_lists, convert_packages
from airgap_bundle.manifest.convert_parts import Draft
from airgap_bundle.manifest.looseyaml import entry, parse_bytes, text_of
from airgap_bundle.manifest.model import API_VERSION, parse_manifest
from airgap_bundle.manifest.yamltext import MappingNode, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# A list of every image of a platform has a few hundred KB.
MAX_BYTES = 4 * 1024 * 1024
_DEFAULT_NAME = "converted"
_DEFAULT_VERSION = "1.0.0"

_READERS: Mapping[str, Callable[[Sequence[Node], Draft], None]] = {
    "hauler": convert_packages.from_hauler,
    "zarf": convert_packages.from_zarf,
    "oc-mirror": convert_clusters.from_oc_mirror,
    "skopeo": convert_clusters.from_skopeo,
    "regsync": convert_clusters.from_regsync,
    "imgpkg": convert_lists.from_imgpkg,
    "images-lock": convert_lists.from_images_lock,
}
KINDS = (*_READERS, "list")


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """The manifest as text, what it was made from, and a sentence for everything that was left behind."""

    kind: str
    text: str
    lost: tuple[str, ...] = ()
    entries: int = field(default=0)


def convert_document(raw: bytes, file: str, *, kind: str = "", name: str = "", release: str = "") -> Converted:
    """Convert one file. `kind` forces what it is taken for; `name` and `release` win over what the file says.

    `UsageError` where the kind is unknown or not recognised, `DocumentError` where nothing in it can be carried.
    """
    if kind and kind not in KINDS:
        raise UsageError("AB-USAGE-VALUE", f"{kind!r} is no kind of manifest", hint=f"one of {', '.join(KINDS)}")
    if len(raw) > MAX_BYTES:
        raise DocumentError("AB-CONVERT-NOTHING", f"{file} has more than {MAX_BYTES} bytes", hint="is it a manifest?")
    draft = Draft(file=file)
    documents = parse_bytes(raw, file).documents
    kind = kind or recognise(documents) or ("list" if convert_lists.is_list(raw) else "")
    if not kind:
        raise UsageError(
            "AB-USAGE-CONVERT", f"{file} is no manifest that is known here", hint=f"say with --from: {', '.join(KINDS)}"
        )
    if kind == "list":
        convert_lists.from_list(raw, draft)
    else:
        _READERS[kind](documents, draft)
    if draft.is_empty and not draft.lost:
        # With losses the manifest says in comments what was there, and `check` says that nothing travels.
        raise DocumentError(
            "AB-CONVERT-NOTHING", f"nothing was found in {file}, read as {kind}", hint="say what it is with --from"
        )
    text = draft.render(
        API_VERSION,
        kind=kind,
        name=name or draft.name or _DEFAULT_NAME,
        version=release or draft.version or _DEFAULT_VERSION,
    )
    # Each entry was checked when it was added; this also checks the name and version that were given.
    parse_manifest(text.encode(), f"what {file} becomes")
    return Converted(kind=kind, text=text, lost=tuple(draft.lost), entries=draft.count)


def recognise(documents: Sequence[Node]) -> str:
    """The kind of a file by its content; "" where it is none that is known."""
    for document in documents:
        api_version, kind = text_of(entry(document, "apiVersion")), text_of(entry(document, "kind"))
        if "hauler.cattle.io" in api_version:
            return "hauler"
        if kind == "ZarfPackageConfig" or api_version.startswith("zarf.dev/"):
            return "zarf"
        if kind == "ImageSetConfiguration":
            return "oc-mirror"
        if kind == "ImagesLock":
            return "imgpkg" if api_version.startswith("imgpkg.carvel.dev/") else "images-lock"
        if entry(document, "sync") is not None and entry(document, "version") is not None:
            return "regsync"
        if not api_version and isinstance(document, MappingNode) and _looks_like_skopeo(document):
            return "skopeo"
    return ""


def _looks_like_skopeo(document: MappingNode) -> bool:
    keys = {"images", "images-by-tag-regex", "images-by-semver"}
    return bool(document.entries) and all(
        isinstance(one, MappingNode) and keys & one.entries.keys() for one in document.entries.values()
    )
