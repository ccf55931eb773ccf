"""The lock file: `dump_lock` writes it, `parse_lock` reads it strictly, and both agree exactly.

Block style with one value a line and no folding, so that a change of one digest is a change of one line. Text is
quoted wherever any YAML reader might take it for something else.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Platform
from airgap_bundle.manifest import words, yamltext
from airgap_bundle.manifest.fields import Complaints, Value, check_api_version, converted, integer, listed, mapped, text
from airgap_bundle.manifest.locked import (
    Lock,
    LockedAttachment,
    LockedDiscovery,
    LockedItem,
    LockedPart,
    LockedPlatform,
)
from airgap_bundle.manifest.settings import Form, Setting
from airgap_bundle.manifest.staleness import staleness

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

__all__ = [
    "Lock",
    "LockedAttachment",
    "LockedDiscovery",
    "LockedItem",
    "LockedPlatform",
    "dump_lock",
    "lock_path",
    "parse_items",
    "parse_lock",
    "staleness",
]

API_VERSION = "airgap-bundle/lock.v1"
# 1,000 images of 10 platforms with signatures are 7 MB and 150,000 values.
MAX_LOCK_BYTES = 32 * 1024 * 1024
MAX_LOCK_NODES = 1_000_000

# How an item begins in a lock of ours; no text in one holds a line feed.
_ITEM = b"\n  - kind: "
_HEADER = "# Made by airgap-manifest lock. Do not edit: change the manifest and make the lock again.\n"
# Begins with a letter, and nothing in it means anything to YAML (a colon only before something that is no space).
_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./@+-]|:(?=[A-Za-z0-9_./@+-]))*")
# What YAML 1.1 takes for something else than text.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def dump_lock(lock: Lock) -> bytes:
    """The bytes of the lock file; the same for equal locks."""
    lines = [_HEADER]
    head: dict[str, object] = {
        "apiVersion": API_VERSION,
        "name": lock.name,
        "version": lock.version,
        "audience": list(lock.audience),
        "created": words.timestamp_text(lock.created),
        "sequence": lock.sequence,
        "expires": words.timestamp_text(lock.expires) if lock.expires else "",
        "manifest": lock.manifest_digest,
        "items": [_item(item) for item in lock.items],
    }
    lines.extend(_map_lines(head, ""))
    return "".join(lines).encode()


def parse_lock(raw: bytes, file: str) -> Lock:
    """Read a lock file; `DocumentError` (AB-LOCK-INVALID, or AB-YAML-…) with every complaint."""
    complaints = Complaints(file)
    value = Value.of(yamltext.parse(raw, file, max_bytes=MAX_LOCK_BYTES, max_nodes=MAX_LOCK_NODES), complaints)
    lock = None
    try:
        lock = _read(value)
    except InvalidValueError as error:
        complaints.add_error(error, value.place, "")
    complaints.check("AB-LOCK-INVALID", "a lock")
    if lock is None:  # pragma: no cover - a reader raised without a complaint, which would be our mistake
        raise AssertionError(file)
    return lock


def parse_items(raw: bytes, file: str, *, holding: tuple[bytes, ...]) -> Iterator[LockedItem]:
    """The items of a lock whose text holds one of these; `DocumentError` where such a one cannot be read.

    For whoever needs a little of a lock that may be large: what is not asked for is not parsed. Only the layout that
    `dump_lock` writes is known; of another one nothing is found.
    """
    start = raw.find(b"\nitems:\n")
    if start < 0 or not any(mark in raw for mark in holding):
        return
    start = raw.find(_ITEM, start)
    while start >= 0:
        end = raw.find(_ITEM, start + 1)
        piece = raw[start + 1 : end] if end >= 0 else raw[start + 1 :]
        start = end
        if any(mark in piece for mark in holding):
            complaints = Complaints(file)
            node = yamltext.parse(piece, file, max_bytes=MAX_LOCK_BYTES, max_nodes=MAX_LOCK_NODES)
            value = Value.of(node, complaints)
            read: tuple[LockedItem, ...] = ()
            try:
                read = listed(_read_item)(value)
            except InvalidValueError as error:
                complaints.add_error(error, value.place, "")
            complaints.check("AB-LOCK-INVALID", "a lock")
            yield from read


def lock_path(manifest_path: str | os.PathLike[str], overlay_path: str | os.PathLike[str] | None = None) -> Path:
    """Where the lock of a manifest lies: `plane.lock.yaml` beside `plane.yaml`.

    With the overlay `customers/north.yaml` it is `plane.north.lock.yaml`, so that each customer has a lock.
    """
    path = Path(manifest_path)
    stems = [_stem(path)] if overlay_path is None else [_stem(path), _stem(Path(overlay_path))]
    return path.with_name(f"{'.'.join(stems)}.lock.yaml")


def _stem(path: Path) -> str:
    return path.stem if path.suffix in {".yaml", ".yml"} else path.name


def _item(item: LockedItem) -> dict[str, object]:
    original = item.original
    return {
        "kind": item.kind,
        "source": item.source,
        "path": item.path,
        "tag": item.tag,
        "digest": item.digest,
        "mediaType": item.media_type,
        "size": item.size,
        "original": {"digest": original.digest, "mediaType": original.media_type, "size": original.size}
        if original
        else {},
        "platforms": [{"platform": str(p.platform), "digest": p.digest, "size": p.size} for p in item.platforms],
        "referrers": item.referrers,
        "origin": item.origin,
        "parts": [
            {"source": p.source, "digest": p.digest, "mediaType": p.media_type, "size": p.size} for p in item.parts
        ],
        "attached": [
            {
                "kind": a.kind,
                "subject": a.subject,
                "tag": a.tag,
                "digest": a.digest,
                "mediaType": a.media_type,
                "size": a.size,
                "artifactType": a.artifact_type,
            }
            for a in item.attached
        ],
        "verdicts": [dict(verdict) for verdict in item.verdicts],
        "images": [{"image": d.image, "found": d.found} for d in item.images],
        "settings": [{"at": s.at, "form": s.form, "text": s.text, "proof": s.proof} for s in item.settings],
    }


def _map_lines(values: Mapping[str, object], indent: str) -> Iterator[str]:
    """Lines of a map; what is empty is left out, since it is read as empty again."""
    for key, value in values.items():
        if isinstance(value, int):
            yield f"{indent}{_quoted(key)}: {value}\n"
        elif isinstance(value, str) and value:
            yield f"{indent}{_quoted(key)}: {_quoted(value)}\n"
        elif isinstance(value, dict) and value:
            yield f"{indent}{_quoted(key)}:\n"
            yield from _map_lines(value, f"{indent}  ")
        elif isinstance(value, list) and value:
            yield f"{indent}{_quoted(key)}:\n"
            yield from _list_lines(value, indent)


def _list_lines(values: list[object], indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict):
            # The first line of each map carries the dash in place of its indentation. A map without lines is `{}`.
            lines = list(_map_lines(value, f"{indent}    ")) or [f"{indent}    {{}}\n"]
            yield f"{indent}  - {lines[0][len(indent) + 4 :]}"
            yield from lines[1:]
        else:
            yield f"{indent}  - {_quoted(str(value))}\n"


def _quoted(text_: str) -> str:
    """The text as a YAML scalar: plain where that is safe in YAML 1.1 and 1.2, else in double quotes."""
    if _PLAIN.fullmatch(text_) is not None and text_.lower() not in _WORDS:
        return text_
    # Values hold no control characters (`locked` refuses them), so these two are all there is to escape.
    return '"' + text_.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _read(value: Value) -> Lock:
    fields = value.fields()
    check_api_version(fields, API_VERSION)
    name = fields.required("name", converted(words.product_name))
    version = fields.required("version", converted(words.product_version))
    audience = fields.get("audience", listed(converted(words.audience_name)), ())
    created = fields.required("created", converted(words.timestamp))
    sequence = fields.required("sequence", integer)
    expires = fields.get("expires", converted(words.timestamp), 0)
    manifest_digest = fields.required("manifest", converted(Digest))
    items = fields.get("items", listed(_read_item), ())
    fields.finish()
    return Lock(
        name=name,
        version=version,
        audience=audience,
        created=created,
        sequence=sequence,
        expires=expires,
        manifest_digest=manifest_digest,
        items=items,
    )


def _read_item(value: Value) -> LockedItem:
    fields = value.fields()
    kind = fields.required("kind", text)
    source = fields.required("source", text)
    path = fields.required("path", text)
    tag = fields.get("tag", text, "")
    digest = fields.required("digest", converted(Digest))
    media_type = fields.required("mediaType", text)
    size = fields.required("size", integer)
    original = fields.get("original", _read_original, None)
    platforms = fields.get("platforms", listed(_read_platform), ())
    referrers = fields.get("referrers", text, "")
    origin = fields.get("origin", text, "")
    parts = fields.get("parts", listed(_read_part), ())
    attached = fields.get("attached", listed(_read_attachment), ())
    verdicts = fields.get("verdicts", listed(mapped(text)), ())
    images = fields.get("images", listed(_read_discovery), ())
    settings = fields.get("settings", listed(_read_setting), ())
    fields.finish()
    return LockedItem(
        kind=kind,
        source=source,
        path=path,
        tag=tag,
        digest=digest,
        media_type=media_type,
        size=size,
        original=original,
        platforms=platforms,
        attached=attached,
        verdicts=verdicts,
        images=images,
        referrers=referrers,
        origin=origin,
        parts=parts,
        settings=settings,
    )


def _read_original(value: Value) -> Descriptor:
    fields = value.fields()
    digest = fields.required("digest", converted(Digest))
    media_type = fields.required("mediaType", text)
    size = fields.required("size", integer)
    fields.finish()
    return Descriptor(digest=digest, media_type=media_type, size=size)


def _read_part(value: Value) -> LockedPart:
    fields = value.fields()
    source = fields.required("source", text)
    digest = fields.required("digest", converted(Digest))
    media_type = fields.required("mediaType", text)
    size = fields.required("size", integer)
    fields.finish()
    return LockedPart(source=source, digest=digest, media_type=media_type, size=size)


def _read_platform(value: Value) -> LockedPlatform:
    fields = value.fields()
    platform = fields.required("platform", converted(Platform.parse))
    digest = fields.required("digest", converted(Digest))
    size = fields.required("size", integer)
    fields.finish()
    return LockedPlatform(platform=platform, digest=digest, size=size)


def _read_attachment(value: Value) -> LockedAttachment:
    fields = value.fields()
    kind = fields.required("kind", text)
    subject = fields.required("subject", converted(Digest))
    tag = fields.get("tag", text, "")
    digest = fields.required("digest", converted(Digest))
    media_type = fields.required("mediaType", text)
    size = fields.required("size", integer)
    artifact_type = fields.get("artifactType", text, "")
    fields.finish()
    return LockedAttachment(
        kind=kind,
        subject=subject,
        tag=tag,
        digest=digest,
        media_type=media_type,
        size=size,
        artifact_type=artifact_type,
    )


def _read_discovery(value: Value) -> LockedDiscovery:
    fields = value.fields()
    image = fields.required("image", text)
    found = fields.required("found", text)
    fields.finish()
    return LockedDiscovery(image=image, found=found)


def _read_setting(value: Value) -> Setting:
    fields = value.fields()
    at = fields.required("at", text)
    form = fields.required("form", converted(_form))
    said = fields.get("text", text, "")
    proof = fields.get("proof", text, "")
    fields.finish()
    return Setting(at=at, form=form, text=said, proof=proof)


def _form(word: str) -> Form:
    try:
        return Form(word)
    except ValueError as error:
        raise InvalidValueError(f"not a form of a setting: {word[:80]!r}") from error
