"""The receipt of one import, as a value: what came in, who signed it, what was done, under which policy.

A receipt is evidence and the base of undoing, so it says everything by digest and nothing by reference to this machine.
Its id is a function of product, sequence, bundle and destination: importing the same bundle again gives the same id,
and what was recorded last under an id is what holds. Values only: `boundary.receipts.documents` writes and reads them,
`boundary.ledger.ledger` keeps them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from airgap_bundle.bundle.inventory import MAX_BLOBS, check_product
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import MAX_SIZE_BYTES, Descriptor, Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.moments import check_moment
from airgap_bundle.core.oci import check_repository, check_tag

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airgap_bundle.boundary.judging.upstream_verdict import UpstreamVerdict
    from airgap_bundle.boundary.receipts.services import Service
    from airgap_bundle.manifest.settings import Setting

# An item is a manifest, which is a blob of the bundle, and a bundle has at most 250,000 of them.
MAX_ITEMS = 250_000
# Room for a reason of a paragraph, a certificate identity or a long reference; not for a document.
MAX_TEXT_CHARACTERS = 4096

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_WORD = re.compile(r"[a-z][a-z0-9-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Outcome(StrEnum):
    """What was done for one thing."""

    PUSHED = "pushed"
    MOUNTED = "mounted"
    PRESENT = "present"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedBy:
    """A signature that counted: the signer's name in the policy, the method, the key and the roles it was counted for.

    `key` is what identifies it: a primary fingerprint, a digest of a public key, or issuer and identity.
    """

    signer: str
    method: str
    key: str
    roles: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the texts."""
        _check_text(signer=self.signer, key=self.key, **{f"roles[{n}]": role for n, role in enumerate(self.roles)})
        _check_word("method", self.method)


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyUsed:
    """The policy that decided: its version and the digest of the file."""

    version: int
    digest: Digest

    def __post_init__(self) -> None:
        """Check the number."""
        _check_number(version=self.version)


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """A check that was set aside: the option (`allow-older`), what it named, and the reason that was given."""

    option: str
    value: str
    reason: str

    def __post_init__(self) -> None:
        """Check the texts; setting something aside without a reason is none."""
        _check_word("option", self.option)
        _check_text(value=self.value, reason=self.reason)
        if not self.reason.strip():
            raise InvalidValueError("an override without a reason")


