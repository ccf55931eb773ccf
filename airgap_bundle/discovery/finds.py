"""What discovery comes back with, as values.

A *sighting* is one place where one image is named; a *find* is the image with all its places. Texts may quote charts,
which are untrusted: whoever shows them escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from airgap_bundle.core.oci import Reference

# A place is a path, a line and a key; what is longer is somebody's joke.
_MAX_WHERE = 400


class Certainty(Enum):
    """How sure it is that the image will be asked for: as deployed, with a switch turned on, or only perhaps."""

    RENDERED = "rendered"
    SWITCH = "switch"
    GUESS = "guess"

    @property
    def rank(self) -> int:
        """0 for the surest."""
        return list(Certainty).index(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """One place that names one image. `where` is for people: file and line, and which key, argument or switch."""

    reference: Reference
    certainty: Certainty
    where: str

    def __post_init__(self) -> None:
        """Keep places short and free of characters that act."""
        object.__setattr__(self, "where", printable(self.where)[:_MAX_WHERE])


@dataclass(frozen=True, kw_only=True, slots=True)
class Unresolved:
    """Something that may hide images and could not be read to its end."""

    where: str
    message: str

    def __post_init__(self) -> None:
        """Keep texts short and free of characters that act."""
        object.__setattr__(self, "where", printable(self.where)[:_MAX_WHERE])
        object.__setattr__(self, "message", printable(self.message)[:_MAX_WHERE])


@dataclass(frozen=True, kw_only=True, slots=True)
class Risk:
    """Something that would fail inside although every image arrived.

    `kind` names what (`outside-host` …), `host` the host that it is about, if it is about one.
    """

    kind: str
    where: str
    message: str
    host: str = ""
    certain: bool = True

    def __post_init__(self) -> None:
        """Keep texts short and free of characters that act."""
        object.__setattr__(self, "where", printable(self.where)[:_MAX_WHERE])
        object.__setattr__(self, "message", printable(self.message)[:_MAX_WHERE])


@dataclass(frozen=True, kw_only=True, slots=True)
class Find:
    """An image by its full reference, the best certainty that any place gives it, and the places of that certainty."""

    image: str
    reference: Reference
    certainty: Certainty
    found: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """Everything that was found in one or several places. `remarks` is what the person should know about the search.

    `read` are the files and directories that a kustomization names and that were read, resolved; `unread` the files
    beside them that nobody looked into.
    """

    sightings: tuple[Sighting, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    risks: tuple[Risk, ...] = ()
    remarks: tuple[str, ...] = ()
    read: frozenset[Path] = frozenset()
    unread: tuple[str, ...] = ()
    # Whether a chart could only be scanned: guesses are all there is then.
    scanned_only: bool = field(default=False)

    @property
    def finds(self) -> tuple[Find, ...]:
        """The images, sorted by certainty and name."""
        by_image: dict[str, list[Sighting]] = {}
        for sighting in self.sightings:
            by_image.setdefault(str(sighting.reference), []).append(sighting)
        finds = []
        for image, sightings in by_image.items():
            best = min((one.certainty for one in sightings), key=lambda certainty: certainty.rank)
            found = dict.fromkeys(one.where for one in sightings if one.certainty is best)
            finds.append(
                Find(image=image, reference=sightings[0].reference, certainty=best, found=tuple(sorted(found)))
            )
        return tuple(sorted(finds, key=lambda find: (find.certainty.rank, find.image)))


def gathered(discoveries: Iterable[Discovery]) -> Discovery:
    """Several discoveries as one."""
    parts = list(discoveries)
    return Discovery(
        sightings=tuple(sighting for part in parts for sighting in part.sightings),
        unresolved=tuple(dict.fromkeys(one for part in parts for one in part.unresolved)),
        risks=tuple(dict.fromkeys(risk for part in parts for risk in part.risks)),
        remarks=tuple(dict.fromkeys(remark for part in parts for remark in part.remarks)),
        read=frozenset().union(*(part.read for part in parts)),
        unread=tuple(dict.fromkeys(file for part in parts for file in part.unread)),
        scanned_only=any(part.scanned_only for part in parts),
    )
