"""The ledger: every receipt, what has begun and not ended, who put which tag, and which policy a destination has.

The database is the truth: a receipt counts from the moment its transaction is durable. The file `receipts/<id>.json` is
a copy. An older copy is removed before the transaction ends and the new one written after it, so whatever a crash
leaves is at worst a missing file, which the next `open` writes. A file without an entry was put there by
somebody else and is not believed - except when the database is gone altogether: then it is built anew from the files,
so that losing it does not make old bundles new.

Moments are arguments. Every method raises `HostError` when the database cannot be used.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Self

from airgap_bundle.boundary.audit.redaction import without_secrets
from airgap_bundle.boundary.ledger.database import Database
from airgap_bundle.boundary.ledger.enrolment import Enrolment
from airgap_bundle.boundary.ledger.releases import accepted_by_destination, with_releases
from airgap_bundle.boundary.ledger.standing import Claim, Standing
from airgap_bundle.boundary.ledger.values import Begun, TagMove, TagOwner
from airgap_bundle.boundary.receipts.documents import dump_receipt, parse_receipt
from airgap_bundle.boundary.receipts.files import ReceiptFiles
from airgap_bundle.boundary.receipts.receipt import (
    AuditHead,
    Outcome,
    Receipt,
    check_destination,
    receipt_id,
)
from airgap_bundle.boundary.receipts.succession import TagKey, inheriting
from airgap_bundle.bundle.inventory import check_product
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.moments import moment_text, parse_moment
from airgap_bundle.core.text import printable
from airgap_bundle.trust.freshness import Accepted, high_water_mark

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from airgap_bundle.boundary.state import StateDirectory
    from airgap_bundle.trust.freshness import History

# A reason is a sentence, perhaps with the answer of a registry in it.
_MAX_REASON_CHARACTERS = 1000


class Ledger:
    """The open ledger; a context manager. For one thread; several processes may have it open.

    `remarks` has a sentence for everything that was not as it should be when it was opened; `policies` says which
    policy each destination is bound to, `standing` what counts now.
    """

    def __init__(self, state: StateDirectory) -> None:
        self._files = ReceiptFiles(path=state.receipts_path)
        self._database = Database(state.ledger_path)
        self.policies = Enrolment(self._database)
        self.standing = Standing(self._database)
        try:
            with self._database.writing():
                before = self._database.create()
                # Together: tables without the receipts beside them would be a ledger that has forgotten.
                rebuilt = list(self._rebuild()) if not before else []
                if before == 1:
                    self.standing.migrate()
            self.remarks = (*rebuilt, *self._mend())
        except BaseException:
            self._database.close()
            raise

    @classmethod
    def open(cls, state: StateDirectory) -> Self:
        """Open the ledger of a state directory, made if it is missing, and mend what a crash left."""
        return cls(state)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def begin(
        self, *, product: str, sequence: int, bundle_id: Digest, destination: str, at: datetime, kind: str = "push"
    ) -> Begun:
        """Note that an operation begins, before anything changes in the destination."""
        receipt = receipt_id(check_product(product), sequence, bundle_id, check_destination(destination))
        with self._database.writing():
            number = self._database.write(
                "INSERT INTO imports (receipt_id, product, destination, bundle_id, sequence, started, kind, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 'begun')",
                *(receipt, product, destination, bundle_id, sequence, moment_text(at), kind),
            )
        return Begun(
            number=number,
            receipt_id=receipt,
            product=product,
            destination=destination,
            bundle_id=bundle_id,
            sequence=sequence,
            started=at,
            kind=kind,
        )

    def intend(self, begun: Begun, moves: Iterable[TagMove]) -> None:
        """Note what is under the tags that are about to move; durable before the first of them does."""
        with self._database.writing():
            for move in moves:
                self._database.write(
                    "INSERT OR REPLACE INTO moves (import, path, tag, previous, digest) VALUES (?, ?, ?, ?, ?)",
                    *(begun.number, move.path, move.tag, move.previous or "", move.digest),
                )

    def intended(self, begun: Begun) -> tuple[TagMove, ...]:
        """What `intend` noted: what to put back, or to leave as what was there before, if this import was killed."""
        rows = self._database.rows(
            "SELECT path, tag, previous, digest FROM moves WHERE import = ? ORDER BY path, tag", begun.number
        )
        return tuple(
            TagMove(path=path, tag=tag, previous=Digest(previous) if previous else None, digest=Digest(digest))
            for path, tag, previous, digest in rows
        )

    def unfinished(self, product: str = "", destination: str = "") -> tuple[Begun, ...]:
        """Imports that began and did not end, oldest first; of one product or destination where that is given."""
        rows = self._database.rows(
            "SELECT number, receipt_id, product, destination, bundle_id, sequence, started, kind FROM imports"
            " WHERE state = 'begun' AND ? IN ('', product) AND ? IN ('', destination) ORDER BY number",
            *(product, destination),
        )
        return tuple(
            Begun(
                number=row[0],
                receipt_id=row[1],
                product=row[2],
                destination=row[3],
                bundle_id=Digest(row[4]),
                sequence=row[5],
                started=parse_moment(row[6]),
                kind=row[7],
            )
            for row in rows
        )

    def abandon(self, begun: Begun, *, at: datetime, reason: str) -> None:
        """Note that an import ended without a receipt, its tags back where they were."""
        with self._database.writing():
            self._database.write(
                "UPDATE imports SET state = 'abandoned', ended = ?, reason = ? WHERE number = ? AND state = 'begun'",
                *(moment_text(at), printable(without_secrets(reason))[:_MAX_REASON_CHARACTERS], begun.number),
            )

    def finish(self, begun: Begun, receipt: Receipt) -> Receipt:
        """Record the receipt of an import that is complete; earlier attempts at the same end with it. As `record`."""
        if receipt.id != begun.receipt_id:
            raise InvalidValueError(f"{receipt.id} is not the receipt of the import {begun.receipt_id}")
        return self.record(receipt)

    def reinstate(
        self,
        begun: Begun,
        receipt: Receipt | None,
        claims: Iterable[Claim],
        gone: Iterable[tuple[str, str]],
        *,
        at: datetime,
    ) -> None:
        """Note that a product went back to a receipt, or to nothing: its claims to tags, and those that are gone.

        What else of the product had not ended at that destination was undone with it.
        """
        product, destination = begun.product, begun.destination
        with self._database.writing():
            self.standing.withdraw(destination, product, gone)
            self.standing.claim(destination, claims)
            self.standing.set_current(product, destination, receipt.id if receipt else "")
            self._database.write(
                "UPDATE imports SET state = 'abandoned', ended = ?, reason = 'undone by a rollback'"
                " WHERE product = ? AND destination = ? AND state = 'begun' AND number <> ?",
                *(moment_text(at), product, destination, begun.number),
            )
            self._database.write(
                "UPDATE imports SET state = 'finished', ended = ? WHERE number = ?", moment_text(at), begun.number
            )

    def record(self, receipt: Receipt) -> Receipt:
        """Keep a receipt, in the ledger and then as a file. The receipt that holds now under its id.

        That is the one given, with what earlier runs of the same import knew of the tags before they moved them
        (`succession.inheriting`) - unless it is partial or held and a complete one is there: less never replaces more.
        What was replaced stays in the ledger; the very same receipt again changes nothing.
        """
        with self._database.writing():
            receipt = inheriting(receipt, self.get(receipt.id), self._moved(receipt.id))
            if self._insert(receipt, dump_receipt(receipt)):
                self._files.remove(receipt.id)
        holding = self.get(receipt.id) or receipt
        self._files.write(receipt.id, dump_receipt(holding), only_if_missing=True)
        return holding

    def get(self, receipt: str) -> Receipt | None:
        """The receipt of this id, None if there is none."""
        return self._one("SELECT raw, sha256 FROM receipts WHERE id = ? AND is_current", receipt)

    def current(self, product: str, destination: str) -> Receipt | None:
        """The receipt that is in effect for a product at a destination: complete, and not gone back from."""
        receipt = self.standing.current(product, destination)
        return self.get(receipt) if receipt else None

    def latest(self, product: str, destination: str) -> Receipt | None:
        """The receipt that was recorded last for a product at a destination, whatever kind of import it was."""
        return self._one(
            "SELECT raw, sha256 FROM receipts WHERE product = ? AND destination = ? AND is_current"
            " ORDER BY number DESC LIMIT 1",
            *(product, destination),
        )

    def receipts(self, product: str = "", destination: str = "") -> Iterator[Receipt]:
        """All receipts that hold, newest first; of one product or destination where that is given."""
        # One query for each: an open one would keep other imports from writing for as long as the caller takes.
        for (number,) in self._database.rows(
            "SELECT number FROM receipts WHERE is_current AND ? IN ('', product) AND ? IN ('', destination)"
            " ORDER BY number DESC",
            *(product, destination),
        ):
            receipt = self._one("SELECT raw, sha256 FROM receipts WHERE number = ?", number)
            if receipt is not None:
                yield receipt

    def places(self) -> tuple[tuple[str, str], ...]:
        """Each product with each destination that it was imported to."""
        rows = self._database.rows("SELECT DISTINCT product, destination FROM receipts ORDER BY product, destination")
        return tuple((product, destination) for product, destination in rows)

    def knows(self, bundle_id: Digest) -> bool:
        """Whether a bundle was imported by this machine before, to any destination."""
        return bool(self._database.rows("SELECT 1 FROM receipts WHERE bundle_id = ? LIMIT 1", bundle_id))

    def receipt_of(self, bundle_id: Digest, destination: str) -> str:
        """The id of the receipt of a bundle at a destination; "" where it was not imported there."""
        query = "SELECT id FROM receipts WHERE bundle_id = ? AND destination = ? ORDER BY number DESC LIMIT 1"
        return next((row[0] for row in self._database.rows(query, bundle_id, destination)), "")

    def history(
        self,
        product: str,
        destination: str,
        revoked: Collection[Digest] = frozenset(),
        *,
        in_destination: Iterable[Receipt] = (),
    ) -> History:
        """What a new bundle is measured against: the ledger's own receipts, and those that DEST keeps.

        Partial imports and revoked bundles do not raise the mark; held ones do. Receipts of DEST for another product or
        destination are passed over. They can only raise the mark; where there are some and the ledger has none for this
        destination, the history is not adopted.
        """
        kept = [one for one in in_destination if (one.product, one.destination) == (product, destination)]
        ours = with_releases(
            self.accepted(product, destination),
            revoked,
            lambda one: self.get(receipt_id(product, one.sequence, one.bundle_id, destination)),
        )
        is_known = self._database.rows("SELECT 1 FROM receipts WHERE destination = ? LIMIT 1", destination)
        return high_water_mark(
            [*ours, *accepted_by_destination(kept)],
            revoked,
            newest_created=self._newest_created(revoked),
            is_adopted=bool(is_known) or not kept,
        )

    def accepted(self, product: str, destination: str) -> tuple[Accepted, ...]:
        """The bundles of a product that came to a destination other than in part, oldest sequence first."""
        rows = self._database.rows(
            "SELECT DISTINCT sequence, bundle_id, created FROM receipts"
            " WHERE product = ? AND destination = ? AND NOT is_partial ORDER BY sequence, bundle_id",
            *(product, destination),
        )
        return tuple(
            Accepted(bundle_id=Digest(bundle_id), sequence=sequence, created=parse_moment(created))
            for sequence, bundle_id, created in rows
        )

    def tag_owners(self, destination: str, path: str, tag: str) -> tuple[TagOwner, ...]:
        """The products that put this tag, the last one first; its digest is what the tag should point to."""
        rows = self._database.rows(
            "SELECT tags.product, digest, id FROM tags JOIN receipts ON number = receipt"
            " WHERE tags.destination = ? AND path = ? AND tag = ? ORDER BY receipt DESC",
            *(destination, path, tag),
        )
        return tuple(TagOwner(product=row[0], digest=Digest(row[1]), receipt_id=row[2]) for row in rows)

    def audit_heads(self) -> tuple[AuditHead, ...]:
        """The heads of the audit trail that receipts hold; `audit.verify` looks for them."""
        rows = self._database.rows("SELECT DISTINCT audit_records, audit_head FROM receipts ORDER BY audit_records")
        return tuple(AuditHead(records=records, digest=Digest(digest)) for records, digest in rows)

    def _moved(self, receipt: str) -> dict[TagKey, Digest | None]:
        """What imports with this receipt id found under the tags that they meant to move; the last one's word."""
        rows = self._database.rows(
            "SELECT path, tag, digest, previous FROM moves JOIN imports ON number = import"
            " WHERE receipt_id = ? AND previous <> digest AND kind <> 'rollback' ORDER BY number",
            receipt,
        )
        return {(row[0], row[1], Digest(row[2])): Digest(row[3]) if row[3] else None for row in rows}

    def _insert(self, receipt: Receipt, raw: bytes) -> bool:
        """Whether the receipt is now what holds under its id, and was not before."""
        sha256 = hashlib.sha256(raw).hexdigest()
        self._database.write(
            "UPDATE imports SET state = 'finished', ended = ?"
            " WHERE receipt_id = ? AND state = 'begun' AND kind <> 'rollback'",
            *(moment_text(receipt.finished), receipt.id),
        )
        held = self._database.rows(
            "SELECT sha256, NOT (is_partial OR is_held) FROM receipts WHERE id = ? AND is_current", receipt.id
        )
        if held and held[0][0] == sha256:
            return False
        is_current = not (held and held[0][1] and (receipt.partial or receipt.held))
        if is_current:
            self._database.write("UPDATE receipts SET is_current = 0 WHERE id = ? AND is_current", receipt.id)
        number = self._database.write(
            "INSERT INTO receipts (id, product, destination, bundle_id, sequence, created, is_partial, is_held,"
            " is_current, audit_records, audit_head, sha256, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(receipt.id, receipt.product, receipt.destination, receipt.bundle_id, receipt.sequence),
            *(moment_text(receipt.created), receipt.partial, receipt.held, is_current),
            *(receipt.audit.records, receipt.audit.digest, sha256, raw),
        )
        for item in receipt.items:
            if item.tag and item.outcome is not Outcome.SKIPPED and not receipt.held:
                self._database.write(
                    "INSERT OR REPLACE INTO tags (destination, path, tag, product, digest, receipt)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    *(receipt.destination, item.path, item.tag, receipt.product, item.digest, number),
                )
        if is_current and not (receipt.partial or receipt.held):
            self.standing.set_current(receipt.product, receipt.destination, receipt.id)
            # Every tag of the product has just been set: a rollback that was killed before has nothing left to do.
            self._database.write(
                "UPDATE imports SET state = 'abandoned', ended = ?, reason = 'imported anew'"
                " WHERE product = ? AND destination = ? AND kind = 'rollback' AND state = 'begun'",
                *(moment_text(receipt.finished), receipt.product, receipt.destination),
            )
        return is_current

    def _newest_created(self, revoked: Collection[Digest]) -> datetime | None:
        """The newest time of any bundle of any product: this machine's clock cannot be far behind it."""
        query = "SELECT created, bundle_id FROM receipts ORDER BY created DESC"
        return next(
            (parse_moment(text) for text, bundle_id in self._database.each(query) if Digest(bundle_id) not in revoked),
            None,
        )

    def _rebuild(self) -> Iterator[str]:
        """Fill an empty ledger from the receipts beside it, in the order of the times in them."""
        found = sorted(self._files.read_all(), key=lambda pair: (pair[0].finished, pair[0].id))
        for receipt, raw in found:
            self._insert(receipt, raw)
            self._database.write(
                "INSERT OR REPLACE INTO policies (destination, digest, version, since) VALUES (?, ?, ?, ?)",
                *(receipt.destination, receipt.policy.digest, receipt.policy.version, moment_text(receipt.started)),
            )
        if found:
            yield f"the ledger was missing and has been built anew from the receipts beside it ({len(found)})"

    def _mend(self) -> Iterator[str]:
        """Write the files that a crash left unwritten, and name those that have no entry."""
        names = self._files.ids()
        known = {row[0] for row in self._database.rows("SELECT id FROM receipts WHERE is_current")}
        for missing in sorted(known - names):
            receipt = self.get(missing)
            if receipt is not None:
                self._files.write(missing, dump_receipt(receipt), only_if_missing=True)
                yield f"the file of receipt {missing} was missing and has been written again"
        for foreign in sorted(names - known):
            yield f"receipts/{foreign}.json has no entry in the ledger and is not believed"

    def _one(self, query: str, *values: object) -> Receipt | None:
        rows = self._database.rows(query, *values)
        return self._believed(*rows[0]) if rows else None

    def _believed(self, raw: bytes, sha256: str) -> Receipt:
        """A receipt out of the database, if it is what was put in."""
        if hashlib.sha256(raw).hexdigest() != sha256:
            raise self._database.damaged("a receipt in it was changed")
        try:
            return parse_receipt(raw)
        except InvalidValueError as error:
            raise self._database.damaged(f"a receipt in it cannot be read: {error}") from error
