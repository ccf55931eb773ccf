"""What images in files are called, and which of them is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN_NAMES = 5


def same_name(wanted: str, found: str) -> bool:
    """Whether two names mean one image: `redis:7` is `docker.io/library/redis:7`. A bare word is only itself."""
    if wanted == found:
        return True
    if not all(":" in name or "/" in name for name in (wanted, found)):
        return False
    try:
        return str(Reference.parse(wanted)) == str(Reference.parse(found))
    except InvalidValueError:
        return False


def not_one(name: str, known: Iterable[str], count: int) -> InvalidValueError:
    """The complaint where `count` images are called `name`; `known` are those that there are."""
    names = ", ".join(list(dict.fromkeys(own[:120] for own in known))[:_SHOWN_NAMES]) or "images without names"
    if name:
        what = f"holds no image called {name}" if count == 0 else f"holds several images called {name}"
        return InvalidValueError(f"{what}; it has {names}")
    return InvalidValueError(f"holds {count} images, so that one has to be named behind its path; it has {names}")
