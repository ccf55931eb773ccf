"""What a plan says of the volumes that a build would make."""

from __future__ import annotations

from typing import Any

from airgap_bundle.bundle.volumes.naming import medium_note
from airgap_bundle.core.text import size_text


def volume_record(sizes: tuple[int, ...]) -> dict[str, Any]:
    """Their number, 0 for one file that is not cut, and the length of each, for machines."""
    return {"volumes": len(sizes), "volumeSizes": list(sizes)}


def volume_facts(sizes: tuple[int, ...], volume_bytes: int) -> list[tuple[str, str]]:
    """How many there are of which length, and which medium that is for; nothing where nothing is cut."""
    if not sizes:
        return []
    note = medium_note(volume_bytes)
    limit = f" ({note})" if note else ""
    if len(sizes) == 1:
        return [("volumes", f"1, of {size_text(sizes[0])}; one takes {size_text(volume_bytes)}{limit}")]
    last = size_text(sizes[-1])
    return [("volumes", f"{len(sizes)}: {len(sizes) - 1} of {size_text(volume_bytes)}{limit}, and the last of {last}")]
