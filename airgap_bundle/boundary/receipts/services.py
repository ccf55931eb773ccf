"""Services of Compose files that ask for an image, as the receipt of an import keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airgap_bundle.core.errors import InvalidValueError

# What Compose allows as a name; a path beside a manifest has at most 255 bytes.
_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")
_FILE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,1000}")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Service:
    """One service: the file as the manifest named it, and the name, which becomes a key of a Compose file again."""

    file: str
    name: str

    def __post_init__(self) -> None:
        """Check both: the file is one line of text, the name is one that Compose takes."""
        if _FILE.fullmatch(self.file) is None:
            raise InvalidValueError(f"not the path of a Compose file: {self.file[:80]!r}")
        if _NAME.fullmatch(self.name) is None:
            raise InvalidValueError(f"not the name of a service: {self.name[:80]!r}")
