"""What can be wrong with a volume, as errors: one code for each, and always the name of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.volumes.naming import volume_name
from airgap_bundle.core.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Sequence

TWICE = "AB-VOLUME-TWICE"
SWAPPED = "AB-VOLUME-SWAPPED"
COPY_AGAIN = "copy that volume again from where the bundle was built, and compare it with sha256sum -c"
# A sentence with more names is not read; the rest is counted.
_MAX_NAMES = 5


def missing(name: str, numbers: Sequence[int], why: str = "") -> BundleError:
    """Some volumes are nowhere; `why` where more is known."""
    shown = ", ".join(volume_name(name, number) for number in numbers[:_MAX_NAMES])
    more = f" and {len(numbers) - _MAX_NAMES} more" if len(numbers) > _MAX_NAMES else ""
    what = "a volume is" if len(numbers) == 1 else f"{len(numbers)} volumes are"
    return BundleError(
        "AB-VOLUME-MISSING",
        f"{what} missing: {shown}{more}" + (f" ({why})" if why else ""),
        hint="name where the others are with --media DIR (repeatable), or wait for them with --wait-media SECONDS",
    )


def truncated(volume: str, size: int, due: str) -> BundleError:
    """A volume is too short."""
    message = f"{volume} is truncated: it has {size} bytes instead of {due}"
    return BundleError("AB-BUNDLE-TRUNCATED", message, hint=COPY_AGAIN)


def shrunk(volume: str, size: int, due: int) -> BundleError:
    """A volume has become shorter since it was opened."""
    return BundleError(
        "AB-BUNDLE-TRUNCATED",
        f"{volume} ends after {size} of {due} bytes: it became shorter while it was read",
        hint="somebody writes to it, or its medium fails: copy the volume again",
    )


def appended(volume: str, size: int, due: str) -> BundleError:
    """A volume is too long."""
    return BundleError(
        "AB-BUNDLE-TRAILING",
        f"{volume} is too long: it has {size} bytes instead of {due}",
        hint="somebody has appended to it: use the volume as it was written",
    )


def twice(volume: str, other: str, number: int) -> BundleError:
    """Two files hold the same volume."""
    return BundleError(
        TWICE,
        f"{volume} is a second copy of {other}, and volume {number} itself is missing",
        hint=f"copy volume {number} again from where the bundle was built",
    )


def called_alike(volume: str, other: str, number: int) -> BundleError:
    """Two files are called the same volume."""
    return BundleError(
        TWICE,
        f"{volume} and {other} are both called volume {number}, and only one of them can be it",
        hint="take one of them away, or name fewer places with --media",
    )


def swapped(volume: str, other: str, held: int) -> BundleError:
    """A file holds what another one should."""
    return BundleError(
        SWAPPED,
        f"{volume} holds volume {held}, and {other} does not: they have each other's names",
        hint="give them the names that they were written under; nothing else is wrong with them",
    )


def foreign(volume: str, name: str, why: str) -> BundleError:
    """A file has a volume's name and nothing to do with the others."""
    return BundleError(
        "AB-VOLUME-FOREIGN",
        f"{volume} is no volume of this bundle {name}, or its beginning is damaged: {why}",
        hint="look for the volume that was written together with the others, and take this one away",
    )


def damaged(volumes: Sequence[str], table: str, error: BundleError) -> BundleError:
    """The digest of a volume is another than the table says, and the inventory says that something is wrong."""
    return BundleError(
        "AB-VOLUME-DAMAGED",
        f"{' and '.join(volumes)} {'is' if len(volumes) == 1 else 'are'} damaged, by the digest in {table}: "
        f"{error.message}",
        hint=COPY_AGAIN,
    )


def somewhere_in(error: BundleError, volumes: Sequence[str]) -> BundleError:
    """The same fault, with the volumes that the bytes lie in."""
    if not volumes:
        return error
    names = volumes[0] if len(volumes) == 1 else f"{volumes[0]} to {volumes[-1].rpartition('.')[2]}"
    return BundleError(error.code, f"{error.message} (look at {names})", hint=COPY_AGAIN)
