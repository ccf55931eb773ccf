"""The inventory: the signed table of contents. Its SHA-256 is the bundle id.

Only the canonical form (RFC 8785) is read: other bytes for the same content, and fields that are not described in
FORMAT.md section 5, are refused, so that one content has one id. Nothing here decides whether it may be believed.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.moments import parse_moment
from airgap_bundle.core.oci import Platform, check_repository, check_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INVENTORY_TYPE = "application/vnd.airgap-bundle.inventory+json"
FORMAT = "1.0"
# 250,000 blobs of 105 bytes each are 26 MB; the rest is room for items. Signed, but read before that is known.
MAX_INVENTORY_BYTES = 64 * 1024 * 1024
MAX_BLOBS = 250_000
MAX_TEXT = 1024
# Where the inside keeps receipts, and the tags that keep images from being collected: content that lands there could
# forge what was imported before.
RECEIPTS_PATH = "airgap-receipts"
ANCHOR_TAG = re.compile(r"airgap-[0-9a-f]{12}-[0-9a-f]{8}")
ITEM_KINDS = ("image", "chart", "artifact", "files", "attached")
# Behind the digest of its subject, what the tag of an attached manifest ends with. Another tag would be moved without
# the care that is taken with tags: it could not be held back, and would not be put back.
_ATTACHED_SUFFIXES = ("", ".sig", ".att", ".sbom")

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_MAX_NAME = 64
_MAX_QUOTED = 160
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class BlobEntry:
    """One blob of the bundle: what it is and how long."""

    digest: Digest
    size: int

    def __post_init__(self) -> None:
        if self.digest.algorithm != "sha256":
            raise InvalidValueError(f"a bundle holds sha256 only: {self.digest}")
        if not 0 <= self.size <= strictjson.MAX_INTEGER:
            raise InvalidValueError(f"not a size: {self.size}")


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberEntry:
    """A member of the head that the inventory vouches for, such as `index.json` or `airgap/lock.yaml`."""

    name: str
    digest: Digest
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing that travels: an image, a chart, an artifact, the files, or what is attached to one of them.

    `source` is the name it had outside, in full; `path` the repository below the destination and `tag` the tag it gets
    there (empty: reachable by digest only). `digest`, `media_type` and `size` describe its top document. `subject` is
    what an attached manifest belongs to. `original` is the digest of the index that was rewritten to keep only some
    platforms; it travels as a plain blob, as evidence. `referrers` is `none` where attached artifacts were left out by
    choice. `upstream` has the verdicts on signatures that were checked when the lock was made.
    """

    kind: str
    source: str
    path: str
    tag: str
    digest: Digest
    media_type: str
    size: int
    platforms: tuple[str, ...] = ()
    subject: Digest | None = None
    original: Digest | None = None
    referrers: str = ""
    upstream: tuple[Mapping[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ITEM_KINDS:
            raise InvalidValueError(f"not a kind of item: {self.kind[:40]!r}")
        if not 0 < len(self.source) <= MAX_TEXT:
            raise InvalidValueError("an item's source is empty or longer than 1,024 characters")
        Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)
        if self.digest.algorithm != "sha256":
            raise InvalidValueError(f"a bundle holds sha256 only: {self.digest}")
        _check_target(self.path, self.tag)
        for platform in self.platforms:
            Platform.parse(platform)
        if (self.subject is not None) != (self.kind == "attached"):
            raise InvalidValueError("a subject belongs to attached items, and to them only")
        if self.subject is not None and self.tag and self.tag not in _attached_tags(self.subject):
            raise InvalidValueError(f"the tag {self.tag} of an attached item is not made of its subject {self.subject}")
        if self.referrers not in {"", "none"}:
            raise InvalidValueError(f"referrers is not 'none': {self.referrers[:40]!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """What a bundle says it holds. `blobs` is in the order of the tar.

    `sequence` grows with every lock of a product; times are UTC, to the second. `assumed` and `base` are for deltas:
    blobs that the inside already holds, and the bundle ids that brought them.
    """

    name: str
    version: str
    sequence: int
    created: dt.datetime
    members: tuple[MemberEntry, ...]
    items: tuple[Item, ...]
    blobs: tuple[BlobEntry, ...]
    audience: tuple[str, ...] = ()
    expires: dt.datetime | None = None
    assumed: tuple[BlobEntry, ...] = ()
    base: tuple[Digest, ...] = ()
    by_digest: Mapping[Digest, BlobEntry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_product(self.name)
        check_tag(self.version)
        if not 0 <= self.sequence <= strictjson.MAX_INTEGER:
            raise InvalidValueError(f"not a sequence: {self.sequence}")
        if len(self.blobs) + len(self.assumed) > MAX_BLOBS:
            raise InvalidValueError(f"more than {MAX_BLOBS} blobs")
        by_digest = {blob.digest: blob for blob in chain(self.blobs, self.assumed)}
        if len(by_digest) != len(self.blobs) + len(self.assumed):
            raise InvalidValueError("a blob is listed twice")
        object.__setattr__(self, "by_digest", by_digest)
        if not self.items:
            raise InvalidValueError("no items")
        if self.total_bytes > strictjson.MAX_INTEGER:
            # Far beyond any medium; without it offsets could grow past what a file can be asked for.
            raise InvalidValueError(f"more than {strictjson.MAX_INTEGER} bytes of content")
        _check_items(self.items, by_digest, {blob.digest for blob in self.assumed})

    @property
    def total_bytes(self) -> int:
        """Bytes of content, without headers and padding."""
        return sum(blob.size for blob in self.blobs)


def _check_items(items: tuple[Item, ...], by_digest: Mapping[Digest, BlobEntry], assumed: set[Digest]) -> None:
    """No name is given twice, and every item's top document is in the bundle, as long as the item says."""
    names: set[tuple[str, str]] = set()
    for item in items:
        entry = by_digest.get(item.digest)
        if entry is None or item.digest in assumed:
            raise InvalidValueError(f"no blob is listed for {item.source[:_MAX_QUOTED]}: {item.digest}")
        if entry.size != item.size:
            raise InvalidValueError(f"{item.digest} is listed with {entry.size} bytes and, as an item, {item.size}")
        if item.original is not None and item.original not in by_digest:
            raise InvalidValueError(f"no blob is listed for the original index {item.original}")
        if item.tag and (item.path, item.tag) in names:
            raise InvalidValueError(f"two items would land on one name: {item.path}:{item.tag}")
        names.add((item.path, item.tag))


def _check_target(path: str, tag: str) -> None:
    """A repository and a tag, and neither of those in which the inside keeps its own books."""
    check_repository(path)
    if tag:
        check_tag(tag)
    if path.split("/", maxsplit=1)[0] == RECEIPTS_PATH or ANCHOR_TAG.fullmatch(tag):
        raise InvalidValueError(f"a name that the importing side keeps for itself: {path}:{tag}")


def _attached_tags(subject: Digest) -> list[str]:
    return [f"{subject.algorithm}-{subject.encoded}{suffix}" for suffix in _ATTACHED_SUFFIXES]


def check_product(name: str) -> str:
    """`name` if it can name a product, else `InvalidValueError`: it becomes part of repositories, tags and files."""
    if len(name) > _MAX_NAME or _NAME.fullmatch(name) is None:
        raise InvalidValueError(f"not a product name: {name[:80]!r}")
    return name


def bundle_id(raw_inventory: bytes) -> Digest:
    """The name of a bundle: the digest of the inventory's bytes."""
    return Digest.of(raw_inventory)


def time_text(moment: dt.datetime) -> str:
    """UTC to the second, RFC 3339: `2026-11-22T13:00:00Z`."""
    return moment.astimezone(dt.UTC).strftime(_TIME)


def parse_time(text: str) -> dt.datetime:
    """The moment that `time_text` spells; any other spelling is an `InvalidValueError`."""
    try:
        moment = parse_moment(text)
    except InvalidValueError as error:
        raise InvalidValueError(f"not a time such as 2026-01-31T12:00:00Z: {text[:40]!r}") from error
    if time_text(moment) != text:
        raise InvalidValueError(f"not a time such as 2026-01-31T12:00:00Z: {text[:40]!r}")
    return moment


def dump_inventory(inventory: Inventory) -> bytes:
    """The canonical bytes: what is signed."""
    document: dict[str, Any] = {
        **release_values(inventory),
        "members": [{"name": m.name, "digest": m.digest, "size": m.size} for m in inventory.members],
        "blobs": ({"digest": b.digest, "size": b.size} for b in inventory.blobs),
    }
    if inventory.assumed or inventory.base:
        document["assumed"] = ({"digest": b.digest, "size": b.size} for b in inventory.assumed)
        document["base"] = list(inventory.base)
    return strictjson.canonical_object(document)


def release_values(inventory: Inventory) -> dict[str, Any]:
    """The fields that say what is to come in; without those that say what of it this one bundle holds.

    For `canonical_object`: `items` is an iterator, as there can be many.
    """
    values: dict[str, Any] = {
        "_type": INVENTORY_TYPE,
        "format": FORMAT,
        "name": inventory.name,
        "version": inventory.version,
        "audience": list(inventory.audience),
        "sequence": inventory.sequence,
        "created": time_text(inventory.created),
        "items": map(_dump_item, inventory.items),
    }
    if inventory.expires is not None:
        values["expires"] = time_text(inventory.expires)
    return values


def _dump_item(item: Item) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": item.kind,
        "source": item.source,
        "path": item.path,
        "tag": item.tag,
        "digest": item.digest,
        "mediaType": item.media_type,
        "size": item.size,
    }
    if item.platforms:
        document["platforms"] = list(item.platforms)
    if item.subject is not None:
        document["subject"] = item.subject
    if item.original is not None:
        document["original"] = item.original
    if item.referrers:
        document["referrers"] = item.referrers
    if item.upstream:
        document["upstream"] = [dict(verdict) for verdict in item.upstream]
    return document


def parse_inventory(raw: bytes) -> Inventory:
    """Read an inventory; `InvalidValueError` names the path inside the document.

    The caller has checked the signatures over exactly these bytes, and still has to ask the policy about what they
    say.
    """
    reader = _Fields(strictjson.parse_object(raw, max_bytes=MAX_INVENTORY_BYTES), "")
    if (kind := reader.text("_type")) != INVENTORY_TYPE:
        raise InvalidValueError(f"_type is {kind[:120]!r} where an inventory is {INVENTORY_TYPE!r}")
    version = reader.text("format")
    if version != FORMAT:
        raise InvalidValueError(f"format {version[:20]!r} is not one that this version reads ({FORMAT})")
    inventory = Inventory(
        name=reader.text("name"),
        version=reader.text("version"),
        audience=reader.texts("audience"),
        sequence=reader.integer("sequence"),
        created=reader.moment("created"),
        expires=reader.moment("expires") if reader.has("expires") else None,
        members=reader.each("members", lambda f: MemberEntry(**f.named_blob())),
        items=reader.each("items", _parse_item),
        blobs=reader.each("blobs", lambda f: BlobEntry(digest=f.digest("digest"), size=f.integer("size"))),
        assumed=reader.each("assumed", lambda f: BlobEntry(digest=f.digest("digest"), size=f.integer("size")))
        if reader.has("assumed")
        else (),
        base=tuple(Digest(text) for text in reader.texts("base")) if reader.has("base") else (),
    )
    reader.finish()
    if dump_inventory(inventory) != raw:
        raise InvalidValueError("not in canonical form (RFC 8785)")
    return inventory


def _parse_item(fields: _Fields) -> Item:
    return Item(
        kind=fields.text("kind"),
        source=fields.text("source"),
        path=fields.text("path"),
        tag=fields.text("tag"),
        digest=fields.digest("digest"),
        media_type=fields.text("mediaType"),
        size=fields.integer("size"),
        platforms=fields.texts("platforms") if fields.has("platforms") else (),
        subject=fields.digest("subject") if fields.has("subject") else None,
        original=fields.digest("original") if fields.has("original") else None,
        referrers=fields.text("referrers") if fields.has("referrers") else "",
        upstream=fields.each("upstream", lambda f: f.texts_by_name()) if fields.has("upstream") else (),
    )


class _Fields:
    """The fields of one JSON object, each taken once; what is left at the end was not known."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise InvalidValueError(f"{path} is not an object")
        self._left: dict[str, Any] = dict(value)
        self._path = path

    def has(self, key: str) -> bool:
        return key in self._left

    def _take(self, key: str, kind: type[T]) -> T:
        if key not in self._left:
            raise InvalidValueError(f"{self._path}{key} is missing")
        value = self._left.pop(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InvalidValueError(f"{self._path}{key} is not {_KIND_NAMES[kind]}")
        return value

    def text(self, key: str) -> str:
        value = self._take(key, str)
        if len(value) > MAX_TEXT:
            raise InvalidValueError(f"{self._path}{key} is longer than {MAX_TEXT} characters")
        return value

    def integer(self, key: str) -> int:
        return self._take(key, int)

    def moment(self, key: str) -> dt.datetime:
        return parse_time(self.text(key))

    def digest(self, key: str) -> Digest:
        try:
            return Digest(self.text(key))
        except InvalidValueError as error:
            raise InvalidValueError(f"{self._path}{key}: {error}") from error

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._take(key, list)
        if not all(isinstance(value, str) and len(value) <= MAX_TEXT for value in values):
            raise InvalidValueError(f"{self._path}{key} is not a list of strings")
        return tuple(values)

    def texts_by_name(self) -> dict[str, str]:
        values, self._left = self._left, {}
        if not all(isinstance(value, str) and len(value) <= MAX_TEXT for value in values.values()):
            raise InvalidValueError(f"{self._path[:-1]} is not a map of strings")
        if not all(key.isascii() and len(key) <= MAX_TEXT for key in values):
            # RFC 8785 sorts keys as UTF-16, Python by code point; in ASCII the two agree.
            raise InvalidValueError(f"{self._path[:-1]} has a key that is not ASCII, or too long")
        return values

    def named_blob(self) -> dict[str, Any]:
        return {"name": self.text("name"), "digest": self.digest("digest"), "size": self.integer("size")}

    def each(self, key: str, parse: Callable[[_Fields], T]) -> tuple[T, ...]:
        result = []
        values = self._take(key, list)
        for n, value in enumerate(values):
            # Of a long list what is read already need not stay beside what was made of it.
            values[n] = None
            path = f"{self._path}{key}[{n}]."
            fields = _Fields(value, path)
            try:
                result.append(parse(fields))
            except InvalidValueError as error:
                text = str(error)
                raise InvalidValueError(text if text.startswith(path) else f"{path[:-1]}: {text}") from error
            fields.finish()
        return tuple(result)

    def finish(self) -> None:
        if self._left:
            raise InvalidValueError(f"{self._path}{min(self._left)[:80]} is not a field of this format")


_KIND_NAMES: Mapping[type, str] = {str: "a string", int: "an integer", list: "a list"}
