"""What `inspect` says. Every line of it comes from somebody who has not been believed yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.inventory import time_text
from airgap_bundle.cli.bills import bill_of
from airgap_bundle.cli.delta_text import base_lines, delta_facts, delta_record
from airgap_bundle.cli.export_text import count_items, item_record
from airgap_bundle.cli.upstream_text import has_verdicts, upstream_table
from airgap_bundle.core.text import size_text
from airgap_bundle.output import cyclonedx, spdx
from airgap_bundle.output.tables import closing_line, pairs, table

if TYPE_CHECKING:
    from airgap_bundle.output.terminal import Terminal
    from airgap_bundle.transfer.extraction import Extracted
    from airgap_bundle.transfer.inspection import Inspection

_BILLS = {"cyclonedx": cyclonedx.render, "spdx": spdx.render}


def show_inspection(found: Inspection, terminal: Terminal) -> None:
    """Contents, sizes and the names of signatures, marked as unverified."""
    inventory = found.unverified_inventory
    for name, why in found.extracted.left_out if found.extracted is not None else ():
        terminal.warn(f"{name} was not extracted: {why}")
    if terminal.output_format in _BILLS:
        terminal.write(_BILLS[terminal.output_format](bill_of(found)))
        return
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "bundle": found.name,
                "bundleId": found.bundle_id,
                "verified": False,
                "checked": found.checked,
                "product": inventory.name,
                "release": inventory.version,
                "audience": list(inventory.audience),
                "sequence": inventory.sequence,
                "created": time_text(inventory.created),
                "expires": time_text(inventory.expires) if inventory.expires else None,
                "bundleBytes": found.total_bytes,
                "blobs": len(inventory.blobs),
                **delta_record(inventory),
                "signatures": list(found.unverified_signatures),
                "items": [item_record(item) for item in inventory.items],
                "files": [
                    {"name": name, "digest": layer.digest, "size": layer.size} for name, layer in found.unverified_files
                ],
                "extracted": _extracted_record(found.extracted),
            }
        )
        return
    facts = [
        ("product", f"{inventory.name} {inventory.version}"),
        ("created", f"{time_text(inventory.created)}, sequence {inventory.sequence}"),
        ("expires", time_text(inventory.expires) if inventory.expires else "never by itself"),
        ("audience", ", ".join(inventory.audience) or "anybody"),
        ("size", f"{size_text(found.total_bytes)} in {len(inventory.blobs)} blobs"),
        *delta_facts(inventory),
        ("signatures", ", ".join(found.unverified_signatures) or "none: no import will take it"),
        ("content", "every byte is as the inventory says" if found.checked else "not read; --check reads it all"),
    ]
    terminal.show(f"bundle {found.bundle_id}")
    for line in base_lines(inventory):
        terminal.show(line)
    terminal.show(pairs(facts, width=terminal.width))
    rows = [(item.kind, item.source, ", ".join(item.platforms), item.digest) for item in inventory.items]
    rows += [("file", name, "", layer.digest) for name, layer in found.unverified_files]
    terminal.show("")
    terminal.show(table(("KIND", "SOURCE", "PLATFORMS", "DIGEST"), rows, width=terminal.width))
    if has_verdicts(inventory):
        terminal.show("")
        terminal.show(upstream_table(inventory, terminal.width))
    if found.extracted is not None:
        terminal.show("")
        terminal.show(f"extracted into {found.extracted.directory}, and verified no more than the rest:")
        for name in found.extracted.names:
            terminal.show(f"  {name}")
    terminal.show(closing_line("Not verified:", found.name, count_items(inventory)))


def _extracted_record(extracted: Extracted | None) -> dict[str, object] | None:
    if extracted is None:
        return None
    return {
        "directory": str(extracted.directory),
        "files": list(extracted.names),
        "leftOut": [{"name": name, "why": why} for name, why in extracted.left_out],
    }
