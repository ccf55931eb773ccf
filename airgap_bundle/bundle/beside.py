"""The signatures that lie beside a bundle that cannot be changed itself: where that is, and which are there."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.signatures import MAX_SIGNATURE_BYTES, MAX_SIGNATURES, SignatureFile
from airgap_bundle.core.content import new_buffer
from airgap_bundle.core.errors import AirgapError, BundleError, InvalidValueError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def beside(bundle: Path) -> Path:
    """The directory for signatures of a bundle that cannot be changed itself."""
    return bundle.with_name(f"{bundle.name}.signatures")


def read_beside(bundle: Path) -> tuple[SignatureFile, ...]:
    """The signatures that lie beside a bundle, bounded in number and size; none where there is no such directory."""
    return read_directory(beside(bundle))


def read_directory(directory: Path, *, must_exist: bool = False) -> tuple[SignatureFile, ...]:
    """The signatures in a directory, bounded in number and size; `UsageError` where it is missing and must not be.

    Hidden files are passed over: a signing that was killed leaves one, and so do some systems on every medium.
    """
    try:
        visible = (path.name for path in directory.iterdir() if not path.name.startswith("."))
        names = sorted(islice(visible, MAX_SIGNATURES + 1))
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise UsageError(
                "AB-USAGE-SIGNATURES",
                f"there is no directory {directory} with signatures",
                hint="give the directory that airgap-export sign made beside the bundle: NAME.signatures",
            ) from error
        return ()
    if len(names) > MAX_SIGNATURES:
        raise BundleError(
            "AB-BUNDLE-SIGNATURES",
            f"{directory} holds more than {MAX_SIGNATURES} files; that many signatures are allowed",
            hint="leave only the signatures of this bundle there",
        )
    found = []
    for name in names:
        try:
            found.append(SignatureFile(name=name, data=_read_regular(directory / name)))
        except (InvalidValueError, AirgapError) as error:
            raise BundleError(
                "AB-BUNDLE-SIGNATURES",
                f"{directory / name} is not a signature: {error}",
                hint="leave only the signatures of this bundle there",
            ) from error
    return tuple(found)


def _read_regular(path: Path) -> bytes:
    """At most one byte more than a signature may have; never from a FIFO or a device, which could block for ever."""
    with closing(FileMedium(path)) as medium:
        buffer = new_buffer(MAX_SIGNATURE_BYTES + 1)
        return bytes(buffer[: medium.read_at(0, buffer)])
