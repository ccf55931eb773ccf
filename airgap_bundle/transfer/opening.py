"""Opens what BUNDLE names, for every command that takes one: a file, volumes, `-` for standard input, or a URL."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.bundle.beside import read_beside, read_directory
from airgap_bundle.bundle.media import FileMedium, standard_input
from airgap_bundle.bundle.volumes.naming import is_of_volumes
from airgap_bundle.bundle.volumes.sources import MediaSupply
from airgap_bundle.core.errors import UsageError
from airgap_bundle.transfer.remote.spelling import is_address, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airgap_bundle.bundle.media import Medium
    from airgap_bundle.bundle.signatures import SignatureFile
    from airgap_bundle.transfer.access import Access

STANDARD_INPUT = "-"


def nothing_beside() -> tuple[SignatureFile, ...]:
    """For what has no place beside it."""
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedBundle:
    """What a bundle is read from. `read_beside` reads the signatures that lie beside it, of equal worth: unverified."""

    medium: Medium
    read_beside: Callable[[], tuple[SignatureFile, ...]] = nothing_beside


@contextmanager
def open_bundle(
    bundle: str, access: Access | None = None, *, media: MediaSupply | None = None
) -> Iterator[OpenedBundle]:
    """Open what BUNDLE names, and let go of it at the end. Without `access` nothing on another machine is asked.

    `media` is where further volumes come from; `access` says so too.

    `UsageError` for what cannot be meant: nothing there, a terminal, a kind of address that is not read.
    """
    supply = media or (access.media if access is not None else MediaSupply())
    with _open(bundle, access, supply) as opened:
        if access is None or access.signatures is None:
            yield opened
        else:
            given = partial(read_directory, access.signatures, must_exist=True)
            yield OpenedBundle(medium=opened.medium, read_beside=lambda: (*opened.read_beside(), *given()))


@contextmanager
def _open(bundle: str, access: Access | None, supply: MediaSupply) -> Iterator[OpenedBundle]:
    is_elsewhere = bundle == STANDARD_INPUT or is_address(bundle)
    if is_elsewhere and access is not None and (access.media.directories or access.media.wait_seconds):
        raise UsageError(
            "AB-USAGE-MEDIA-ELSEWHERE",
            f"--media and --wait-media are about volumes on this machine, and the bundle comes from {shown(bundle)}",
            hint="leave them out; volumes are named by their directory, or by the bundle's name without the number",
        )
    if bundle == STANDARD_INPUT:
        yield OpenedBundle(medium=standard_input())
        return
    if is_address(bundle):
        if access is None:
            raise UsageError(
                "AB-USAGE-BUNDLE-URL",
                f"{shown(bundle)} is a URL, and this command reads bundles from files and standard input only",
                hint="fetch it first, or pipe it in behind -; airgap-import reads URLs",
            )
        from airgap_bundle.transfer.remote.opening import open_remote  # noqa: PLC0415 - files need no HTTP

        with open_remote(bundle, access) as remote:
            yield OpenedBundle(medium=remote)
        return
    path = Path(bundle)
    if is_of_volumes(path.name) or not path.is_file():
        from airgap_bundle.bundle.volumes.opening import find_places, open_volumes  # noqa: PLC0415 - most are one file

        places = find_places(bundle, supply)
        if places is not None:
            with open_volumes(places) as volumes:
                yield OpenedBundle(medium=volumes.medium, read_beside=volumes.read_beside)
            return
    with closing(FileMedium(path)) as medium:
        yield OpenedBundle(medium=medium, read_beside=lambda: read_beside(path))
