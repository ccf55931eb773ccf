"""Overlays: how one manifest serves many customers.

An overlay is merged into a manifest before the lock is made:
1. `remove` takes entries out, named by what they are: a reference in full or short, a chart as written, a file's name
   in the bundle, a pattern. To remove what is not there is an error, since it is a typing error or out of date.
2. An entry for something that the manifest has already replaces it where it stands; others are added at the end. The
   same thing is: the same reference, chart, workload, file name, pattern or `match`.
3. Every other key (`version`, `audience`, `platforms`, `expires`, `foreignLayers`, `referrers`) replaces what the
   manifest says.

`name`, where it is written, must be the manifest's. Places keep pointing to the file that an entry came from, and
paths of an overlay start from the directory of the manifest.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.manifest import reading, words, yamltext
from airgap_bundle.manifest.fields import Complaints, Value, check_api_version, converted, listed, one_of, text
from airgap_bundle.manifest.model import API_VERSION as MANIFEST_VERSION
from airgap_bundle.manifest.model import Manifest, read_document, read_manifest
from airgap_bundle.manifest.writing import dump_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.core.oci import Platform
    from airgap_bundle.core.report import Place
    from airgap_bundle.manifest.entries import (
        ArtifactEntry,
        ChartEntry,
        Entry,
        ExcludeEntry,
        FileEntry,
        ImageEntry,
        VerifyEntry,
        WorkloadEntry,
    )
    from airgap_bundle.manifest.fields import Fields

API_VERSION = "airgap-bundle/overlay.v1"

E = TypeVar("E", bound="Entry")


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """One thing to take out: the list it is in, its name there, and where the overlay says so."""

    section: str
    name: str
    place: Place
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """What differs from a manifest; None or () where nothing does. `digest` is that of the bytes that were read."""

    place: Place = field(compare=False)
    digest: Digest = field(default=Digest.of(b""), compare=False)
    name: str = ""
    version: str = ""
    audience: tuple[str, ...] | None = None
    platforms: tuple[Platform, ...] | None = None
    expires_seconds: int | None = None
    images: tuple[ImageEntry, ...] = ()
    charts: tuple[ChartEntry, ...] = ()
    workloads: tuple[WorkloadEntry, ...] = ()
    artifacts: tuple[ArtifactEntry, ...] = ()
    files: tuple[FileEntry, ...] = ()
    exclude: tuple[ExcludeEntry, ...] = ()
    verify: tuple[VerifyEntry, ...] = ()
    foreign_layers: str = ""
    referrers: str = ""
    remove: tuple[Removal, ...] = ()


def parse_overlay(raw: bytes, file: str) -> Overlay:
    """Read an overlay; `DocumentError` (AB-OVERLAY-INVALID, or AB-YAML-…) with every complaint."""
    return read_overlay(yamltext.parse(raw, file), file, Digest.of(raw))


def read_overlay(node: yamltext.Node, file: str, digest: Digest) -> Overlay:
    """`parse_overlay` from where YAML has been read already; `digest` is that of its bytes."""
    complaints = Complaints(file)
    value = Value.of(node, complaints)
    overlay = None
    try:
        overlay = replace(_read(value.fields()), digest=digest)
    except InvalidValueError as error:
        complaints.add_error(error, value.place, "")
    complaints.check("AB-OVERLAY-INVALID", "an overlay")
    if overlay is None:  # pragma: no cover - a reader raised without a complaint, which would be our mistake
        raise AssertionError(file)
    return overlay


def load_overlay(path: str | os.PathLike[str]) -> Overlay:
    """Read an overlay from a regular file; errors as `load_manifest` and `parse_overlay`."""
    return parse_overlay(read_document(path), os.fspath(path))


def load_manifest_or_overlay(path: str | os.PathLike[str]) -> Manifest | Overlay:
    """Whichever of the two the file says that it is; what says neither is complained of as a manifest."""
    file = os.fspath(path)
    raw = read_document(path)
    node = yamltext.parse(raw, file)
    if isinstance(node, yamltext.MappingNode):
        version = node.entries.get("apiVersion")
        if isinstance(version, yamltext.ScalarNode) and version.text == API_VERSION:
            return read_overlay(node, file, Digest.of(raw))
    return read_manifest(node, file, Digest.of(raw))


def merge(manifest: Manifest, overlay: Overlay) -> Manifest:
    """The manifest as the overlay changes it; `DocumentError` (AB-OVERLAY-CONFLICT) if the two do not fit.

    Its digest is that of the merged document (`merged_document`), which is what travels.
    """
    complaints = Complaints(overlay.place.file)
    if overlay.name and overlay.name != manifest.name:
        message = f"the overlay is for the product {overlay.name!r}, not {manifest.name!r}"
        complaints.add("AB-OVERLAY-CONFLICT", message, overlay.place, path="name")

    def merged(section: str, entries: tuple[E, ...], added: tuple[E, ...], key: Callable[[E], str]) -> tuple[E, ...]:
        kept = {key(entry): entry for entry in entries}
        for removal in overlay.remove:
            if removal.section == section and kept.pop(removal.name, None) is None:
                message = f"{removal.name} is not in the manifest's {section}"
                complaints.add("AB-OVERLAY-CONFLICT", message, removal.place, path=removal.where)
        # A manifest that has an entry twice keeps both, for the rules to complain of.
        replaced = {key(entry): entry for entry in added if key(entry) in kept}
        rest = [replaced.get(key(entry), entry) for entry in entries if key(entry) in kept]
        return (*rest, *(entry for entry in added if key(entry) not in kept))

    result = replace(
        manifest,
        version=overlay.version or manifest.version,
        audience=manifest.audience if overlay.audience is None else overlay.audience,
        platforms=manifest.platforms if overlay.platforms is None else overlay.platforms,
        expires_seconds=manifest.expires_seconds if overlay.expires_seconds is None else overlay.expires_seconds,
        images=merged("images", manifest.images, overlay.images, lambda entry: entry.source),
        charts=merged("charts", manifest.charts, overlay.charts, lambda entry: entry.chart),
        workloads=merged("workloads", manifest.workloads, overlay.workloads, lambda entry: entry.path),
        artifacts=merged("artifacts", manifest.artifacts, overlay.artifacts, lambda entry: entry.source),
        files=merged("files", manifest.files, overlay.files, lambda entry: entry.name),
        exclude=merged("exclude", manifest.exclude, overlay.exclude, lambda entry: entry.pattern),
        verify=merged("verify", manifest.verify, overlay.verify, lambda entry: entry.match),
        foreign_layers=overlay.foreign_layers or manifest.foreign_layers,
        referrers=overlay.referrers or manifest.referrers,
    )
    complaints.check("AB-OVERLAY-CONFLICT", f"an overlay for {manifest.file}")
    return replace(result, digest=Digest.of(merged_document(result)))


def merged_document(merged: Manifest) -> bytes:
    """What `merge` made, as the document that travels with the bundle.

    What the overlay took out is not in it: one customer does not see what another one gets.
    """
    return dump_manifest(merged, MANIFEST_VERSION)


def _read(fields: Fields) -> Overlay:
    check_api_version(fields, API_VERSION)
    name = fields.get("name", converted(words.product_name), "")
    version = fields.get("version", converted(words.product_version), "")
    audience = fields.get("audience", listed(converted(words.audience_name)), None)
    platforms = fields.get("platforms", reading.platforms, None)
    expires = fields.get("expires", converted(words.duration), None)
    images = fields.get("images", listed(reading.image), ())
    charts = fields.get("charts", listed(reading.chart), ())
    workloads = fields.get("workloads", listed(reading.workload), ())
    artifacts = fields.get("artifacts", listed(reading.artifact), ())
    files = fields.get("files", listed(reading.file), ())
    exclude = fields.get("exclude", listed(reading.exclude), ())
    verify = fields.get("verify", listed(reading.verify), ())
    foreign_layers = fields.get("foreignLayers", one_of("refuse", "carry"), "")
    referrers = fields.get("referrers", one_of("all", "none"), "")
    remove = fields.get("remove", _read_removals, ())
    fields.finish()
    return Overlay(
        place=fields.place,
        name=name,
        version=version,
        audience=audience,
        platforms=platforms,
        expires_seconds=expires,
        images=images,
        charts=charts,
        workloads=workloads,
        artifacts=artifacts,
        files=files,
        exclude=exclude,
        verify=verify,
        foreign_layers=foreign_layers,
        referrers=referrers,
        remove=remove,
    )


def _read_removals(value: Value) -> tuple[Removal, ...]:
    def reference(name: str) -> str:
        return str(words.reference(name))

    def chart(name: str) -> str:
        return name if "://" in name else words.local_path(name)

    sections: dict[str, Callable[[str], str]] = {
        "images": reference,
        "charts": chart,
        "workloads": words.local_path,
        "artifacts": reference,
        "files": words.safe_path,
        "exclude": words.name_pattern,
        "verify": words.name_pattern,
    }
    fields = value.fields()
    result: list[Removal] = []
    for section, convert in sections.items():

        def read(item: Value, section: str = section, convert: Callable[[str], str] = convert) -> Removal:
            return Removal(section=section, name=convert(text(item)), place=item.place, where=item.path)

        result.extend(fields.get(section, listed(read), ()))
    fields.finish()
    return tuple(result)
