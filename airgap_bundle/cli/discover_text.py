"""What `airgap-manifest discover` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.text import count_text, printable
from airgap_bundle.discovery.finds import Certainty
from airgap_bundle.output.tables import table

if TYPE_CHECKING:
    from airgap_bundle.discovery.finds import Discovery, Find
    from airgap_bundle.output.terminal import Terminal

_TITLES = {
    Certainty.RENDERED: "Deployed",
    Certainty.SWITCH: "Only with a switch, a profile, or listed by the author",
    Certainty.GUESS: "Guessed",
}
# Of an image that stands in forty places the first few tell enough; JSON has all.
_PLACES = 3


def show_discovery(found: Discovery, terminal: Terminal) -> None:
    """Images by certainty, what could not be resolved, and what would fail inside."""
    for remark in found.remarks:
        terminal.warn(remark)
    if terminal.json:
        terminal.emit(_record(found))
        return
    for certainty, title in _TITLES.items():
        finds = [find for find in found.finds if find.certainty is certainty]
        if finds:
            rows = [(find.image, _places(find)) for find in finds]
            terminal.show(f"{title}: {count_text(len(finds), 'image')}")
            terminal.show(table(("IMAGE", "FOUND"), rows, width=terminal.width, fold=True) + "\n")
    if found.unresolved:
        terminal.show(f"Not resolved: {count_text(len(found.unresolved), 'place')}")
        rows = [(one.where, one.message) for one in found.unresolved]
        terminal.show(table(("PLACE", "WHY"), rows, width=terminal.width, fold=True) + "\n")
    if found.risks:
        terminal.show(f"Would fail, or be missed, inside: {count_text(len(found.risks), 'place')}")
        risks = [(one.kind + ("" if one.certain else "?"), one.where, one.message) for one in found.risks]
        terminal.show(table(("KIND", "PLACE", "WHAT"), risks, width=terminal.width, fold=True) + "\n")
    if not found.finds:
        terminal.show("No images found")


def _places(find: Find) -> str:
    more = len(find.found) - _PLACES
    return "; ".join(find.found[:_PLACES]) + (f"; and {more} more" if more > 0 else "")


def _record(found: Discovery) -> dict[str, object]:
    return {
        "version": 1,
        "images": [
            {"image": find.image, "certainty": find.certainty, "found": list(find.found)} for find in found.finds
        ],
        "unresolved": [{"place": one.where, "message": one.message} for one in found.unresolved],
        "readiness": [
            {"kind": one.kind, "place": one.where, "message": one.message, "certain": one.certain}
            for one in found.risks
        ],
        "scannedOnly": found.scanned_only,
        "unread": [printable(file) for file in found.unread],
    }
