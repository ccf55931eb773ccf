"""How long things of this package last: access tokens minutes, identities months."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from airgap_bundle.core.errors import InvalidValueError

# Long enough for a pull to get going, short enough that a revocation reaches registries that only check signatures.
DEFAULT_LIFE = timedelta(minutes=5)
# "A token should never be returned with less than 60 seconds to live" (Docker's token authentication, OAuth2).
MIN_LIFE = timedelta(minutes=1)
MAX_LIFE = timedelta(hours=1)
# A token that is handed out directly cannot be refreshed, so it may have to last for a whole job.
MAX_ONCE_LIFE = timedelta(hours=24)
# Long enough for a release, short enough that a forgotten one ends.
DEFAULT_IDENTITY_LIFE = timedelta(days=365)
_MAX_IDENTITY_LIFE = timedelta(days=3660)
_LIFE = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_life(text: str) -> timedelta:
    """`90s`, `5m`, `12h`, `90d` or `4w`; `0` is none at all. `InvalidValueError` otherwise."""
    if text == "0":
        return timedelta(0)
    match = _LIFE.fullmatch(text)
    if match is None:
        raise InvalidValueError(f"not a length of time: {text[:40]!r}; write 90s, 5m, 12h, 90d or 4w")
    return int(match[1]) * _UNITS[match[2]]


def parse_end(text: str, now: datetime) -> datetime:
    """When an identity ends: the end of a day (`2027-06-30`), or a length of time from `now` on (`90d`).

    Whole seconds, UTC. Raises `InvalidValueError` for what is over already, or further away than ten years.
    """
    if _DATE.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise InvalidValueError(f"no such day: {text}") from error
        end = datetime.combine(day, time(23, 59, 59), tzinfo=UTC)
    else:
        end = (now + parse_life(text)).replace(microsecond=0)
    if not timedelta(0) < end - now <= _MAX_IDENTITY_LIFE:
        raise InvalidValueError(f"{text} is not between now and ten years from now")
    return end


def life_text(life: timedelta) -> str:
    """The shortest way to write a life: `5m`, `90s`, `24h`."""
    seconds = int(life.total_seconds())
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
