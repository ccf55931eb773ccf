"""Receipts as a report shows them: each import with what it counts for now, and what is in effect at each place."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.receipt import Outcome
from airgap_bundle.boundary.reporting.changes import find_change
from airgap_bundle.boundary.reporting.summary import as_import, read_import
from airgap_bundle.core.inside_report import Import, Item, Month, Place, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.lifecycle.overview import Overview
    from airgap_bundle.boundary.receipts.receipt import ReceiptItem

# Twenty years of an import each week at one place; the ledger has the rest, and a page that lists them is read by none.
MAX_IMPORTS = 1000
MONTHS_SHOWN = 12


def look_through(ledger: Ledger, found: Overview) -> tuple[tuple[Import, ...], bool]:
    """Every receipt that holds, the newest first, `MAX_IMPORTS` at most; and whether there are earlier ones."""
    current = {(one.product, one.destination): one.current.id for one in found.places if one.current is not None}
    waiting = {one.id for place in found.places for one in (*place.held, *place.partial)}
    passed: set[tuple[str, str]] = set()
    imports: list[Import] = []
    for raw in itertools.islice(ledger.standing.documents(), MAX_IMPORTS + 1):
        if len(imports) == MAX_IMPORTS:
            return tuple(imports), True
        one = read_import(raw)
        place = (one.product, one.destination)
        standing = one.standing
        if one.receipt == current.get(place):
            passed.add(place)
            standing = Standing.CURRENT
        elif one.receipt not in waiting and standing is not Standing.PARTIAL:
            # Where everything was undone nothing is current, and all of it is newer than that.
            standing = Standing.EARLIER if place in passed else Standing.UNDONE
        imports.append(replace(one, standing=standing))
    return tuple(imports), False


def places(ledger: Ledger, found: Overview) -> tuple[Place, ...]:
    """What is in effect and what waits, by product and destination."""
    made = []
    for place in found.places:
        items = [item for item in place.current.items if item.outcome is not Outcome.SKIPPED] if place.current else []
        made.append(
            Place(
                product=place.product,
                destination=place.destination,
                current=as_import(place.current, Standing.CURRENT) if place.current else None,
                items=tuple(sorted(map(_item, items), key=lambda one: (one.kind != "image", one.kind, one.source))),
                hosts=_hosts(items),
                waiting=(
                    *(as_import(one, Standing.HELD) for one in place.held),
                    *(as_import(one, Standing.PARTIAL) for one in place.partial),
                ),
                change=find_change(ledger, place),
            )
        )
    return tuple(made)


def months(imports: Iterable[Import], now: str) -> tuple[Month, ...]:
    """The twelve months that end with `now` (`2026-11`), those without an import too."""
    counts: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    for one in imports:
        month = f"{one.finished:%Y-%m}"
        counts[month] += 1
        sent[month] += one.bytes_sent
    last = int(now[:4]) * 12 + int(now[5:7]) - 1
    names = [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(last - MONTHS_SHOWN + 1, last + 1)]
    return tuple(Month(month=name, imports=counts[name], bytes_sent=sent[name]) for name in names)


def _item(item: ReceiptItem) -> Item:
    return Item(
        kind=item.kind,
        source=item.source,
        path=item.path,
        tag=item.tag,
        digest=item.digest,
        attached=len(item.attached),
    )


def _hosts(items: Iterable[ReceiptItem]) -> tuple[tuple[str, int], ...]:
    """Hosts outside and how many items came from each, the most first. What has no host came from files."""
    counts = Counter(_host(item.source) for item in items)
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _host(source: str) -> str:
    host, slash, _ = source.removeprefix("oci://").removeprefix("https://").partition("/")
    return host if slash and ("." in host or ":" in host or host == "localhost") else "files"
