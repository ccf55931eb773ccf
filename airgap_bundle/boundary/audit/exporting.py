"""The audit trail for another system: its own lines as they are, or syslog messages (RFC 5424).

The lines are exported byte for byte, so that whoever keeps them can check the chain. A syslog message has the digest of
its line too. Nothing is left out because it is damaged: what is no record of ours comes as a message that says so.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

from airgap_bundle.boundary.audit.record import AuditRecord, parse_record
from airgap_bundle.boundary.audit.trail import read_lines
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.moments import moment_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# RFC 5424, 6.2.1: facility 13 is "log audit".
_FACILITY = 13
_WARNING, _NOTICE = 4, 5
_NAME = "airgap-import"
# Private enterprise numbers name whoever defines the fields; 32473 is the one that RFC 5612 keeps for examples.
_STRUCTURED_DATA = "airgap@32473"
_MAX_HOST, _MAX_MESSAGE_ID, _MAX_PARAMETER = 255, 32, 32
_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]")
# What happened without anybody wanting it.
_WARNINGS = re.compile(r"refused|.*-stopped|audit\.torn-line")


def export_lines(path: Path, *, after: int = 0) -> Iterator[bytes]:
    """Each finished line behind number `after`, with its line feed. `HostError` if the trail cannot be read."""
    for number, line in enumerate(read_lines(path), start=1):
        if number > after:
            yield line


def export_syslog(path: Path, host: str = "", *, after: int = 0) -> Iterator[bytes]:
    """Each line as a message of RFC 5424 and a line feed; `host` is this machine's name where none is given."""
    name = _NOT_PRINTABLE.sub("_", host or os.uname().nodename)[:_MAX_HOST] or "-"
    for number, line in enumerate(read_lines(path), start=1):
        if number > after:
            yield _message(line, number, name).encode() + b"\n"


def _message(line: bytes, number: int, host: str) -> str:
    sha256 = hashlib.sha256(line).hexdigest()
    try:
        record = parse_record(line)
    except InvalidValueError:
        fields = {"line": str(number), "sha256": sha256}
        return _syslog(_WARNING, "-", host, "damaged", fields, f"line {number} of the trail is not a record")
    severity = _WARNING if _WARNINGS.fullmatch(record.event) else _NOTICE
    fields = {
        "sequence": str(record.sequence),
        "previous": record.previous,
        "sha256": sha256,
        "product": record.product,
        "bundle": record.bundle or "",
        "destination": record.destination,
        **record.details,
    }
    return _syslog(severity, moment_text(record.time), host, record.event, fields, _sentence(record))


def _sentence(record: AuditRecord) -> str:
    about = f" {record.product}" if record.product else ""
    where = f" at {record.destination}" if record.destination else ""
    why = f": {record.details['reason']}" if "reason" in record.details else ""
    return f"{record.event}{about}{where}{why}"


def _syslog(severity: int, time: str, host: str, event: str, fields: Mapping[str, str], text: str) -> str:
    """HEADER, STRUCTURED-DATA and MSG, section 6; the mark in front of MSG says that it is UTF-8."""
    data = "".join(f' {_parameter(key)}="{_escaped(value)}"' for key, value in fields.items() if value)
    message_id = _NOT_PRINTABLE.sub("_", event)[:_MAX_MESSAGE_ID]
    header = f"<{_FACILITY * 8 + severity}>1 {time} {host} {_NAME} - {message_id}"
    return f"{header} [{_STRUCTURED_DATA}{data}] \ufeff{_one_line(text)}"


def _parameter(key: str) -> str:
    """A name of section 6.3.3: keys of ours have only letters, digits and `_.-`."""
    return _NOT_PRINTABLE.sub("_", key)[:_MAX_PARAMETER]


def _escaped(value: str) -> str:
    """A value of section 6.3.3: quote, backslash and closing bracket are escaped."""
    return re.sub(r'(["\\\]])', r"\\\1", _one_line(value))


def _one_line(text: str) -> str:
    # Records are printable already; a line feed would begin a message of somebody else's making.
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text)
