"""One record of the audit trail, as a value and as a line.

A line is the canonical JSON (RFC 8785) of the record and a line feed. Text is made printable and freed of credentials
when it is written, so a line can be shown as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.boundary.audit.redaction import REMOVED, is_delicate, without_secrets
from airgap_bundle.boundary.receipts.receipt import AuditHead
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.fields import Fields
from airgap_bundle.core.moments import check_moment, moment_text
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

AUDIT_TYPE = "application/vnd.airgap-bundle.audit.v1+json"
# An event with every detail that it has; lists belong into the receipt.
MAX_LINE_BYTES = 64 * 1024
MAX_DETAILS = 64
# 64 details of 600 characters stay below the limit of a line, unless nearly all of it has to be escaped.
_MAX_VALUE_CHARACTERS = 600
# Far more than is kept, and little enough to search for credentials in no time.
_MAX_LOOKED_AT_CHARACTERS = 4096
_EVENT = re.compile(r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
# A line as `dump_record` writes it. Possessive: one pass over any bytes.
_STRING = rb'"(?:[^"\\\x00-\x1f]|\\.)*+"'
_LINE = re.compile(
    rb'\{"_type":"%b","bundle":"(?:sha256:[0-9a-f]{64})?","destination":%b,'
    rb'"details":\{(?:"[A-Za-z][A-Za-z0-9_.-]{0,63}":%b(?:,(?="))?)*+\},"event":"[a-z][a-z0-9.-]*",'
    rb'"previous":"sha256:([0-9a-f]{64})","product":%b,"sequence":([1-9][0-9]{0,15}),'
    rb'"time":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?Z"\}\n'
    % (re.escape(AUDIT_TYPE.encode()), _STRING, _STRING, _STRING)
)
# What the first record has in place of the digest of a line before it.
ORIGIN = AuditHead(records=0, digest=Digest("sha256:" + "0" * 64))


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRecord:
    """One thing that happened. `previous` is the digest of the line before it; `details` are facts as text."""

    sequence: int
    previous: Digest
    time: datetime
    event: str
    product: str = ""
    bundle: Digest | None = None
    destination: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what could not be read again."""
        check_moment(self.time)
        if not 1 <= self.sequence <= strictjson.MAX_INTEGER:
            raise InvalidValueError(f"not the number of a record: {self.sequence}")
        if _EVENT.fullmatch(self.event) is None:
            raise InvalidValueError(f"not the name of an event: {self.event[:80]!r}")
        if len(self.details) > MAX_DETAILS or not all(_KEY.fullmatch(key) for key in self.details):
            raise InvalidValueError(f"details are at most {MAX_DETAILS} words with a value each")


def dump_record(record: AuditRecord) -> bytes:
    """The line of a record. Long values are cut, which shows by an ellipsis: better short than not written."""
    line = (
        strictjson.canonical(
            {
                "_type": AUDIT_TYPE,
                "sequence": record.sequence,
                "previous": record.previous,
                "time": moment_text(record.time),
                "event": record.event,
                "product": _text(record.product),
                "bundle": record.bundle or "",
                "destination": _text(record.destination),
                "details": {
                    key: REMOVED if is_delicate(key) and value else _text(value)
                    for key, value in record.details.items()
                },
            }
        )
        + b"\n"
    )
    if len(line) > MAX_LINE_BYTES:
        raise InvalidValueError(f"a record of {len(line)} bytes, more than the {MAX_LINE_BYTES} allowed")
    return line


def parse_record(line: bytes) -> AuditRecord:
    """The record that a line (with its line feed) spells; `InvalidValueError` for anything that is not one of ours."""
    if not line.endswith(b"\n"):
        raise InvalidValueError("the line has no end within its limit")
    with Fields(strictjson.parse_object(line[:-1], max_bytes=MAX_LINE_BYTES)) as fields:
        if (kind := fields.text("_type")) != AUDIT_TYPE:
            raise InvalidValueError(f"not a record of a version known here: {kind[:120]!r}")
        return AuditRecord(
            sequence=fields.number("sequence"),
            previous=fields.digest("previous"),
            time=fields.moment("time"),
            event=fields.text("event"),
            product=fields.text("product"),
            bundle=fields.digest_or_none("bundle"),
            destination=fields.text("destination"),
            details=fields.text_map("details"),
        )


def glance(line: bytes) -> tuple[int, str] | None:
    """Number and hexadecimal digest of a line that has the form of a record; None where it has to be looked at closely.

    Ten times as fast as reading it. For lines whose place in the chain says that they are what was written.
    """
    match = _LINE.fullmatch(line) if len(line) <= MAX_LINE_BYTES else None
    return (int(match[2]), match[1].decode()) if match is not None else None


def _text(text: str) -> str:
    if len(text) > _MAX_LOOKED_AT_CHARACTERS:
        # Without the last word: half an address does not show that it holds a password.
        text = text[:_MAX_LOOKED_AT_CHARACTERS].rpartition(" ")[0]
    text = printable(without_secrets(text))
    return text if len(text) <= _MAX_VALUE_CHARACTERS else text[: _MAX_VALUE_CHARACTERS - 1] + "…"
