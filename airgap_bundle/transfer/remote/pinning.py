"""Whether an answer holds the bytes that were asked for, of the very file that was begun with.

Pure functions of headers. RFC 9110 sections 8.8 (validators), 13.1 (conditions) and 14.4 (Content-Range).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.content import MAX_SIZE_BYTES
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from airgap_bundle.registry.transport import Answer

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})", re.IGNORECASE)
# RFC 9110 section 8.8.3, without a weak one; 512 characters are more than any server writes.
_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]{0,512}"')
_DATE = re.compile(r"[A-Za-z0-9,: -]{1,64}")


class ChangedError(InvalidValueError):
    """The server has another file there than the one that was begun with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pinned:
    """The file that was begun with: its length, and how the server tells it from its successor, if it does."""

    size: int
    entity_tag: str = ""
    last_modified: str = ""

    @property
    def condition(self) -> dict[str, str]:
        """The header that makes a server refuse another file (412). Empty where it names its files in no way."""
        if self.entity_tag:
            return {"If-Match": self.entity_tag}
        return {"If-Unmodified-Since": self.last_modified} if self.last_modified else {}


def pin(answer: Answer, size: int) -> Pinned:
    """What the first answer says of the file. A weak tag stands for several files, so it is not taken."""
    tag, modified = answer.header("ETag"), answer.header("Last-Modified")
    return Pinned(
        size=size,
        entity_tag=tag if _STRONG_TAG.fullmatch(tag) else "",
        last_modified=modified if _DATE.fullmatch(modified) else "",
    )


def check_same(answer: Answer, pinned: Pinned) -> None:
    """`ChangedError` where a server that knows no conditions tells of another file."""
    found = pin(answer, pinned.size)
    if pinned.entity_tag and found.entity_tag and found.entity_tag != pinned.entity_tag:
        raise ChangedError("its ETag is another one now")
    if not pinned.entity_tag and found.last_modified and found.last_modified != pinned.last_modified:
        raise ChangedError("it was modified since")


def check_range(answer: Answer, start: int, end: int) -> int:
    """The length of the whole file, where the answer (206) holds the bytes from `start` up to `end` and says so.

    Up to the end of the file where that is shorter. `InvalidValueError` says what the answer holds instead.
    """
    text = answer.header("Content-Range")
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None:
        raise InvalidValueError(f"it does not say which bytes it sends (Content-Range: {text[:60]!r})")
    first, last, size = int(match[1]), int(match[2]), int(match[3])
    if size > MAX_SIZE_BYTES:
        raise InvalidValueError("it claims a length that no file can have")
    if (first, last) != (start, min(end, size) - 1):
        raise InvalidValueError(f"it was asked for the bytes {start} to {end - 1} and sends {first} to {last}")
    if answer.length not in {None, last + 1 - first}:
        raise InvalidValueError(f"it sends {answer.length} bytes where it promises {last + 1 - first}")
    return size
