"""From what a bundle says of itself to a bill of materials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle import __version__
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Reference
from airgap_bundle.output.bill import Bill, Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.bundle.inventory import Item
    from airgap_bundle.core.content import Descriptor
    from airgap_bundle.transfer.inspection import Inspection


def bill_of(found: Inspection) -> Bill:
    """A part for each item, and for each file instead of the artifact that the files travel in."""
    inventory = found.unverified_inventory
    return Bill(
        name=inventory.name,
        version=inventory.version,
        bundle_id=found.bundle_id,
        created=inventory.created,
        tool_version=__version__,
        verified=False,
        parts=(*_parts(inventory.items), *(_file(name, layer) for name, layer in found.unverified_files)),
    )


def _parts(items: tuple[Item, ...]) -> Iterator[Part]:
    for item in items:
        if item.kind == "files":
            continue
        yield Part(
            kind=item.kind,
            source=item.source,
            reference=_reference(item.source),
            version=item.tag,
            path=f"{item.path}:{item.tag}" if item.tag else item.path,
            digest=item.digest,
            size=item.size,
            media_type=item.media_type,
            platforms=item.platforms,
            subject=item.subject,
            verdicts=item.upstream,
        )


def _file(name: str, layer: Descriptor) -> Part:
    return Part(kind="file", source=name, path=name, digest=layer.digest, size=layer.size, media_type=layer.media_type)


def _reference(source: str) -> Reference | None:
    """Items from registries have their reference in full; what else looks like one (a path) would be completed."""
    try:
        reference = Reference.parse(source)
    except InvalidValueError:
        return None
    return reference if str(reference) == source else None
