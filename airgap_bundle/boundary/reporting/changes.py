"""What the newest import of a product changed: its items against those of the receipt before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.receipt import Outcome
from airgap_bundle.boundary.reporting.summary import as_import
from airgap_bundle.core.inside_report import Change, Changed, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.lifecycle.overview import Place
    from airgap_bundle.boundary.receipts.receipt import Receipt

# Tags of one repository and the digest of each.
_Tags = dict[str, str]


def find_change(ledger: Ledger, place: Place) -> Change | None:
    """What is in effect against what was before it; None where there was nothing, or nothing is."""
    after = place.current
    before = ledger.get(after.previous) if after is not None and after.previous else None
    if after is None or before is None:
        return None
    old, new = _by_path(before), _by_path(after)
    changed = tuple(one for path in sorted(old.keys() | new.keys()) for one in _compare(path, old, new))
    same = sum(1 for path, tags in new.items() for tag, digest in tags.items() if old.get(path, {}).get(tag) == digest)
    return Change(
        before=as_import(before, Standing.EARLIER),
        after=as_import(after, Standing.CURRENT),
        changed=changed,
        same=same,
    )


def _by_path(receipt: Receipt) -> dict[str, _Tags]:
    found: dict[str, _Tags] = {}
    for item in receipt.items:
        if item.outcome is not Outcome.SKIPPED:
            found.setdefault(item.path, {})[item.tag] = item.digest
    return found


def _compare(path: str, old: dict[str, _Tags], new: dict[str, _Tags]) -> Iterator[Changed]:
    """Each tag of a repository that is new, gone, or names something else.

    One tag before and another one now is a step from the one to the other.
    """
    before, after = old.get(path, {}), new.get(path, {})
    gone, come = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    if len(gone) == len(come) == 1:
        yield Changed(path=path, before=gone[0] or before[gone[0]], after=come[0] or after[come[0]])
        gone, come = [], []
    for tag in gone:
        yield Changed(path=path, before=tag or before[tag], after="")
    for tag in come:
        yield Changed(path=path, before="", after=tag or after[tag])
    for tag in sorted(before.keys() & after.keys()):
        if before[tag] != after[tag]:
            name = f"{path}:{tag}" if tag else path
            yield Changed(path=name, before=before[tag], after=after[tag])
