"""Moments as the documents of the inside write them: RFC 3339, always UTC, one spelling for each.

Nothing here asks what time it is; moments come in as arguments.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from airgap_bundle.core.errors import InvalidValueError

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z")


def check_moment(moment: datetime) -> datetime:
    """`moment` if it says that it is UTC, else `InvalidValueError`: a naive one would mean something else elsewhere."""
    if moment.utcoffset() != timedelta(0):
        raise InvalidValueError(f"not a moment in UTC: {moment.isoformat()}")
    return moment


def moment_text(moment: datetime) -> str:
    """`2026-11-22T13:13:23Z`, with six more digits where there are microseconds."""
    return check_moment(moment).astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def parse_moment(text: str) -> datetime:
    """What `moment_text` wrote; any other spelling raises `InvalidValueError`."""
    if _MOMENT.fullmatch(text) is None:
        raise InvalidValueError(f"not a moment in UTC: {text[:80]!r}")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidValueError(f"no such moment: {text[:80]!r}") from error
    if moment_text(moment) != text:
        raise InvalidValueError(f"not the one spelling of this moment: {text[:80]!r}")
    return moment
