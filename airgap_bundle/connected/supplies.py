"""Where each blob of a bundle is to be had: values only, made from the lock and carried out by `fetching`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FromRegistry:
    """A blob that a repository holds."""

    host: str
    repository: str


@dataclass(frozen=True, slots=True)
class FromArchive:
    """A blob in a file of another tool (`words.Origin`)."""

    origin: str


@dataclass(frozen=True, slots=True)
class FromFile:
    """A blob that is a file beside the manifest; `path` as the manifest has it."""

    path: str


@dataclass(frozen=True, slots=True)
class FromWeb:
    """A blob that stands at an address."""

    url: str


@dataclass(frozen=True, slots=True)
class FromDirectory:
    """A blob that is a packed directory beside the manifest; a chart is packed as Helm does it."""

    path: str
    is_chart: bool = False


@dataclass(frozen=True, slots=True)
class FromMemory:
    """A blob that is at hand: image documents, and what we make ourselves."""

    data: bytes = field(repr=False)


Supply = FromRegistry | FromArchive | FromFile | FromWeb | FromDirectory | FromMemory


def supply_name(supply: Supply) -> str:
    """What a person calls the place, for messages."""
    match supply:
        case FromRegistry(host, repository):
            return f"{host}/{repository}"
        case FromArchive(origin):
            return origin
        case FromFile(path) | FromDirectory(path):
            return path
        case FromWeb(url):
            return url
        case FromMemory():
            return "memory"
