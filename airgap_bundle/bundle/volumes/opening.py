"""From what the person typed to a medium of volumes, where that is what they meant."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.bundle.beside import beside, read_directory
from airgap_bundle.bundle.layout import BLOCK_BYTES
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.volumes.complaints import missing
from airgap_bundle.bundle.volumes.finding import sets_in
from airgap_bundle.bundle.volumes.in_turn import InTurnMedium
from airgap_bundle.bundle.volumes.joined import JoinedMedium
from airgap_bundle.bundle.volumes.naming import parse_volume_name, table_name
from airgap_bundle.bundle.volumes.sources import MediaSupply
from airgap_bundle.bundle.volumes.supply import MediaPlaces
from airgap_bundle.bundle.volumes.witnesses import FIRST_BLOCK
from airgap_bundle.core.errors import AirgapError, BundleError, UsageError
from airgap_bundle.core.report import Remark, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.bundle.signatures import SignatureFile
    from airgap_bundle.bundle.volumes.finding import FoundVolumes

_TABLE_SUFFIX = table_name("")


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenVolumes:
    """The volumes of a bundle as a medium; `name` is the bundle's, `places` where they lie."""

    medium: JoinedMedium | InTurnMedium
    places: MediaPlaces

    def read_beside(self) -> tuple[SignatureFile, ...]:
        """The signatures in `NAME.signatures/` beside any volume, each once: unverified."""
        found = {
            (one.name, one.data): one
            for directory in self.places.directories()
            for one in read_directory(beside(directory / self.places.name))
        }
        return tuple(found.values())


def find_places(bundle: str, supply: MediaSupply) -> MediaPlaces | None:
    """Where the volumes lie that BUNDLE means: a volume, a directory, or the name that they have without a number.

    None where it is a bundle in one file, or nothing at all. `BundleError` where it could be several.
    """
    path = Path(bundle)
    waits = supply.wait_seconds > 0
    if path.is_dir() or (waits and not path.suffix and not path.exists()):
        return _of_directory(path, supply)
    parsed = parse_volume_name(path.name)
    if parsed is not None and not _is_whole(path):
        return MediaPlaces(parsed[0], (path.parent,), supply)
    name = path.name.removesuffix(_TABLE_SUFFIX)
    if name != path.name or not path.exists():
        places = MediaPlaces(name, (path.parent,), supply)
        if waits or name != path.name or places.find().files:
            return places
    return None


@contextmanager
def open_volumes(places: MediaPlaces) -> Iterator[OpenVolumes]:
    """Open the volumes: all of them where they are in reach, else one after another where somebody can be asked.

    `BundleError` names what is missing.
    """
    found = places.find()
    supply = places.supply
    for path in found.unreadable_tables:
        message = f"{path} is no table of volumes; nothing depends on it"
        supply.report(Remark(severity=Severity.WARNING, message=message))
    # Without anybody to wait for: what the table says of volumes behind the last is left to the signed inventory.
    lacking = found.missing() if supply.can_wait or not found.files else found.gaps()
    if lacking and not supply.can_wait:
        raise missing(places.name, found.missing())
    if lacking or (supply.can_wait and _may_go_on(found)):
        if lacking:
            which = "the other volumes" if found.files else "the volumes"
            supply.report(Remark(severity=Severity.NOTE, message=f"{which} of {places.name} are asked for in turn"))
        with closing(InTurnMedium(found, places)) as in_turn:
            yield OpenVolumes(medium=in_turn, places=places)
        return

    def warn(message: str) -> None:
        supply.report(Remark(severity=Severity.WARNING, message=message))

    with closing(JoinedMedium(found, warn)) as joined:
        yield OpenVolumes(medium=joined, places=places)


def _of_directory(directory: Path, supply: MediaSupply) -> MediaPlaces:
    names = {name.casefold(): name for name in sets_in(directory)}
    for other in supply.directories if not names else ():
        names |= {name.casefold(): name for name in sets_in(other)}
    if not names and supply.wait_seconds > 0:
        raise UsageError(
            "AB-USAGE-MEDIA",
            f"no volume is in {directory} yet, so it is not known what to wait for",
            hint="name the bundle without the number, as in DIR/acme-1.0.0.tar",
        )
    if not names:
        raise BundleError(
            "AB-BUNDLE-NOT-A-FILE",
            f"{directory} is not a regular file, and as a directory it holds no volumes",
            hint="pass a bundle, one of its volumes or their directory, or - for standard input",
        )
    if len(names) > 1:
        raise BundleError(
            "AB-VOLUME-SETS",
            f"{directory} holds volumes of {len(names)} bundles: {', '.join(sorted(names.values())[:5])}",
            hint="name one of them, such as the first volume of it",
        )
    return MediaPlaces(next(iter(names.values())), (directory,), supply)


def _is_whole(path: Path) -> bool:
    """Whether a file that is called like a volume is a bundle of its own: it begins as one, and no volume is near."""
    parsed = parse_volume_name(path.name)
    if parsed is None or parsed[1] == 1 or not path.is_file():
        return False
    siblings = [one for one in sets_in(path.parent) if one == parsed[0]]
    others = MediaPlaces(parsed[0], (path.parent,), MediaSupply()).find().files if siblings else {}
    if len(others) > 1:
        return False
    try:
        with closing(FileMedium(path)) as medium:
            block = bytearray(BLOCK_BYTES)
            return medium.read_at(0, memoryview(block)) == BLOCK_BYTES and bytes(block) == FIRST_BLOCK
    except AirgapError:
        return False


def _may_go_on(found: FoundVolumes) -> bool:
    """Whether more volumes could come behind those that are there: no table says, and the last is as long as any."""
    if found.unverified_tables:
        return False
    sizes = [found.files[number].stat().st_size for number in sorted(found.files)]
    return len(sizes) == 1 or sizes[-1] >= sizes[0]
