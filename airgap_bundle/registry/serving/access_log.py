"""One line for each answer: for people, or JSON for machines.

Everything that a client said is escaped and cut to a bounded length, so that no name can end a line, colour it, or
write it backwards.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from airgap_bundle.core.text import printable, size_text

if TYPE_CHECKING:
    from datetime import datetime

# A long name and a digest fit; the rest of a longer address says nothing more.
_MAX_TARGET_CHARACTERS = 400
_MAX_NAME_CHARACTERS = 64


class LogFormat(StrEnum):
    """What a line looks like."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """One request and what became of it. `method` and `target` are the client's words and may be empty."""

    at: datetime
    peer: str
    # Who it was found to be; empty for nobody in particular.
    caller: str
    method: str
    target: str
    # 0 where the connection ended before an answer.
    status: int
    received_bytes: int
    sent_bytes: int
    seconds: float


def log_line(answered: Answered, log_format: LogFormat = LogFormat.TEXT) -> str:
    """The line, without its end. ASCII where it is JSON."""
    at = answered.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    if log_format is LogFormat.JSON:
        return json.dumps(
            {
                "version": 1,
                "time": at,
                "peer": answered.peer,
                "user": _cut(answered.caller, _MAX_NAME_CHARACTERS),
                "method": _cut(answered.method, _MAX_NAME_CHARACTERS),
                "target": _cut(answered.target, _MAX_TARGET_CHARACTERS),
                "status": answered.status,
                "received": answered.received_bytes,
                "sent": answered.sent_bytes,
                "seconds": round(answered.seconds, 6),
            }
        )
    asked = f"{_word(answered.method, _MAX_NAME_CHARACTERS)} {_word(answered.target, _MAX_TARGET_CHARACTERS)}"
    caller = _word(answered.caller, _MAX_NAME_CHARACTERS)
    moved = f"{size_text(answered.received_bytes)} in, {size_text(answered.sent_bytes)} out"
    return f"{at} {answered.peer or '-'} {caller} {asked} {answered.status or '---'} {answered.seconds:.3f} s, {moved}"


def _word(text: str, longest: int) -> str:
    """One word, whatever the text is: a name with spaces must not look like two columns."""
    return printable(_cut(text, longest)).replace(" ", "\\x20") or "-"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
