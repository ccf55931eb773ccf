"""Every name under which a demand for a publisher's signature may know an item of a bundle.

Clusters find an image by where it lies inside, and what stands in front of that (host, port, a path by `--map`) is a
matter of convention. Whoever makes a bundle chooses its names, so none of them may lead around a demand: neither
another source, nor the path as a mirror writes it (`HOST_5000` for `HOST:5000`), nor the place that a map leads to.
Design section 8, "Default path".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.transfer.paths import PathMap

# How a host with a port begins a path below DEST, where a colon cannot stand.
_HOST_AND_PORT = re.compile(r"([^/]+)_([0-9]{1,5})(/.+)")


def names_of(source: str, written: str, path_map: PathMap) -> tuple[str, ...]:
    """Of something that is called `source` outside and is written to `written` below DEST, after the map.

    The name outside, without tag and digest; the repository that is written to; and every path that leads there.
    """
    paths = dict.fromkeys((written, *path_map.leading_to(written)))
    return tuple(dict.fromkeys((_outside(source), *(name for path in paths for name in _as_reference(path)))))


def is_own_files(kind: str, path: str, product: str) -> bool:
    """Whether it is the files of the product itself: they have no publisher upstream, and a place of their own."""
    return kind == "files" and path == f"files/{product}"


def _outside(source: str) -> str:
    try:
        return Reference.parse(source).name
    except InvalidValueError:
        # A chart that comes as a file: HOST/PATH/NAME:VERSION behind its scheme, or a path.
        outside = source.partition("://")[2] or source
        if ":" in outside.rpartition("/")[2]:
            outside = outside.rpartition(":")[0]
        return outside


def _as_reference(path: str) -> Iterator[str]:
    yield path
    match = _HOST_AND_PORT.fullmatch(path)
    if match is not None:
        yield f"{match[1]}:{match[2]}{match[3]}"
