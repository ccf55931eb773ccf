"""Opens what BUNDLE names, for every command that takes one: a file, or `-` for standard input."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.bundle.media import FileMedium, standard_input
from airgap_bundle.bundle.signing import read_beside
from airgap_bundle.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airgap_bundle.bundle.media import Medium
    from airgap_bundle.bundle.signatures import SignatureFile

STANDARD_INPUT = "-"
_SCHEMES = ("http://", "https://", "s3://")


def nothing_beside() -> tuple[SignatureFile, ...]:
    """For what has no place beside it."""
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedBundle:
    """What a bundle is read from. `read_beside` reads the signatures that lie beside it, of equal worth: unverified."""

    medium: Medium
    read_beside: Callable[[], tuple[SignatureFile, ...]] = nothing_beside


@contextmanager
def open_bundle(bundle: str) -> Iterator[OpenedBundle]:
    """Open what BUNDLE names, and let go of it at the end.

    `UsageError` for what cannot be meant: nothing there, a terminal, a kind of address that is not read.
    """
    if bundle == STANDARD_INPUT:
        yield OpenedBundle(medium=standard_input())
        return
    if bundle.startswith(_SCHEMES):
        raise UsageError(
            "AB-USAGE-BUNDLE-URL",
            f"{bundle} is a URL, and this version reads bundles from files and standard input only",
            hint="fetch it first, or pipe it in behind -",
        )
    path = Path(bundle)
    with closing(FileMedium(path)) as medium:
        yield OpenedBundle(medium=medium, read_beside=lambda: read_beside(path))
