"""What a delta may leave out: blobs that bases say are inside.

A base is a receipt, holdings or an earlier bundle. It is a statement that nobody has proved: a wrong one makes the
bundle larger, or one that an import refuses, and nothing else, since the import asks the destination for every blob
that was left out. Values only; `transfer.base_files` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airgap_bundle.bundle.inventory import BlobEntry
    from airgap_bundle.core.content import Digest

# The documents that the inside writes and the outside builds against; `_type` in each of them.
RECEIPT_TYPE = "application/vnd.airgap-bundle.receipt.v1+json"
HOLDINGS_TYPE = "application/vnd.airgap-bundle.holdings.v1+json"


class BaseKind(StrEnum):
    """What a base is."""

    RECEIPT = "receipt"
    HOLDINGS = "holdings"
    BUNDLE = "bundle"


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierBundle:
    """A bundle that is said to have been imported."""

    bundle_id: Digest
    product: str
    version: str
    sequence: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What one place is said to hold, and the bundles that brought it.

    `destination` is "" for a bundle: wherever it was imported. `unlisted` are images that are there whole, by the
    digests of their top documents, where the blobs of them are not listed.
    """

    bundles: tuple[EarlierBundle, ...]
    blobs: Mapping[Digest, int] = field(repr=False)
    destination: str = ""
    unlisted: frozenset[Digest] = frozenset()

    def has(self, blob: BlobEntry) -> bool:
        """Whether it is said to hold this blob, of this size: another size is another blob or a lie."""
        return self.blobs.get(blob.digest) == blob.size


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """One base as it was read: nothing of it is proved. `name` is what the person called it."""

    kind: BaseKind
    name: str
    unverified_held: tuple[Held, ...]

    @property
    def bundles(self) -> tuple[EarlierBundle, ...]:
        """Every bundle that it speaks of, once."""
        return tuple(dict.fromkeys(bundle for held in self.unverified_held for bundle in held.bundles))

    @property
    def destinations(self) -> tuple[str, ...]:
        """Every destination that it speaks of."""
        return tuple(held.destination for held in self.unverified_held if held.destination)

    def listing(self, blobs_of: Callable[[frozenset[Digest]], Mapping[Digest, int]]) -> Base:
        """The same with the blobs of images that it names and does not list; `blobs_of` knows those of some."""
        return replace(
            self,
            unverified_held=tuple(
                replace(held, blobs={**held.blobs, **blobs_of(held.unlisted)}) if held.unlisted else held
                for held in self.unverified_held
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CommonGround:
    """What several bases say together: the same whatever their order.

    A blob may be left out where every destination that is spoken of holds it, or one of the bundles, so that the delta
    can be imported at each of them. Where some destinations have the product already, only those count: `set_aside` are
    the others.
    """

    destinations: tuple[str, ...]
    set_aside: tuple[str, ...]
    held: tuple[Held, ...] = field(repr=False)

    def has(self, blob: BlobEntry) -> bool:
        """Whether the inside is said to hold this blob, wherever the bundle goes."""
        places = {held.destination for held in self.held if held.has(blob)}
        return "" in places or (bool(self.destinations) and places.issuperset(self.destinations))

    def bundles_of(self, blobs: Iterable[BlobEntry]) -> tuple[Digest, ...]:
        """The bundles that are said to have brought any of these blobs."""
        wanted = tuple(blobs)
        found = {
            bundle.bundle_id for held in self.held if any(held.has(blob) for blob in wanted) for bundle in held.bundles
        }
        return tuple(sorted(found))


def find_common_ground(bases: Iterable[Base], product: str) -> CommonGround:
    """What these bases say together of what is inside, for a bundle of `product`."""
    held = [one for base in bases for one in base.unverified_held]
    named = {one.destination for one in held if one.destination}
    having = {one.destination for one in held if any(bundle.product == product for bundle in one.bundles)} & named
    counting = having or named
    return CommonGround(
        destinations=tuple(sorted(counting)),
        set_aside=tuple(sorted(named - counting)),
        held=tuple(one for one in held if not one.destination or one.destination in counting),
    )
