"""The SQLite file under the ledger: opening, the schema, transactions, and errors as ours. The only door to sqlite3.

Rollback journal and `synchronous=EXTRA`: a commit is durable when it returns, directory entry included, and the ledger
is one file that can be copied; WAL would keep the last imports in a second one. An import commits a handful of times,
so the price does not show.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Any, Self

from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION = 2
# Other imports hold the database for milliseconds; this long only if the disk hangs.
_BUSY_SECONDS = 15.0
# "ABLG": what file(1) and the next version know it by.
_APPLICATION_ID = 0x41424C47
_PRAGMAS = ("journal_mode=DELETE", "synchronous=EXTRA", "fullfsync=ON", "foreign_keys=ON", "trusted_schema=OFF")
_SCHEMA = (
    # `raw` is the receipt, canonical; the columns are for finding it. is_current: what holds under its id.
    """CREATE TABLE receipts (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL, product TEXT NOT NULL, destination TEXT NOT NULL,
        bundle_id TEXT NOT NULL, sequence INTEGER NOT NULL, created TEXT NOT NULL, is_partial INTEGER NOT NULL,
        is_held INTEGER NOT NULL, is_current INTEGER NOT NULL, audit_records INTEGER NOT NULL,
        audit_head TEXT NOT NULL, sha256 TEXT NOT NULL, raw BLOB NOT NULL) STRICT""",
    "CREATE UNIQUE INDEX receipts_by_id ON receipts (id) WHERE is_current",
    "CREATE INDEX receipts_of_a_product ON receipts (product, destination, number)",
    "CREATE INDEX receipts_by_sequence ON receipts (product, destination, sequence)",
    "CREATE INDEX receipts_by_bundle ON receipts (bundle_id)",
    "CREATE INDEX receipts_by_time ON receipts (created, bundle_id)",
    "CREATE INDEX receipts_by_audit ON receipts (audit_records, audit_head)",
    # state: begun, finished, abandoned.
    """CREATE TABLE imports (
        number INTEGER PRIMARY KEY, receipt_id TEXT NOT NULL, product TEXT NOT NULL, destination TEXT NOT NULL,
        bundle_id TEXT NOT NULL, sequence INTEGER NOT NULL, started TEXT NOT NULL, state TEXT NOT NULL,
        ended TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '') STRICT""",
    "CREATE INDEX imports_of_a_receipt ON imports (receipt_id, state)",
    # What is under a tag before an import moves it; previous is '' where the tag is new.
    """CREATE TABLE moves (
        import INTEGER NOT NULL REFERENCES imports, path TEXT NOT NULL, tag TEXT NOT NULL, previous TEXT NOT NULL,
        digest TEXT NOT NULL, PRIMARY KEY (import, path, tag)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE tags (
        destination TEXT NOT NULL, path TEXT NOT NULL, tag TEXT NOT NULL, product TEXT NOT NULL, digest TEXT NOT NULL,
        receipt INTEGER NOT NULL REFERENCES receipts, PRIMARY KEY (destination, path, tag, product))
        STRICT, WITHOUT ROWID""",
    """CREATE TABLE policies (
        destination TEXT PRIMARY KEY, digest TEXT NOT NULL, version INTEGER NOT NULL, since TEXT NOT NULL)
        STRICT, WITHOUT ROWID""",
)
# What version 2 has more: what an operation does (push, publish, promote, rollback), and which receipt is in effect.
_SINCE_2 = (
    "ALTER TABLE imports ADD COLUMN kind TEXT NOT NULL DEFAULT 'push'",
    """CREATE TABLE standing (
        product TEXT NOT NULL, destination TEXT NOT NULL, receipt TEXT NOT NULL, PRIMARY KEY (product, destination))
        STRICT, WITHOUT ROWID""",
    "CREATE INDEX imports_by_state ON imports (state)",
    "CREATE INDEX tags_of_a_product ON tags (destination, product)",
)


class Database:
    """The open file. Every method raises `HostError` where SQLite cannot do what it is asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _translated(path):
            _make_private(path)
            self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                for pragma in _PRAGMAS:
                    self._connection.execute(f"PRAGMA {pragma}")
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def create(self) -> int:
        """Make the tables that are missing; the version that the file had, 0 if it was empty. Within `writing`.

        A file of a newer version, or of another program, raises `HostError`.
        """
        version, application = self.rows("PRAGMA user_version")[0][0], self.rows("PRAGMA application_id")[0][0]
        if version > SCHEMA_VERSION:
            raise HostError(
                "AB-LEDGER-NEWER",
                f"the ledger {self._path} was written by a newer version of this program (its format is {version},"
                f" this version knows {SCHEMA_VERSION})",
                hint="use the newer version of airgap-bundle on this machine",
            )
        if version == SCHEMA_VERSION and application == _APPLICATION_ID:
            return SCHEMA_VERSION
        is_older = version > 0 and application == _APPLICATION_ID
        if not is_older and (version or application or self.rows("SELECT 1 FROM sqlite_schema LIMIT 1")):
            raise _damaged(self._path, "it is a database of something else")
        for statement in _SINCE_2 if is_older else (*_SCHEMA, *_SINCE_2):
            self.write(statement)
        self.write(f"PRAGMA application_id = {_APPLICATION_ID}")
        self.write(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return int(version)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of what is written within, durable when the context ends, or nothing of it."""
        with _translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite ends a transaction itself where the disk is full.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def write(self, statement: str, *values: object) -> int:
        """Run a statement; the number of the row that it inserted, if it did."""
        with _translated(self._path):
            return self._connection.execute(statement, values).lastrowid or 0

    def rows(self, query: str, *values: object) -> list[Any]:
        """All rows of a query."""
        with _translated(self._path):
            return self._connection.execute(query, values).fetchall()

    def each(self, query: str, *values: object) -> Iterator[Any]:
        """The rows of a query, one after another."""
        with _translated(self._path), contextlib.closing(self._connection.execute(query, values)) as cursor:
            yield from cursor

    def damaged(self, what: str) -> HostError:
        """The error for content that this program did not write."""
        return _damaged(self._path, what)


def _make_private(path: Path) -> None:
    """SQLite would make the file as readable as the umask allows; it gives its journal the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(path, error) from error
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _translate(path: Path, error: sqlite3.Error) -> HostError:
    # The low byte is the kind, the others say more than is needed here.
    kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if kind in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return HostError(
            "AB-LEDGER-BUSY",
            f"the ledger {path} was in use by another process for more than {_BUSY_SECONDS:.0f} seconds",
            hint="run again; if it stays so, find the process that holds the file",
        )
    if kind in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}:
        return _unwritable(path, str(error))
    return _damaged(path, str(error))


def _unwritable(path: Path, why: str) -> HostError:
    return HostError(
        "AB-LEDGER-WRITE",
        f"the ledger {path} cannot be read or written: {why}",
        hint="make room, or repair owner and mode; what was recorded before is whole",
    )


def _damaged(path: Path, why: str) -> HostError:
    return HostError(
        "AB-LEDGER-DAMAGED",
        f"the ledger {path} is damaged: {why}",
        hint="put it back from a backup, or move it away: it is then built anew from the receipts beside it",
    )
