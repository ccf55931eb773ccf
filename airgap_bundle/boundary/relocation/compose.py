"""Compose: `compose.airgap.yaml`, an override with the `image` of each service, pinned by digest.

Which service asks for which image is known where the manifest named the Compose file. Compose has no rule for images
without their service: those stand in a comment.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from airgap_bundle.boundary.relocation.output import Made, Output, Unplaced, header
from airgap_bundle.manifest import yamlout

if TYPE_CHECKING:
    from airgap_bundle.boundary.relocation.moves import Moved, Moves

PATH = "compose.airgap.yaml"
# Whoever has more of them has another way for them.
_MOST_NOTES = 50
_USE = "docker compose -f {} -f compose.airgap.yaml up"


def compose(moves: Moves) -> Output:
    """The file, where any service is known. Two services of one name that want different images have no place."""
    wanted: dict[str, dict[str, tuple[str, Moved]]] = {}
    for one in moves.images:
        for file, service in one.services:
            wanted.setdefault(service, {})[one.pinned] = (file, one)
    services = {}
    unplaced = []
    for service, choices in sorted(wanted.items()):
        if len(choices) == 1:
            services[service] = {"image": next(iter(choices))}
        else:
            several = ", ".join(sorted({file for file, _ in choices.values()}))
            unplaced.append(
                Unplaced(what=f"service {service}", why=f"it is another image in each of several files ({several})")
            )
    if not services:
        return Output(unplaced=tuple(unplaced))
    files = sorted({file for choices in wanted.values() for file, _ in choices.values()})
    notes = [f"for {', '.join(files)}"]
    elsewhere = moves.named_by_charts
    lone = [one for one in moves.images if not one.services and str(one.source) not in elsewhere]
    notes += [f"no service is known for {one.source}: {one.pinned}" for one in lone[:_MOST_NOTES]]
    notes += [f"nor for {len(lone) - _MOST_NOTES} more"] if len(lone) > _MOST_NOTES else []
    data = (header(moves.receipts, notes) + yamlout.dump({"services": services})).encode()
    use = _USE.format(shlex.quote(files[0]) if len(files) == 1 else "compose.yaml")
    return Output(files=(Made(path=PATH, data=data),), unplaced=tuple(unplaced), use=use)
