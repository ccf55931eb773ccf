"""Manifests written as YAML: what a conversion found, and what a manifest and an overlay are together.

Every text is written so that `parse_manifest` reads it back as it is, whatever it looks like to YAML.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airgap_bundle.manifest.entries import (
        ArtifactEntry,
        ChartEntry,
        FileEntry,
        ImageEntry,
        VerifyEntry,
        WorkloadEntry,
    )
    from airgap_bundle.manifest.model import Manifest

    Fields = Mapping[str, str | Sequence[str] | Mapping[str, str]]

# Begins with a letter, a dot or a slash, and nothing in it means anything to YAML.
_PLAIN = re.compile(r"[A-Za-z./](?:[A-Za-z0-9_./@+-]|:(?=[A-Za-z0-9_./@+-]))*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_HEADER = "# A manifest and an overlay, as airgap-bundle merged them.\n"
_HOUR = 3600

T = TypeVar("T")


def dump_manifest(manifest: Manifest, api_version: str) -> bytes:
    """The manifest as a document that is read as an equal one; the same bytes for equal manifests.

    Comments and places are not part of a manifest, so they are gone.
    """
    head: dict[str, str | Sequence[str]] = {
        "apiVersion": api_version,
        "name": manifest.name,
        "version": manifest.version,
        "audience": manifest.audience,
        "platforms": [str(platform) for platform in manifest.platforms],
        "expires": f"{manifest.expires_seconds // _HOUR}h" if manifest.expires_seconds else "",
        "foreignLayers": manifest.foreign_layers,
        "referrers": manifest.referrers,
    }
    sections: dict[str, Sequence[Fields | str]] = {
        "images": [_image(entry) for entry in manifest.images],
        "charts": [_chart(entry) for entry in manifest.charts],
        "workloads": [_workload(entry) for entry in manifest.workloads],
        "artifacts": [_artifact(entry) for entry in manifest.artifacts],
        "files": [_file(entry) for entry in manifest.files],
        "exclude": [entry.pattern for entry in manifest.exclude],
        "verify": [_verify(entry) for entry in manifest.verify],
    }
    return "".join((_HEADER, *document(head, sections))).encode()


def document(head: Mapping[str, str | Sequence[str]], sections: Mapping[str, Sequence[Fields | str]]) -> Iterator[str]:
    """The lines of a manifest, one entry a line; what is empty is left out."""
    for key, value in head.items():
        if isinstance(value, str):
            if value:
                yield f"{key}: {quoted(value)}\n"
        elif value:
            yield f"{key}: [{', '.join(map(quoted, value))}]\n"
    for section, entries in sections.items():
        if entries:
            yield f"{section}:\n"
            for entry in entries:
                yield f"  - {entry_text(entry)}\n"


def entry_text(entry: Fields | str) -> str:
    """One entry in flow style."""
    if isinstance(entry, str):
        return quoted(entry)
    parts = []
    for key, value in entry.items():
        if isinstance(value, str):
            parts.append(f"{key}: {quoted(value)}")
        elif isinstance(value, dict):
            parts.append(f"{key}: {entry_text(value)}")
        else:
            parts.append(f"{key}: [{', '.join(quoted(one) for one in value)}]")
    return "{" + ", ".join(parts) + "}"


def quoted(text: str) -> str:
    """A YAML scalar for any text; characters that act are written as escapes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escaped = printable(text.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{escaped}"'


def _image(entry: ImageEntry) -> Fields | str:
    written = entry.written or entry.source
    if not entry.path and not entry.platforms:
        return written
    return _filled({"image": written, "platforms": [str(one) for one in entry.platforms], "as": entry.path})


def _artifact(entry: ArtifactEntry) -> Fields | str:
    written = entry.written or entry.source
    return {"artifact": written, "as": entry.path} if entry.path else written


def _chart(entry: ChartEntry) -> Fields:
    # A directory beside the manifest lost its `./` when it was read, and without it a name is that of a repository.
    is_bare = entry.kind == "local" and "/" not in entry.chart and not entry.chart.endswith(".tgz")
    return _filled(
        {
            "chart": f"./{entry.chart}" if is_bare else entry.chart,
            "repo": entry.repo,
            "version": entry.version,
            "values": entry.values,
            "images": entry.images,
            "as": entry.path,
            "keyring": entry.keyring,
        }
    )


def _workload(entry: WorkloadEntry) -> Fields:
    return {entry.kind: entry.path}


def _file(entry: FileEntry) -> Fields:
    sha256 = str(entry.sha256) if entry.sha256 is not None else ""
    return _filled({"path": entry.path, "url": entry.url, "sha256": sha256, "as": entry.name})


def _verify(entry: VerifyEntry) -> Fields:
    keyless = _filled(
        {
            "issuer": entry.issuer,
            "identity": entry.identity,
            "identityPattern": entry.identity_pattern,
            "trustedRoot": entry.trusted_root,
        }
    )
    return _filled({"match": entry.match, "key": entry.key, "keyless": keyless})


def _filled(fields: Mapping[str, T]) -> dict[str, T]:
    return {key: value for key, value in fields.items() if value}
