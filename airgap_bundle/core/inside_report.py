"""What stands inside, as values that any page, file or program can be made from: the result of `report`.

Everything but digests, numbers and moments may be text from outside: names, versions, reasons. Whoever shows it escapes
it. Nothing here says more than ledger, audit trail, policy and the last drift said when it was collected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from airgap_bundle.core.content import Digest

# How long before its end something is worth a word: time to get a new key to every boundary, with a delivery.
SOON = timedelta(days=60)


class Standing(Enum):
    """What an import counts for now."""

    CURRENT = "current"
    """In effect."""
    HELD = "held"
    """Everything is there, and its tags wait for `publish`."""
    PARTIAL = "partial"
    """Only a part came in; never in effect."""
    EARLIER = "earlier"
    """Was in effect, or waited, before the one that is now."""
    UNDONE = "undone"
    """Newer than what is in effect: it was gone back from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """A signature that counted: the signer's name in the policy, how and with which key, and for which roles."""

    signer: str
    method: str
    key: str
    roles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """One receipt, without its items.

    `created` is the bundle's own time, which its signers vouch for; `finished` when it was checked and taken in.
    `bytes` counts the layers and files that it brought or found there, 0 where its receipt does not say; `bytes_sent`
    what was sent. `expires` is when the bundle says that it expires. `overrides` are checks that were set aside, with
    the reason.
    """

    receipt: str
    product: str
    release: str
    destination: str
    bundle: Digest
    sequence: int
    created: datetime
    finished: datetime
    standing: Standing
    signatures: tuple[Signature, ...]
    items: int
    bytes: int
    bytes_sent: int
    policy_version: int
    expires: datetime | None = None
    published: datetime | None = None
    approvals: tuple[str, ...] = ()
    promoted_from: str = ""
    overrides: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One image, chart, artifact or set of files. `source` is its name outside, `path` the repository below DEST."""

    kind: str
    source: str
    path: str
    tag: str
    digest: Digest
    attached: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """One item that is not as it was: `before` and `after` are tags or digests, "" where there was or is nothing."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What changed between two receipts of a product; `before` is the earlier one."""

    before: Import
    after: Import
    changed: tuple[Changed, ...]
    same: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One product at one destination: what is in effect, with its items, and what waits.

    `hosts` are the hosts outside that its items come from, with how many; `change` is what the newest import changed.
    """

    product: str
    destination: str
    current: Import | None
    items: tuple[Item, ...] = ()
    hosts: tuple[tuple[str, int], ...] = ()
    waiting: tuple[Import, ...] = ()
    change: Change | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfinished:
    """Something that began and did not end; `worker` is who works on it now, "" where nobody does."""

    kind: str
    product: str
    destination: str
    receipt: str
    started: datetime
    worker: str
    tags: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Something that was refused or stopped, as the audit trail has it. `number` is that of the record."""

    number: int
    at: datetime
    event: str
    product: str
    destination: str
    code: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Trail:
    """The audit trail: how many records, whether it is whole, and what in it was refused, the newest first.

    `refused` counts all refusals of imports and other commands, `tokens_refused` those of tokens; `refusals` are the
    newest of the former. `problems` has a sentence for each broken place.
    """

    records: int = 0
    problems: tuple[str, ...] = ()
    last: datetime | None = None
    refused: int = 0
    stopped: int = 0
    tokens_refused: int = 0
    refusals: tuple[Refusal, ...] = ()


class Ends(Enum):
    """What it is that ends."""

    SIGNER = "signer"
    """Nothing that a signer signs counts from then on (the policy's `until`)."""
    KEY = "key"
    """A signer's key says that it expires."""
    BUNDLE = "bundle"
    """A bundle in effect says that it expires."""
    AGE = "age"
    """A bundle in effect is then older than the policy lets bundles of its product be."""
    LOGIN = "login"
    """An identity gets no tokens from then on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """Something that ends or has ended, and when."""

    what: Ends
    name: str
    at: datetime
    destination: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftedThing:
    """One thing in a registry that is not as the ledger says. `found` is None where it is gone, "" where damaged."""

    repository: str
    kind: str
    name: str
    expected: str
    found: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftCheck:
    """The last time that a registry was asked. `count` is all that was found, `found` the first of it."""

    destination: str
    products: tuple[str, ...]
    at: datetime
    deep: bool
    count: int
    found: tuple[DriftedThing, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """An identity that gets tokens; `state` is active, revoked or ended."""

    name: str
    state: str
    scopes: tuple[str, ...]
    made: datetime
    until: datetime
    last_used: datetime | None
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Month:
    """Imports that ended in one month (`2026-11`, UTC), and the bytes that they sent."""

    month: str
    imports: int
    bytes_sent: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A repository in the directory that is served, with the first of its tags; `tag_count` is all of them."""

    name: str
    tags: tuple[str, ...]
    tag_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """What a served directory holds. `count` is all repositories, `repositories` the first of them."""

    count: int
    repositories: tuple[Stored, ...]
    free_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class InsideReport:
    """Everything at one moment, `made`.

    `imports` are the newest first; `has_more` says that there are earlier ones which are not among them. `endings` are
    in the order of time, with what has ended; None where there is no policy to ask. `trail` is None where there is no
    state directory. `problems` are sentences about what could not be found out.
    """

    made: datetime
    tool: str
    places: tuple[Place, ...] = ()
    imports: tuple[Import, ...] = ()
    has_more: bool = False
    months: tuple[Month, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    trail: Trail | None = None
    policy_version: int | None = None
    endings: tuple[Ending, ...] = ()
    drift: tuple[DriftCheck, ...] = ()
    logins: tuple[Login, ...] = ()
    store: Store | None = None
    problems: tuple[str, ...] = ()
