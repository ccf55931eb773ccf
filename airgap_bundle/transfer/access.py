"""How BUNDLE may be reached: what the person allowed and gave along, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.bundle.volumes.sources import MediaSupply
from airgap_bundle.registry.options import ClientOptions

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreOptions:
    """How object stores may be spoken to. `ambient`: whether services may be asked for credentials."""

    endpoint: str = ""
    ambient: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """For a bundle behind a URL, and for one that has nothing beside it. The destination has options of its own.

    `netrc` is the file that was named for the login of a web server. `signatures` is a directory with more signatures
    over the inventory, of equal worth: what lies beside a file cannot be found beside a stream or a URL. `media` is
    where further volumes come from.
    """

    options: ClientOptions = field(default_factory=lambda: ClientOptions(side="bundle address"))
    netrc: Path | None = None
    store: StoreOptions = field(default_factory=StoreOptions)
    signatures: Path | None = None
    media: MediaSupply = field(default_factory=MediaSupply)
