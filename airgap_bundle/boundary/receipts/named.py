"""RECEIPT on the command line: the id of a receipt of the ledger, or a file that holds exactly one of them.

Receipts are believed because the ledger has them, never because somebody brings a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.documents import MAX_RECEIPT_BYTES, dump_receipt, read_receipt
from airgap_bundle.core.errors import TrustError, UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.trust.files import read_file

if TYPE_CHECKING:
    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.receipts.receipt import Receipt


def find_receipt(ledger: Ledger, named: str) -> Receipt:
    """The receipt that is meant.

    `UsageError` where the ledger has no such id; `DocumentError` for a file that holds no receipt; `TrustError` for one
    whose receipt the ledger does not have, or has with other bytes.
    """
    held = ledger.get(named)
    if held is not None:
        return held
    path = Path(named)
    if not path.exists():
        raise UsageError(
            "AB-USAGE-RECEIPT",
            f"there is neither a receipt nor a file {printable(named[:160])}",
            hint="airgap-import status shows the ids; --state names the state directory",
        )
    raw = read_file(path, "receipt", max_bytes=MAX_RECEIPT_BYTES)
    given = read_receipt(raw, printable(named[:160]))
    held = ledger.get(given.id)
    if held is None:
        raise TrustError(
            "AB-RECEIPT-UNKNOWN",
            f"the ledger has no receipt {given.id}, so the file {path.name} is not believed",
            hint="use the state directory of the machine that imported it (--state)",
        )
    if dump_receipt(held) != raw:
        raise TrustError(
            "AB-RECEIPT-DIFFERS",
            f"the file {path.name} is not the receipt {held.id} that the ledger has: it is older, or was changed",
            hint="name the receipt by its id; the ledger's copy lies in receipts/ of the state directory",
        )
    return held
