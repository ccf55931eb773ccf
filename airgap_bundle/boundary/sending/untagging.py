"""Removes names of tags: never what they name, which would take every other tag on it too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.registry.abilities import Registry

# A registry that does not let names be removed is no reason to stop; one that cannot be reached is.
_NOT_ALLOWED = frozenset(
    {
        "AB-REGISTRY-FORBIDDEN",
        "AB-REGISTRY-IMMUTABLE-TAG",
        "AB-REGISTRY-REFUSED",
        "AB-REGISTRY-UNAUTHORIZED",
        "AB-REGISTRY-UNSUPPORTED",
    }
)


def remove_tags(registry: Registry, names: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Remove each tag (repository, tag) that is there; the full names of those that the registry keeps."""
    return tuple(f"{repository}:{tag}" for repository, tag in names if not _is_removed(registry, repository, tag))


def _is_removed(registry: Registry, repository: str, tag: str) -> bool:
    try:
        if registry.delete_tag(repository, tag):
            return True
    except RegistryError as error:
        if error.code not in _NOT_ALLOWED:
            raise
    return registry.head_manifest(repository, tag) is None
