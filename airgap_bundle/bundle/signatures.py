"""The signature area: the one place of a bundle that changes after it was written.

It is `SIGNATURE_AREA_BYTES` long: signature members, then `airgap/reserved`, whose data are zeros up to the end. A
signature is added by writing into those zeros first and replacing one 512-byte header last, so a crash leaves the old
signatures or the new ones. FORMAT.md section 6. Opens nothing; what a signature is worth is decided in `trust`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.bundle.layout import (
    BLOCK_BYTES,
    RESERVED,
    SIGNATURE_AREA_BYTES,
    member_bytes,
    padding_of,
    parse_tar_header,
    tar_header,
)
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Sequence

# More people than any policy seen asks for; each signature costs a process to check.
MAX_SIGNATURES = 16
# A Sigstore bundle with certificate, log entry and timestamp is about 10 kB.
MAX_SIGNATURE_BYTES = 64 * 1024
PREFIX = "airgap/signatures/"

_FILE_NAME = re.compile(r"openpgp-(?:[0-9a-f]{40}|[0-9a-f]{64})\.sig|(?:keyless|key)-[0-9a-f]{16}\.sigstore\.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureFile:
    """One signature as it lies in a bundle or beside it: a file name that says of which kind, and its bytes."""

    name: str
    data: bytes

    def __post_init__(self) -> None:
        if _FILE_NAME.fullmatch(self.name) is None:
            raise InvalidValueError(f"not the name of a signature: {self.name[:100]!r}")
        if not 0 < len(self.data) <= MAX_SIGNATURE_BYTES:
            raise InvalidValueError(f"{self.name} has {len(self.data)} bytes; 1 to {MAX_SIGNATURE_BYTES} are allowed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """Bytes for one offset within the area. Each is flushed to the medium before the next one starts."""

    at: int
    data: bytes


def build_area(signatures: Sequence[SignatureFile]) -> bytes:
    """The whole area with these signatures in it; of two by the same key the first."""
    by_name: dict[str, SignatureFile] = {}
    for signature in signatures:
        by_name.setdefault(signature.name, signature)
    front = b"".join(member_bytes(PREFIX + name, signature.data) for name, signature in by_name.items())
    left = SIGNATURE_AREA_BYTES - len(front) - BLOCK_BYTES
    if left < 0 or len(by_name) > MAX_SIGNATURES:
        raise InvalidValueError("the signature area is full")
    return front + tar_header(RESERVED, left) + bytes(left)


def parse_area(area: bytes) -> tuple[SignatureFile, ...]:
    """The signatures of an area; `InvalidValueError` where it is not what this format writes.

    The reserved part holds zeros, or the left-overs of a signing that was interrupted (see `plan_addition`).
    """
    signatures, reserved_at = _scan(area)
    _leftover_bytes(area, reserved_at)
    return signatures


def plan_addition(area: bytes, signature: SignatureFile) -> tuple[Write, ...]:
    """The writes that add `signature`; none where one of that name is there already (the same key has signed).

    1. Left-overs of an interrupted signing are cleared: their data, then the header behind them.
    2. The header of what will be left of `airgap/reserved` goes to its place within the zeros.
    3. The data of the signature go in front of it.
    4. One header, the signature's own, replaces that of the old `airgap/reserved`.
    Up to step 4 a reader sees the old signatures, and from then on the new ones too. Sectors of 512 bytes are assumed
    to be written whole.
    """
    signatures, at = _scan(area)
    if any(present.name == signature.name for present in signatures):
        return ()
    if len(signatures) >= MAX_SIGNATURES:
        raise InvalidValueError(f"the signature area holds {MAX_SIGNATURES} signatures already")
    data_at = at + BLOCK_BYTES
    data = signature.data + bytes(padding_of(len(signature.data)))
    new_reserved_at = data_at + len(data)
    left = SIGNATURE_AREA_BYTES - new_reserved_at - BLOCK_BYTES
    if left < 0:
        raise InvalidValueError("the signature area is full")
    writes = []
    if leftover := _leftover_bytes(area, at):
        writes += [Write(at=data_at, data=bytes(leftover)), Write(at=data_at + leftover, data=bytes(BLOCK_BYTES))]
    return (
        *writes,
        Write(at=new_reserved_at, data=tar_header(RESERVED, left)),
        Write(at=data_at, data=data),
        Write(at=at, data=tar_header(PREFIX + signature.name, len(signature.data))),
    )


def _leftover_bytes(area: bytes, reserved_at: int) -> int:
    """How many bytes an interrupted signing left in the reserved part, its inner header not counted; 0 if none.

    They end with the header of the `airgap/reserved` that was to come, and zeros follow. Anything else is damage.
    """
    data_at = reserved_at + BLOCK_BYTES
    if area.endswith(bytes(len(area) - data_at)):
        return 0
    filled = len(area.rstrip(b"\0"))
    # The last block that is not empty, since the data of a signature may hold anything, even such a header.
    inner_at = (filled - 1) // BLOCK_BYTES * BLOCK_BYTES
    inner_end = inner_at + BLOCK_BYTES
    leftover = inner_at - data_at
    if not BLOCK_BYTES <= leftover <= MAX_SIGNATURE_BYTES:
        raise InvalidValueError("the reserved part of the signature area is not empty")
    if area[inner_at:inner_end] != tar_header(RESERVED, SIGNATURE_AREA_BYTES - inner_end):
        raise InvalidValueError("the reserved part of the signature area is not empty")
    return leftover


def _scan(area: bytes) -> tuple[tuple[SignatureFile, ...], int]:
    """The signatures, and the offset of the header of `airgap/reserved`."""
    if len(area) != SIGNATURE_AREA_BYTES:
        raise InvalidValueError("the signature area is cut short")
    signatures: list[SignatureFile] = []
    position = 0
    while True:
        name, size = parse_tar_header(area[position : position + BLOCK_BYTES])
        data_at = position + BLOCK_BYTES
        if name == RESERVED:
            if data_at + size != SIGNATURE_AREA_BYTES:
                raise InvalidValueError("the signature area does not end where it should")
            return tuple(signatures), position
        if not name.startswith(PREFIX):
            raise InvalidValueError(f"a member that is no signature stands in the signature area: {name[:100]!r}")
        if data_at + size + padding_of(size) + BLOCK_BYTES > SIGNATURE_AREA_BYTES:
            raise InvalidValueError("a signature is longer than the signature area")
        signature = SignatureFile(name=name.removeprefix(PREFIX), data=area[data_at : data_at + size])
        if any(present.name == signature.name for present in signatures):
            raise InvalidValueError(f"the signature {signature.name} stands there twice")
        signatures.append(signature)
        if len(signatures) > MAX_SIGNATURES:
            raise InvalidValueError(f"more than {MAX_SIGNATURES} signatures")
        position = data_at + size + padding_of(size)
        if area[data_at + size : position].strip(b"\0"):
            raise InvalidValueError(f"the padding behind {signature.name} is not empty")
