"""What `airgap-export` says: plans and results, for people and for machines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airgap_bundle.bundle.volumes.naming import volume_name
from airgap_bundle.cli.delta_text import (
    amount,
    base_lines,
    bases_record,
    delta_facts,
    delta_record,
    saving_text,
    show_delta_plan,
)
from airgap_bundle.cli.volume_text import volume_facts, volume_record
from airgap_bundle.core.text import size_text
from airgap_bundle.output.tables import closing_line, pairs, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.bundle.inventory import Inventory, Item
    from airgap_bundle.bundle.ordered import StreamFile
    from airgap_bundle.bundle.volumes.cutter import Placed
    from airgap_bundle.connected.cutting import Cut
    from airgap_bundle.connected.export import Built, ExportPlan
    from airgap_bundle.connected.signing import Signer
    from airgap_bundle.core.content import Digest
    from airgap_bundle.output.terminal import Terminal

_NOUNS = {"image": "image", "chart": "chart", "artifact": "artifact", "files": "set of files", "attached": "attachment"}


def count_items(inventory: Inventory) -> list[tuple[int, str]]:
    """How many of each kind, for a closing line."""
    counts = Counter(item.kind for item in inventory.items)
    return [(counts[kind], noun) for kind, noun in _NOUNS.items()]


def item_record(item: Item) -> dict[str, Any]:
    """One item for machines."""
    return {
        "kind": item.kind,
        "source": item.source,
        "path": item.path,
        "tag": item.tag,
        "digest": item.digest,
        "platforms": list(item.platforms),
        "subject": item.subject,
        "referrers": item.referrers or "all",
        "upstream": [dict(verdict) for verdict in item.upstream],
    }


def show_plan(plan: ExportPlan, terminal: Terminal, *, volumes: tuple[int, ...] = (), volume_bytes: int = 0) -> None:
    """What a build would write; `volumes` are the lengths of those that it would be cut into."""
    inventory = plan.inventory
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "product": inventory.name,
                "release": inventory.version,
                "bundleId": plan.bundle_id,
                "bundleBytes": plan.layout.total_bytes,
                "blobs": len(inventory.blobs),
                **volume_record(volumes),
                **delta_record(inventory),
                "bases": bases_record(plan.delta),
                "items": [
                    {**item_record(item), "leftOut": amount(missing)}
                    for item, missing in zip(inventory.items, plan.delta.left_out(plan.contents.entries), strict=True)
                ],
            }
        )
        return
    if plan.delta.bases:
        show_delta_plan(plan, terminal)
    else:
        rows = [(item.kind, item.source, ", ".join(item.platforms), item.digest) for item in inventory.items]
        terminal.show(table(("KIND", "SOURCE", "PLATFORMS", "DIGEST"), rows, width=terminal.width))
    terminal.show(
        closing_line(
            "Would write",
            f"{inventory.name} {inventory.version}",
            [*count_items(inventory), (len(inventory.blobs), "blob")],
            size=plan.layout.total_bytes,
        )
    )
    if plan.delta.assumed:
        terminal.show(saving_text(plan.delta))
    if volumes:
        terminal.show(pairs(volume_facts(volumes, volume_bytes), width=terminal.width))


def show_built(
    built: Built, out: Path | StreamFile, signers: Sequence[Signer], seconds: float, terminal: Terminal
) -> None:
    """What a build has written."""
    plan, inventory = built.plan, built.plan.inventory
    name = str(out) if isinstance(out, Path) else "standard output"
    if not signers and not built.unverified_signatures:
        terminal.warn(f"{name} is unsigned, and no import will take it: sign it with airgap-export sign, or --sign")
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "bundle": name,
                "bundleId": plan.bundle_id,
                "product": inventory.name,
                "release": inventory.version,
                "sequence": inventory.sequence,
                "bundleBytes": plan.layout.total_bytes,
                "volumes": built.volumes,
                "existed": built.existed,
                "resumedBytes": built.resumed_bytes,
                **delta_record(inventory),
                "signedBy": [signer.who for signer in signers],
                "items": [item_record(item) for item in inventory.items],
            }
        )
        return
    verb = "Already there:" if built.existed else "Wrote"
    say = terminal.show if isinstance(out, Path) else terminal.say
    say(closing_line(verb, name, count_items(inventory), size=plan.layout.total_bytes, seconds=seconds))
    # Never shortened: two people compare it. 78 columns.
    say(f"bundle {plan.bundle_id}")
    for line in base_lines(inventory):
        say(line)
    facts = []
    if built.resumed_bytes:
        facts.append(("resumed", f"{size_text(built.resumed_bytes)} were there from an earlier run"))
    facts += delta_facts(inventory)
    if built.volumes:
        last = volume_name(Path(name).name, built.volumes)
        facts.append(
            ("volumes", f"{volume_name(Path(name).name, 1)} to {last[-3:]}; sha256sum -c {Path(name).name}.sha256")
        )
    facts += [("signed by", signer.who) for signer in signers]
    if facts:
        say(pairs(facts, width=terminal.width))


def show_cut(cut: Cut, seconds: float, terminal: Terminal) -> None:
    """The volumes of a cut, and where they are."""
    written = [one for one in cut.placed if not one.existed]
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "bundle": cut.name,
                "bundleId": cut.bundle_id,
                "bundleBytes": cut.total_bytes,
                "volumes": cut.count,
                "readBack": cut.is_read_back,
                "placed": [
                    {
                        "name": one.path.name,
                        "directory": str(one.directory),
                        "size": one.size,
                        "existed": one.existed,
                        "turn": one.turn,
                    }
                    for one in cut.placed
                ],
            }
        )
        return
    rows = [
        (one.path.name, size_text(one.size), _place(one, cut), "was there" if one.existed else "written")
        for one in cut.placed
    ]
    terminal.show(table(("VOLUME", "SIZE", "PLACE", ""), rows, width=terminal.width))
    size = sum(one.size for one in written)
    terminal.show(closing_line("Cut", cut.name, [(len(written), "volume")], size=size, seconds=seconds))
    terminal.show(f"bundle {cut.bundle_id}")


def _place(one: Placed, cut: Cut) -> str:
    """Where a volume lies; on which medium too, where several were in that place."""
    return f"{one.directory} (medium {one.turn})" if cut.placed[-1].turn > 1 else str(one.directory)


def show_signed(bundle: Path, added: Sequence[tuple[str, Path | None]], terminal: Terminal) -> None:
    """Where signatures went; for each by whom it is."""
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "bundle": str(bundle),
                "signatures": [
                    {"signer": who, "added": place is not None, "place": str(place or bundle)} for who, place in added
                ],
            }
        )
        return
    for who, place in added:
        if place is None:
            terminal.show(f"{who} had signed {bundle} before; nothing was changed")
        else:
            terminal.show(f"Signed {bundle} as {who}" + (f", beside it in {place}" if place != bundle else ""))


def show_inventory(file: Path, bundle_id: Digest, terminal: Terminal) -> None:
    """What is to be signed, and how its signature comes back."""
    if terminal.json:
        terminal.emit({"version": 1, "inventory": str(file), "bundleId": bundle_id})
        return
    terminal.show(f"Wrote {file}; sign these very bytes, then attach the signature with --attach")
    terminal.show(f"bundle {bundle_id}")


def show_trusted_root(instance: str, file: Path, digest: Digest, terminal: Terminal) -> None:
    """How a policy pins it."""
    if terminal.json:
        terminal.emit({"version": 1, "instance": instance, "trustedRoot": str(file), "sha256": digest.encoded})
        return
    terminal.show(f"Wrote {file}, the trusted root of {instance}; it belongs beside the policy that pins it:")
    terminal.show(f"trustedRoot: {{file: {file.name}, sha256: {digest.encoded}}}")
