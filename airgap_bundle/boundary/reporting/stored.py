"""What a served directory holds, by name: where there is no ledger beside it, that is all that can be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.inside_report import Store, Stored

if TYPE_CHECKING:
    from airgap_bundle.registry.directory import RegistryDirectory

# More than a page can be read for; the catalogue has all of them.
MAX_REPOSITORIES = 1000
MAX_TAGS = 10


def look_into(storage: RegistryDirectory) -> Store:
    """The first repositories by name, each with its first tags. Raises `HostError` for what the disk refuses."""
    names = storage.repositories()
    found = []
    for name in names[:MAX_REPOSITORIES]:
        tags = storage.tags(name)
        found.append(Stored(name=name, tags=tuple(tags[:MAX_TAGS]), tag_count=len(tags)))
    return Store(count=len(names), repositories=tuple(found), free_bytes=storage.contents.free_bytes())
