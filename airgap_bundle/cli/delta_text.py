"""What the commands say about deltas: what was left out, on whose word, and that nobody has proved it yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airgap_bundle.core.text import count_text, printable, size_text
from airgap_bundle.output.tables import pairs, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.bundle.inventory import BlobEntry, Inventory
    from airgap_bundle.connected.delta import Delta
    from airgap_bundle.connected.export import ExportPlan
    from airgap_bundle.output.terminal import Terminal
    from airgap_bundle.transfer.bases import Base

# More bundles than a person compares: the rest is counted, and JSON has them all.
_SHOWN = 5


def amount(blobs: Iterable[BlobEntry]) -> dict[str, int]:
    """Some blobs, for machines."""
    sizes = [blob.size for blob in blobs]
    return {"blobs": len(sizes), "bytes": sum(sizes)}


def amount_text(blobs: Iterable[BlobEntry]) -> str:
    """Some blobs, for people: `3 blobs, 12.0 MB`."""
    found = amount(blobs)
    return f"{count_text(found['blobs'], 'blob')}, {size_text(found['bytes'])}" if found["blobs"] else "-"


def delta_record(inventory: Inventory) -> dict[str, Any]:
    """What a bundle says that it leaves out, for machines."""
    return {"base": list(inventory.base), "leftOut": amount(inventory.assumed)}


def delta_facts(inventory: Inventory) -> list[tuple[str, str]]:
    """What a bundle says that it leaves out, for people; nothing for a full one."""
    if not inventory.assumed:
        return []
    return [("leaves out", f"{amount_text(inventory.assumed)}, which its destination must hold")]


def base_lines(inventory: Inventory) -> list[str]:
    """The bundles that a delta builds on, for people: in full, 78 columns each, as they have to be found."""
    lines = [f"base   {one}" for one in inventory.base[:_SHOWN]]
    if len(inventory.base) > _SHOWN:
        lines.append(f"base   and {len(inventory.base) - _SHOWN} more; --format json has them all")
    return lines


def bases_record(delta: Delta) -> list[dict[str, Any]]:
    """What a delta was built against, for machines: the word of files that nobody has proved."""
    return [
        {
            "file": base.name,
            "kind": base.kind.value,
            "destinations": list(base.destinations),
            "bundles": [
                {"product": one.product, "release": one.version, "sequence": one.sequence, "bundleId": one.bundle_id}
                for one in base.bundles
            ],
        }
        for base in delta.bases
    ]


def show_delta_plan(plan: ExportPlan, terminal: Terminal) -> None:
    """Each item with what travels of it and what does not; then on whose word."""
    entries, delta = plan.contents.entries, plan.delta
    sizes = [
        {blob.digest: blob.size for document in documents for blob in (document.descriptor, *document.blobs)}
        for _, documents in entries
    ]
    rows = []
    for (item, _), whole, missing in zip(entries, sizes, delta.left_out(entries), strict=True):
        travels = sum(whole.values()) - sum(blob.size for blob in missing)
        rows.append((item.kind, item.source, size_text(travels), amount_text(missing)))
    terminal.show(table(("KIND", "SOURCE", "TRAVELS", "LEFT OUT"), rows, width=terminal.width, right=(2,)))
    facts = [("base", _base_text(base)) for base in delta.bases]
    terminal.show(pairs(facts, width=terminal.width))


def saving_text(delta: Delta) -> str:
    """What a delta saves, and that it is not proved: one sentence."""
    return f"Leaves out {amount_text(delta.assumed)}, as the bases say; the import proves that"


def _base_text(base: Base) -> str:
    names = ", ".join(f"{one.product} {one.version}" for one in base.bundles[:_SHOWN])
    if len(base.bundles) > _SHOWN:
        names += f" and {len(base.bundles) - _SHOWN} more"
    places = f" at {', '.join(base.destinations)}" if base.destinations else ""
    return f"{printable(base.name)} ({base.kind.value}): {names or 'nothing'}{places}"
