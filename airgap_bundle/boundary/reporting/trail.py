"""The audit trail as a report shows it: whether it is whole, and what was refused."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from airgap_bundle.boundary.audit import trail as audit
from airgap_bundle.boundary.audit.record import parse_record
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.inside_report import Refusal, Trail

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from airgap_bundle.boundary.audit.record import AuditRecord
    from airgap_bundle.boundary.receipts.receipt import AuditHead

# Enough to see what is going on; the trail itself has all of them.
MAX_REFUSALS = 50
# A trail that somebody wrote anew is broken everywhere: the first places tell enough.
MAX_PROBLEMS = 20
# `dump_record` writes no spaces, and a quote within a value is escaped: this is the field and nothing else.
_OF_INTEREST = re.compile(rb'"event":"(?:refused|token-refused|[a-z-]+-stopped)"')
_TOKENS = "token-refused"
_REFUSED = "refused"


def read_trail(path: Path, heads: Iterable[AuditHead]) -> Trail:
    """Check the whole trail against what receipts say of it, and find what was refused.

    `HostError` where it cannot be read.
    """
    verdict = audit.verify(path, heads)
    newest: deque[AuditRecord] = deque(maxlen=MAX_REFUSALS)
    counts = {_REFUSED: 0, _TOKENS: 0, "stopped": 0}
    last = b""
    for line in audit.read_lines(path):
        last = line
        if _OF_INTEREST.search(line) is None or (record := _record(line)) is None:
            continue
        if record.event == _TOKENS:
            # Counted together within five minutes: `times` is how often it went on.
            counts[_TOKENS] += _times(record)
            continue
        counts[_REFUSED if record.event == _REFUSED else "stopped"] += 1
        newest.append(record)
    newest_record = _record(last)
    problems = verdict.problems[:MAX_PROBLEMS]
    if len(verdict.problems) > MAX_PROBLEMS:
        problems = (*problems, f"and {len(verdict.problems) - MAX_PROBLEMS} places more")
    return Trail(
        records=verdict.records,
        problems=problems,
        last=newest_record.time if newest_record is not None else None,
        refused=counts[_REFUSED],
        stopped=counts["stopped"],
        tokens_refused=counts[_TOKENS],
        refusals=tuple(_refusal(record) for record in reversed(newest)),
    )


def _record(line: bytes) -> AuditRecord | None:
    try:
        return parse_record(line)
    except InvalidValueError:
        # Not one of ours: `verify` has said so.
        return None


def _times(record: AuditRecord) -> int:
    text = record.details.get("times", "")
    return int(text) if text.isascii() and text.isdigit() else 1


def _refusal(record: AuditRecord) -> Refusal:
    details = record.details
    return Refusal(
        number=record.sequence,
        at=record.time,
        event=f"{details['command']} refused" if record.event == _REFUSED and "command" in details else record.event,
        product=record.product,
        destination=record.destination,
        code=details.get("code", ""),
        reason=details.get("reason", ""),
    )