@dataclass(frozen=True, kw_only=True, slots=True)
class MapRule:
    """One `--map FROM=TO`, as it was given."""

    pattern: str
    target: str

    def __post_init__(self) -> None:
        """Check the texts."""
        _check_text(pattern=self.pattern, target=self.target)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attached:
    """A referrer or signature manifest that travelled with an item. `tag` is "" where it has none.

    `subject` is the manifest that it belongs to: the item's own, or one below it.
    """

    subject: Digest
    digest: Digest
    media_type: str
    outcome: Outcome
    artifact_type: str = ""
    tag: str = ""

    def __post_init__(self) -> None:
        """Check the tag and the types."""
        Descriptor(media_type=self.media_type, digest=self.digest, size=0)
        _check_text(artifact_type=self.artifact_type)
        if self.tag:
            check_tag(self.tag)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiptItem:
    """One image, chart, artifact or set of files.

    `source` is the full reference on the connected side; `path` the repository below DEST, after the map; `tag` and
    `anchor` are "" where there is none. `previous` is the digest that was under the tag before, None where the tag was
    new (or there is none). `settings` are for a chart the values that name images, `services` for an image who asks for
    it: what the lock knew of that, for `relocate`.
    """

    kind: str
    source: str
    path: str
    tag: str
    digest: Digest
    media_type: str
    size: int
    previous: Digest | None
    anchor: str
    outcome: Outcome
    attached: tuple[Attached, ...] = ()
    settings: tuple[Setting, ...] = ()
    services: tuple[Service, ...] = ()

    def __post_init__(self) -> None:
        """Check every part: they become parts of requests when something is undone."""
        _check_word("kind", self.kind)
        _check_text(source=self.source)
        check_repository(self.path)
        for tag in filter(None, (self.tag, self.anchor)):
            check_tag(tag)
        Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)
        _check_number(size=self.size)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldBlobs:
    """Layers and files that were in a repository below DEST when the import ended: what a delta may leave out.

    `blobs` are sizes by digest: as they stand in the document, since there may be as many as a bundle has. A blob that
    several repositories hold stands with one of them.
    """

    path: str
    blobs: Mapping[str, int]

    def __post_init__(self) -> None:
        """Check every part: paths and digests become parts of requests when a blob is mounted from there."""
        check_repository(self.path)
        for digest, size in self.blobs.items():
            if _SHA256.fullmatch(digest) is None:
                raise InvalidValueError(f"not a sha256 digest: {digest[:80]!r}")
            _check_number(size=size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """Blobs by what was done for them, and the bytes of blobs that were sent."""

    blobs_pushed: int = 0
    blobs_mounted: int = 0
    blobs_present: int = 0
    bytes_sent: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_number(
            blobs_pushed=self.blobs_pushed,
            blobs_mounted=self.blobs_mounted,
            blobs_present=self.blobs_present,
            bytes_sent=self.bytes_sent,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditHead:
    """The end of the audit trail at a moment: how many records, and the digest of the last one's line."""

    records: int
    digest: Digest

    def __post_init__(self) -> None:
        """Check the number."""
        _check_number(records=self.records)


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """A file that was given when held images were published, such as the report of a scanner: name, digest, size."""

    name: str
    digest: Digest
    size: int

    def __post_init__(self) -> None:
        """Check the name and the number."""
        _check_text(name=self.name)
        _check_number(size=self.size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """How held images got their tags: when, on which evidence, and who approved.

    `held` is the digest of the receipt as it was while they were held: the bytes that the approvals are over.
    """

    at: datetime
    held: Digest
    evidence: tuple[Evidence, ...] = ()
    approvals: tuple[SignedBy, ...] = ()

    def __post_init__(self) -> None:
        """Check the moment."""
        check_moment(self.at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """Where images were promoted from: the receipt there by its id, and the digest of its bytes."""

    destination: str
    receipt: str
    digest: Digest

    def __post_init__(self) -> None:
        """Check the texts."""
        check_destination(self.destination)
        check_tag(self.receipt)


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """The record of one import.

    `partial` is true for `--only`, `held` for `--hold`. `created` is the bundle's own time, `started` and `finished`
    are those of the import. `previous` is the id of the receipt that was in effect before it, or "". `publication` is
    there where the images were held first, `promotion` where they came from another registry inside. `upstream` has the
    signatures of publishers that the policy demanded. `content` has the
    layers and files of everything that came in, sorted by path, and `expires` what the bundle says of its own end;
    `release` names what the bundle was to bring (`bundle.release`), `delta` says that it left out what was inside;
    receipts of earlier versions have none of these.
    """

    bundle_id: Digest
    product: str
    version: str
    sequence: int
    created: datetime
    destination: str
    policy: PolicyUsed
    signers: tuple[SignedBy, ...]
    started: datetime
    finished: datetime
    tool: str
    items: tuple[ReceiptItem, ...]
    audit: AuditHead
    audience: tuple[str, ...] = ()
    map: tuple[MapRule, ...] = ()
    partial: bool = False
    held: bool = False
    overrides: tuple[Override, ...] = ()
    totals: Totals = field(default_factory=Totals)
    previous: str = ""
    publication: Publication | None = None
    promotion: Promotion | None = None
    upstream: tuple[UpstreamVerdict, ...] = ()
    content: tuple[HeldBlobs, ...] = ()
    expires: datetime | None = None
    release: Digest | None = None
    delta: bool = False

    def __post_init__(self) -> None:
        """Check what the parts do not check themselves."""
        check_product(self.product)
        check_destination(self.destination)
        _check_number(sequence=self.sequence)
        _check_text(version=self.version, tool=self.tool, **{f"audience[{n}]": t for n, t in enumerate(self.audience)})
        for moment in (self.created, self.started, self.finished, self.expires or self.created):
            check_moment(moment)
        if self.previous:
            check_tag(self.previous)
        if len(self.items) > MAX_ITEMS:
            raise InvalidValueError(f"{len(self.items)} items, more than the {MAX_ITEMS} that a receipt may have")
        if sum(len(one.blobs) for one in self.content) > MAX_BLOBS:
            raise InvalidValueError(f"more than {MAX_BLOBS} blobs, which no bundle has")
        check_tag(self.id)

    @property
    def id(self) -> str:
        """`<product>-<sequence>-<12 hex of the bundle id>-<8 hex of DEST's SHA-256>`; a valid tag."""
        return receipt_id(self.product, self.sequence, self.bundle_id, self.destination)


def receipt_id(product: str, sequence: int, bundle_id: Digest, destination: str) -> str:
    """The id of the receipt that importing this bundle there has, known before the import begins."""
    return f"{product}-{sequence}-{bundle_id.encoded[:12]}-{destination_hash(destination)}"


def destination_hash(destination: str) -> str:
    """8 hexadecimal digits that stand for DEST in names."""
    return hashlib.sha256(destination.encode()).hexdigest()[:8]


def check_destination(destination: str) -> str:
    """`destination` if it can stand in a receipt, else `InvalidValueError`; credentials cannot."""
    _check_text(destination=destination)
    if not destination or (not destination.startswith("dir:") and ("@" in destination or "://" in destination)):
        raise InvalidValueError("a destination is HOST[:PORT][/PATH] or dir:PATH, without credentials")
    return destination


def _check_text(**texts: str) -> None:
    """One line of text each: a control character would forge a line where somebody prints it."""
    for name, text in texts.items():
        if len(text) > MAX_TEXT_CHARACTERS or _CONTROL.search(text):
            raise InvalidValueError(f"{name} is not one line of at most {MAX_TEXT_CHARACTERS} characters")


def _check_word(name: str, text: str) -> None:
    if _WORD.fullmatch(text) is None:
        raise InvalidValueError(f"{name} is not a word in lower case: {text[:80]!r}")


def _check_number(**numbers: int) -> None:
    """JSON has no exact form for more than 2^53 - 1."""
    for name, number in numbers.items():
        if not 0 <= number <= min(strictjson.MAX_INTEGER, MAX_SIZE_BYTES):
            raise InvalidValueError(f"{name} is not a number that a receipt can hold: {number}")
