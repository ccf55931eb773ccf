"""A receipt in short, read from its bytes.

Only what is shown is read: a ledger of a thousand receipts with thousands of layers each would take minutes otherwise.
The bytes come from the ledger, which has their digest, so they are what an import wrote.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.documents import MAX_RECEIPT_BYTES, dump_receipt
from airgap_bundle.boundary.receipts.receipt import Outcome
from airgap_bundle.core import strictjson
from airgap_bundle.core.fields import Fields
from airgap_bundle.core.inside_report import Import, Signature, Standing

if TYPE_CHECKING:
    from datetime import datetime

    from airgap_bundle.boundary.receipts.receipt import Receipt


def as_import(receipt: Receipt, standing: Standing) -> Import:
    """A receipt in short, with what it counts for."""
    return replace(read_import(dump_receipt(receipt)), standing=standing)


def read_import(raw: bytes) -> Import:
    """The receipt that these bytes spell, in short; `InvalidValueError` where they spell none.

    Its standing is what it says itself, which knows nothing of what came after it.
    """
    with Fields(strictjson.parse_object(raw, max_bytes=MAX_RECEIPT_BYTES)) as fields:
        held, partial = fields.flag("held"), fields.flag("partial")
        published, approvals = fields.inner("publication", _publication) if fields.has("publication") else (None, ())
        found = Import(
            receipt=fields.text("id"),
            product=fields.text("product"),
            release=fields.text("version"),
            destination=fields.text("destination"),
            bundle=fields.digest("bundle"),
            sequence=fields.number("sequence"),
            created=fields.moment("created"),
            finished=fields.moment("finished"),
            standing=Standing.HELD if held else Standing.PARTIAL if partial else Standing.EARLIER,
            signatures=fields.each("signers", _signature),
            items=sum(fields.each("items", _came_in)),
            bytes=sum(fields.each("content", _bytes)) if fields.has("content") else 0,
            bytes_sent=fields.inner("totals", _bytes_sent),
            policy_version=fields.inner("policy", _policy_version),
            expires=fields.moment("expires") if fields.has("expires") else None,
            published=published,
            approvals=approvals,
            promoted_from=fields.inner("promotion", _promoted_from) if fields.has("promotion") else "",
            overrides=fields.each("overrides", _override),
        )
        fields.forget()
        return found


def _signature(fields: Fields) -> Signature:
    return Signature(
        signer=fields.text("signer"), method=fields.text("method"), key=fields.text("key"), roles=fields.texts("roles")
    )


def _came_in(fields: Fields) -> bool:
    outcome = fields.text("outcome")
    fields.forget()
    return outcome != Outcome.SKIPPED


def _bytes(fields: Fields) -> int:
    found = sum(fields.number_map("blobs").values())
    fields.forget()
    return found


def _bytes_sent(fields: Fields) -> int:
    found = fields.number("bytesSent")
    fields.forget()
    return found


def _policy_version(fields: Fields) -> int:
    found = fields.number("version")
    fields.forget()
    return found


def _publication(fields: Fields) -> tuple[datetime | None, tuple[str, ...]]:
    found = fields.moment("at"), tuple(one.signer for one in fields.each("approvals", _signature))
    fields.forget()
    return found


def _promoted_from(fields: Fields) -> str:
    found = fields.text("destination")
    fields.forget()
    return found


def _override(fields: Fields) -> tuple[str, str]:
    found = fields.text("option"), fields.text("reason")
    fields.forget()
    return found
