"""Which tags a rollback moves, and which it leaves alone. Decides without I/O; the ledger's words come as values.

A tag goes back only where it still names what the product put there. What somebody else has moved since stays, and
what another product says of a tag counts more than an older word of this one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.receipt import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airgap_bundle.boundary.ledger.standing import Claim
    from airgap_bundle.boundary.ledger.values import Begun, TagMove
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.core.content import Descriptor, Digest

# A repository below DEST, and a tag in it.
Name = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What to go back to: a receipt and its number in the ledger; None and 0 for before the first import.

    `before` is what was under tags that came later, by the receipts that moved them; `older` whose word that was, where
    it was an older import of the same product.
    """

    receipt: Receipt | None
    number: int
    before: Mapping[Name, Digest | None] = field(default_factory=dict)
    older: Mapping[Name, Claim] = field(default_factory=dict)

    def tags(self) -> dict[Name, Digest]:
        """The tags of the receipt itself."""
        return tags_of(self.receipt) if self.receipt else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class TagBack:
    """A tag that goes from `now` (None: it is not there) to `to` (None: its name is removed)."""

    path: str
    tag: str
    now: Descriptor | None
    to: Digest | None

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return (self.now.digest if self.now else None) != self.to


@dataclass(frozen=True, kw_only=True, slots=True)
class TagLeft:
    """A tag that is not touched, and why."""

    path: str
    tag: str
    now: Digest | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackPlan:
    """Everything that a rollback will do. `claims` and `gone` are what the ledger will say of the product's tags."""

    product: str
    destination: str
    current: Receipt | None
    target: Receipt | None
    moves: tuple[TagBack, ...]
    left: tuple[TagLeft, ...]
    claims: tuple[Claim, ...]
    gone: tuple[Name, ...]
    unfinished: tuple[Begun, ...] = ()

    @property
    def is_needed(self) -> bool:
        """Whether it would change a tag, or what the ledger says."""
        if self.unfinished or any(move.changes for move in self.moves):
            return True
        return (self.current.id if self.current else "") != (self.target.id if self.target else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What the ledger says of the tags that a rollback could touch.

    `own` are the product's claims, `others` the newest of another product on the same names, `pending` the moves of
    operations that did not end.
    """

    own: Mapping[Name, Claim]
    others: Mapping[Name, Claim]
    pending: Mapping[Name, tuple[TagMove, ...]]


def sort_words(product: str, claims: Iterable[Claim], moves: Iterable[TagMove]) -> Words:
    """Claims (newest first for each name) and pending moves, by name."""
    own: dict[Name, Claim] = {}
    others: dict[Name, Claim] = {}
    for claim in claims:
        (own if claim.product == product else others).setdefault((claim.path, claim.tag), claim)
    pending: dict[Name, tuple[TagMove, ...]] = {}
    for move in moves:
        pending[move.path, move.tag] = (*pending.get((move.path, move.tag), ()), move)
    return Words(own=own, others=others, pending=pending)


def tags_of(receipt: Receipt) -> dict[Name, Digest]:
    """The tags that a receipt says something of."""
    return {
        (item.path, item.tag): item.digest for item in receipt.items if item.tag and item.outcome is not Outcome.SKIPPED
    }


def touched_names(words: Words, target: Target) -> set[Name]:
    """Every tag that has to be looked at: those of the target, and those that came after it."""
    later = {name for name, claim in words.own.items() if claim.number > target.number}
    return later | set(target.tags()) | set(words.pending)


def decide_tags(
    words: Words, target: Target, heads: Mapping[Name, Descriptor]
) -> tuple[list[TagBack], list[TagLeft], list[Name]]:
    """What happens to each tag: those that go back (or are there already), those that are left, those forgotten.

    1. The target names it: that digest. Else what was there before, which may be nothing.
    2. Another product's word that is newer than the target's goes before.
    3. A tag that names neither that nor anything that this product put there was moved by somebody else: left.
    """
    moves: list[TagBack] = []
    left: list[TagLeft] = []
    gone: list[Name] = []
    of_target = target.tags()
    for name in sorted(touched_names(words, target)):
        path, tag = name
        # 1.
        to, number = _wished(name, words, target, of_target)
        if name not in of_target and name not in target.older:
            gone.append(name)
        # 2.
        other = words.others.get(name)
        if other is not None and other.number > number:
            to = other.digest
        now = heads.get(name)
        # 3.
        if now is None or now.digest == to or now.digest in _ours(name, words):
            moves.append(TagBack(path=path, tag=tag, now=now, to=to))
        else:
            whose = f"{other.product} has" if other is not None and other.digest == now.digest else "somebody else has"
            left.append(TagLeft(path=path, tag=tag, now=now.digest, reason=f"{whose} moved it since"))
    return moves, left, gone


def _wished(name: Name, words: Words, target: Target, of_target: Mapping[Name, Digest]) -> tuple[Digest | None, int]:
    """Where a tag should go by this product's own history, and the number of the receipt that says so."""
    if name in of_target:
        return of_target[name], target.number
    if name in target.older:
        return target.older[name].digest, target.older[name].number
    if name in target.before:
        return target.before[name], 0
    first, *_ = words.pending.get(name, (None,))
    return (first.previous if first else None), 0


def _ours(name: Name, words: Words) -> set[Digest]:
    """What this product has put there, by its last word or by something that did not end."""
    found = {move.digest for move in words.pending.get(name, ())}
    if name in words.own:
        found.add(words.own[name].digest)
    return found
