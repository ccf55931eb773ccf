"""What the lock inside a bundle says of where images are named: the values of charts, the services of Compose files.

The lock is a member that the signed inventory vouches for. It serves `relocate` alone, so one that cannot be read stops
no import: the receipt then says less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.services import Service
from airgap_bundle.core.errors import DocumentError, InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airgap_bundle.boundary.receipts.receipt import ReceiptItem
    from airgap_bundle.manifest.locked import LockedItem
    from airgap_bundle.manifest.settings import Setting

# As discovery writes the place of a Compose service: FILE:LINE:COLUMN (services.NAME), and perhaps a condition.
_SERVICE = re.compile(r"(?P<file>[^:]+)(?::[0-9]+){0,2} \(services\.(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\)(?:, .*)?")
_HOLDING = (b"\n    settings:\n", b" (services.")
# Kind and source name an item of a bundle.
_Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """What is known of one item."""

    settings: tuple[Setting, ...] = ()
    services: tuple[Service, ...] = ()


def named_in(lock_raw: bytes) -> Mapping[_Key, Named]:
    """What the lock says, by kind and source; nothing where it cannot be read."""
    if not any(mark in lock_raw for mark in _HOLDING):
        return {}
    from airgap_bundle.manifest.lock import parse_items  # noqa: PLC0415 - 15 ms, and locks of images alone hold none

    try:
        items = list(parse_items(lock_raw, "the lock", holding=_HOLDING))
    except DocumentError:
        return {}
    return {(item.kind, item.source): Named(settings=item.settings, services=_services(item)) for item in items}


def with_names(items: Iterable[ReceiptItem], named: Mapping[_Key, Named]) -> tuple[ReceiptItem, ...]:
    """The items of a receipt with what is known of them."""
    return tuple(
        replace(item, settings=found.settings, services=found.services)
        if (found := named.get((item.kind, item.source)))
        else item
        for item in items
    )


def names_of(items: Iterable[ReceiptItem]) -> Mapping[_Key, Named]:
    """What an earlier receipt says of its items, for one that is made from it."""
    return {(item.kind, item.source): Named(settings=item.settings, services=item.services) for item in items}


def _services(item: LockedItem) -> tuple[Service, ...]:
    found: set[Service] = set()
    for one in item.images:
        match = _SERVICE.fullmatch(one.found)
        if match is not None and item.kind == "image":
            try:
                found.add(Service(file=match["file"], name=match["name"]))
            except InvalidValueError:
                continue
    return tuple(sorted(found))
