"""Output for machines: one JSON document on standard output, in a versioned shape.

Whatever a name from outside holds, the document is valid JSON in ASCII, and one line of a log stays one line. The
shapes are their own: internal types change without changing them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, TextIO

from airgap_bundle.core.errors import DocumentError

if TYPE_CHECKING:
    from airgap_bundle.core.errors import AirgapError
    from airgap_bundle.core.report import Finding

# The version of every shape here. A new field is no new version; a changed or removed one is.
VERSION = 1


def emit(document: Mapping[str, object], stream: TextIO | None = None) -> None:
    """Write one document to standard output, or to `stream`: sorted keys, two spaces, a line feed at the end.

    `version` is added. Values may be text, numbers, booleans, None, enums, paths, times, and lists and mappings of
    them. Raises `TypeError` or `ValueError` for anything else, which is a bug of the caller, before a byte is written.
    """
    (stream or sys.stdout).write(encode(document))


def encode(document: Mapping[str, object]) -> str:
    """The text that `emit` writes."""
    if document.get("version", VERSION) != VERSION:
        raise ValueError("the version of a document is that of its shape")
    return json.dumps(_plain({"version": VERSION, **document}), sort_keys=True, indent=2, allow_nan=False) + "\n"


def finding_record(finding: Finding) -> dict[str, object]:
    """One finding, as every document holds it."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "path": finding.path,
        "hint": finding.hint,
    }


def error_record(error: AirgapError) -> dict[str, object]:
    """The document of a command that failed."""
    record: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "exit": error.exit_status,
    }
    if isinstance(error, DocumentError):
        record["findings"] = [finding_record(finding) for finding in error.findings]
    return {"error": record}


def _plain(value: object) -> object:
    """The same value in JSON's own types."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(_text(str(item)) for item in value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(item) for item in value]
    return _leaf(value)


def _leaf(value: object) -> str:
    if isinstance(value, PurePath):
        return _text(str(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key that is no text: {type(key).__name__}")
    return _text(key)


def _text(text: str) -> str:
    """The text, with lone surrogates (from names of files that are not UTF-8) written out.

    JSON's grammar lets them through as escapes, and then half of all readers refuse the whole document.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
