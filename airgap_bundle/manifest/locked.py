"""The lock: a manifest resolved to digests and sizes. Values only; nothing is asked of a registry here.

`lock` writes and reads the file. A lock is sorted whatever order it was made in, so that two locks with the same
content are equal and their files differ in as few lines as can be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Platform, check_repository, check_tag
from airgap_bundle.manifest import words
from airgap_bundle.manifest.settings import MAX_SETTINGS, Setting
from airgap_bundle.manifest.yamltext import has_unseen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KINDS = ("artifact", "chart", "file", "image")
ATTACHMENT_KINDS = ("referrer", "tag")
# 250,000 blobs are the most a bundle holds, and an item has one at least.
MAX_ITEMS = 250_000
# References, addresses, identities and template paths are all far shorter.
MAX_TEXT_BYTES = 4096
FILE_MEDIA_TYPE = "application/octet-stream"
# A directory travels as one uncompressed tar.
DIRECTORY_MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar"
# A chart's package and its provenance file.
MAX_PARTS = 2
# Two weeks are what a medium, an approval and a courier take; of a short life, the last quarter.
MAX_ENDING_SECONDS = 14 * 24 * 3600


def _check_text(text: str, what: str) -> None:
    if not text or len(text) > MAX_TEXT_BYTES or has_unseen(text) or "\n" in text or "\t" in text:
        raise InvalidValueError(f"{what} is empty, too long, or has characters that do not show: {text[:160]!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPlatform:
    """One child that is kept: an image for a platform, or with `unknown/unknown` an attestation for one."""

    platform: Platform
    digest: Digest
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedAttachment:
    """An image manifest that says something about another one: found as a `referrer`, or by a signature `tag`.

    `subject` is what it is about. `tag` is the tag that it was found under ("" for the referrers API).
    """

    kind: str
    subject: Digest
    digest: Digest
    media_type: str
    size: int
    artifact_type: str = ""
    tag: str = ""

    def __post_init__(self) -> None:
        """Refuse what a registry cannot have said."""
        if self.kind not in ATTACHMENT_KINDS:
            raise InvalidValueError(f"not a kind of attachment: {self.kind[:80]!r}")
        if self.tag:
            check_tag(self.tag)
        if self.artifact_type:
            _check_text(self.artifact_type, "the artifact type")
        if self.kind == "tag" and not self.tag:
            raise InvalidValueError("an attachment found by tag without a tag")
        Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)

    @property
    def descriptor(self) -> Descriptor:
        """Type, digest and size."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class LockedDiscovery:
    """An image that a chart or workload asks for, and where in it that was found (template and line, values key)."""

    image: str
    found: str

    def __post_init__(self) -> None:
        """Refuse text that does not show."""
        _check_text(self.image, "the image")
        _check_text(self.found, "where it was found")


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPart:
    """A blob that is fetched or packed while locking: `source` is its address, or its path beside the manifest."""

    source: str
    digest: Digest
    media_type: str
    size: int

    def __post_init__(self) -> None:
        """Check each part."""
        _check_text(self.source, "the source of a part")
        Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)

    @property
    def descriptor(self) -> Descriptor:
        """Type, digest and size."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedItem:
    """One thing that travels.

    `source` is what was asked for, in full; `path` where it goes below DEST (for a file: its name in the bundle).
    `digest`, `media_type` and `size` name what arrives; where platforms were left out, `original` is the index that it
    was made from. `platforms` are the children that are kept. `verdicts` is the evidence of upstream signatures, each a
    map of texts. `images` says for a chart which images it brought along; each of them is an item of its own.
    `referrers` is `none` where what is attached was left out by choice; "" means that all of it is in `attached`.
    `origin` is the file that an image comes from (`words.Origin`), "" for a registry. `parts` are what a chart that is
    in no OCI registry is made of: the package, then its provenance file. `settings` are the values of a chart that name
    its images.
    """

    kind: str
    source: str
    path: str
    digest: Digest
    media_type: str
    size: int
    tag: str = ""
    original: Descriptor | None = None
    platforms: tuple[LockedPlatform, ...] = ()
    attached: tuple[LockedAttachment, ...] = ()
    verdicts: tuple[Mapping[str, str], ...] = ()
    images: tuple[LockedDiscovery, ...] = ()
    referrers: str = ""
    origin: str = ""
    parts: tuple[LockedPart, ...] = ()
    settings: tuple[Setting, ...] = ()

    def __post_init__(self) -> None:
        """Check every part: a lock file may have been edited by anybody."""
        if self.kind not in KINDS:
            raise InvalidValueError(f"not a kind of item: {self.kind[:80]!r}")
        _check_text(self.source, "the source")
        if self.kind == "file":
            words.safe_path(self.path)
        else:
            check_repository(self.path)
        if self.tag:
            check_tag(self.tag)
        if self.origin:
            words.Origin.parse(self.origin)
        if len(self.parts) > MAX_PARTS or (self.parts and self.kind != "chart"):
            raise InvalidValueError("parts belong to charts, and are at most two")
        if len(self.settings) > MAX_SETTINGS or (self.settings and self.kind != "chart"):
            raise InvalidValueError(f"settings belong to charts, and are at most {MAX_SETTINGS}")
        Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)
        if self.referrers not in {"", "none"} or (self.referrers and self.attached):
            raise InvalidValueError("referrers is 'none', with nothing attached, or left out")
        verdicts = []
        for verdict in self.verdicts:
            for key, value in verdict.items():
                _check_text(key, "the key of a verdict")
                _check_text(value, "a verdict")
            verdicts.append(MappingProxyType(dict(sorted(verdict.items()))))
        object.__setattr__(self, "verdicts", tuple(verdicts))
        object.__setattr__(self, "attached", tuple(sorted(self.attached, key=_attachment_order)))
        object.__setattr__(self, "images", tuple(sorted(set(self.images))))
        object.__setattr__(self, "settings", tuple(sorted(set(self.settings))))

    @property
    def descriptor(self) -> Descriptor:
        """Type, digest and size of what arrives."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)

    @property
    def target(self) -> tuple[str, str]:
        """Path below DEST, and tag."""
        return self.path, self.tag

    @property
    def documents(self) -> Iterator[tuple[Digest, int]]:
        """Digest and size of every image document that is named here; children of kept children are not."""
        if self.kind == "file" or self.parts:
            return
        yield self.digest, self.size
        if self.original is not None:
            yield self.original.digest, self.original.size
        yield from ((child.digest, child.size) for child in self.platforms)
        yield from ((attachment.digest, attachment.size) for attachment in self.attached)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """A manifest resolved. `created` and `expires` are seconds since 1970 (`expires` 0: never).

    `manifest_digest` is `Manifest.digest` of the manifest, with the overlay if there was one. `sequence` rises with
    each new lock; `created` and `sequence` change only when something else does, or when the lock nears its end.
    """

    name: str
    version: str
    created: int
    sequence: int
    manifest_digest: Digest
    audience: tuple[str, ...] = ()
    expires: int = 0
    items: tuple[LockedItem, ...] = field(default=())

    def __post_init__(self) -> None:
        """Check, and put the items in order: by kind, source, path and tag."""
        words.product_name(self.name)
        words.product_version(self.version)
        for audience in self.audience:
            words.audience_name(audience)
        for seconds in (self.created, self.expires):
            if not 0 <= seconds <= words.MAX_TIMESTAMP:
                raise InvalidValueError(f"not a time: {seconds}")
        if not 0 <= self.sequence < 2**53:
            raise InvalidValueError(f"not a sequence: {self.sequence}")
        if len(self.items) > MAX_ITEMS:
            raise InvalidValueError(f"{len(self.items)} items, more than {MAX_ITEMS}")
        items = tuple(sorted(self.items, key=_item_order))
        for before, item in pairwise(items):
            if _item_order(before) == _item_order(item):
                raise InvalidValueError(f"the {item.kind} {item.source} is there twice")
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "audience", tuple(sorted(self.audience)))

    def is_ending(self, now: int) -> bool:
        """Whether at `now` (seconds since 1970) it has expired or soon will: what it builds may come too late."""
        ending = min(MAX_ENDING_SECONDS, (self.expires - self.created) // 4)
        return 0 < self.expires <= now + ending


def _item_order(item: LockedItem) -> tuple[str, str, str, str]:
    return item.kind, item.source, item.path, item.tag


def _attachment_order(attachment: LockedAttachment) -> tuple[str, str, str, str]:
    return attachment.subject, attachment.kind, attachment.tag, attachment.digest
