"""How volumes are called, and how large they may be. FORMAT.md section 8. Opens nothing."""

from __future__ import annotations

import re

from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.core.text import count_text, parse_size, size_text

# Three digits sort as they count, so that `cat NAME.*` joins them in any shell; a fourth would come behind `.100`.
MAX_VOLUMES = 999
# What one file on FAT32 can have: its length is kept in 32 bits.
FAT32_BYTES = 4 * 1024**3 - 1
# A DVD+R holds 4,700,372,992 bytes, a DVD-R some more. 20 MB are left for ISO 9660 or UDF, and for what lies beside:
# sums, `NAME.volumes.json`, signatures. (ISO 9660 needs level 3 for a file of this length; UDF and Linux read both.)
DVD_BYTES = 4_680_000_000
_BY_NAME = {"fat32": FAT32_BYTES, "dvd": DVD_BYTES}
_VOLUME = re.compile(r"(.+)\.([0-9]{3})", re.DOTALL)
# Up to four digits somebody may have meant a volume; a longer number is a date or the like.
_ALMOST = re.compile(r"(.+)\.([0-9]{1,4})", re.DOTALL)


def parse_volume_size(text: str) -> int:
    """Bytes from `fat32`, `dvd`, or a size such as `4GB`; `UsageError` for anything else."""
    named = _BY_NAME.get(text.strip().lower())
    if named is not None:
        return named
    try:
        size = parse_size(text)
    except InvalidValueError as error:
        raise _no_size(text) from error
    if size == 0:
        raise _no_size(text)
    return size


def medium_note(volume_bytes: int) -> str:
    """What a person should know of media when volumes are so long; "" where there is nothing to say."""
    if volume_bytes == FAT32_BYTES:
        return "the longest file that FAT32 holds"
    if volume_bytes == DVD_BYTES:
        return "a DVD, less 20 MB for what lies beside"
    return "too long for FAT32" if volume_bytes > FAT32_BYTES else ""


def check_output_name(name: str) -> None:
    """`UsageError` for a name that FAT and exFAT quietly shorten: another file would be found under it."""
    if name != name.rstrip(". "):
        raise UsageError(
            "AB-USAGE-OUTPUT-NAME",
            f"a bundle cannot be called {name!r}: FAT and exFAT drop dots and spaces at the end of a name",
            hint=f"call it {name.rstrip('. ') or 'bundle.tar'!r}",
        )


def volume_name(name: str, number: int) -> str:
    """`NAME.001` for 1."""
    return f"{name}.{number:03d}"


def parse_volume_name(file_name: str) -> tuple[str, int] | None:
    """Name of the bundle and number of the volume; None for what is no volume. 000 is read, and is none either."""
    match = _VOLUME.fullmatch(file_name)
    return (match[1], int(match[2])) if match and int(match[2]) else None


def is_of_volumes(file_name: str) -> bool:
    """Whether a file is called like a volume, or like a table of volumes."""
    return parse_volume_name(file_name) is not None or file_name.endswith(table_name(""))


def misnumbered(file_name: str, name: str) -> bool:
    """Whether a file is called like a volume of `name`, but with a number that none has."""
    match = _ALMOST.fullmatch(file_name)
    return match is not None and match[1].casefold() == name.casefold() and parse_volume_name(file_name) is None


def table_name(name: str) -> str:
    """What names the volumes and locates damage."""
    return f"{name}.volumes.json"


def sums_name(name: str) -> str:
    """What `sha256sum -c` reads."""
    return f"{name}.sha256"


def volume_sizes(total_bytes: int, volume_bytes: int) -> tuple[int, ...]:
    """The lengths of the volumes: all but the last have `volume_bytes`. `UsageError` where there would be too many."""
    count = -(-total_bytes // volume_bytes)
    if count > MAX_VOLUMES:
        raise UsageError(
            "AB-USAGE-VOLUME-SIZE",
            f"{size_text(total_bytes)} would make {count_text(count, 'volume')} of {size_text(volume_bytes)}; "
            f"{MAX_VOLUMES} are allowed",
            hint=f"make them larger: --volume-size {-(-total_bytes // MAX_VOLUMES // 1_000_000) + 1}MB or more",
        )
    return (*(volume_bytes for _ in range(count - 1)), total_bytes - (count - 1) * volume_bytes)


def _no_size(text: str) -> UsageError:
    return UsageError(
        "AB-USAGE-VOLUME-SIZE",
        f"not a size of a volume: {text[:40]!r}",
        hint="write fat32, dvd, or such as 4GB or 700MB",
    )
