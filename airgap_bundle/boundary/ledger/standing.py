"""What counts now: the receipt that each product stands on at each destination, and what each says its tags name.

Part of the ledger. A complete import makes its own receipt the current one; going back makes an earlier one current
again, or none. Partial and held imports change nothing of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airgap_bundle.boundary.ledger.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A tag as a product put it. `number` is that of the receipt in the ledger: the highest claim to a tag counts."""

    path: str
    tag: str
    product: str
    digest: Digest
    number: int


class Standing:
    """What the ledger says is in effect. Writes belong within a transaction of the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def migrate(self) -> None:
        """For a ledger of version 1: the newest complete receipt of each product and destination is current."""
        self._database.write(
            "INSERT OR REPLACE INTO standing (product, destination, receipt)"
            " SELECT product, destination, id FROM receipts WHERE number IN"
            " (SELECT MAX(number) FROM receipts WHERE is_current AND NOT is_partial AND NOT is_held"
            " GROUP BY product, destination)"
        )

    def set_current(self, product: str, destination: str, receipt: str) -> None:
        """Let a receipt be the one in effect; "" where everything was undone."""
        self._database.write(
            "INSERT OR REPLACE INTO standing (product, destination, receipt) VALUES (?, ?, ?)",
            *(product, destination, receipt),
        )

    def current(self, product: str, destination: str) -> str:
        """The id of the receipt in effect, "" if there is none."""
        rows = self._database.rows(
            "SELECT receipt FROM standing WHERE product = ? AND destination = ?", product, destination
        )
        return rows[0][0] if rows else ""

    def number(self, receipt: str) -> int:
        """Where a receipt stands in the order of the ledger, 0 if it is not there."""
        rows = self._database.rows("SELECT number FROM receipts WHERE id = ? AND is_current", receipt)
        return rows[0][0] if rows else 0

    def documents(self) -> Iterator[bytes]:
        """Each receipt that holds, the newest first, as the bytes that were recorded: for whoever reads a part of many.

        Raises `HostError` where they are not what was put in.
        """
        # One query for each: an open one would keep imports from writing for as long as the caller takes.
        for (number,) in self._database.rows("SELECT number FROM receipts WHERE is_current ORDER BY number DESC"):
            for raw, sha256 in self._database.rows("SELECT raw, sha256 FROM receipts WHERE number = ?", number):
                if hashlib.sha256(raw).hexdigest() != sha256:
                    raise self._database.damaged("a receipt in it was changed")
                yield raw

    def waiting(self, product: str, destination: str) -> tuple[str, ...]:
        """The ids of held and partial receipts that are newer than the one in effect, the newest first."""
        rows = self._database.rows(
            "SELECT id FROM receipts WHERE product = ? AND destination = ? AND is_current AND (is_held OR is_partial)"
            " AND number > ? ORDER BY number DESC",
            *(product, destination, self.number(self.current(product, destination))),
        )
        return tuple(row[0] for row in rows)

    def claims(self, destination: str, product: str = "") -> tuple[Claim, ...]:
        """Every product's word on the tags of a destination, by name and the newest first.

        With `product` only on those tags that this product has a word on.
        """
        rows = self._database.rows(
            "SELECT path, tag, product, digest, receipt FROM tags AS word WHERE destination = ? AND (? = '' OR EXISTS"
            " (SELECT 1 FROM tags AS own WHERE own.destination = word.destination AND own.path = word.path"
            " AND own.tag = word.tag AND own.product = ?)) ORDER BY path, tag, receipt DESC",
            *(destination, product, product),
        )
        return tuple(
            Claim(path=path, tag=tag, product=name, digest=Digest(digest), number=number)
            for path, tag, name, digest, number in rows
        )

    def withdraw(self, destination: str, product: str, names: Iterable[tuple[str, str]]) -> None:
        """Forget that a product put these tags."""
        for path, tag in names:
            self._database.write(
                "DELETE FROM tags WHERE destination = ? AND path = ? AND tag = ? AND product = ?",
                *(destination, path, tag, product),
            )

    def claim(self, destination: str, claims: Iterable[Claim]) -> None:
        """Note what products say that tags name."""
        for one in claims:
            self._database.write(
                "INSERT OR REPLACE INTO tags (destination, path, tag, product, digest, receipt)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                *(destination, one.path, one.tag, one.product, one.digest, one.number),
            )

    def last_finished(self, product: str, destination: str) -> int:
        """The number of the last operation that ended as it should; later ones that did not end came after it."""
        rows = self._database.rows(
            "SELECT MAX(number) FROM imports WHERE product = ? AND destination = ? AND state = 'finished'",
            *(product, destination),
        )
        return rows[0][0] or 0
