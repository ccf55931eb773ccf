"""Where the next request for a bundle goes: an address that stays as it is, or one that is signed anew now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from airgap_bundle.registry.origin import Origin
    from airgap_bundle.transfer.remote.address import WebAddress


class Place(Protocol):
    """One file on one host. Safe between threads."""

    name: str
    """What messages call it: nothing secret."""
    origin: Origin
    """The only host that is ever asked."""

    def target(self) -> str:
        """Path and query of the next request; may hold a signature, so it is never shown."""
        ...

    def moved(self, target: str) -> None:
        """The host has it elsewhere on itself, for ever."""
        ...

    def hint(self, status: int, region: str) -> str:
        """What to do about a refusal with this status, where this place knows better; else empty.

        `region` is where an object store says that it has the bucket.
        """
        ...


class WebPlace:
    """A file on a web server."""

    def __init__(self, address: WebAddress) -> None:
        self.name = address.name
        self.origin = address.origin
        self._target = address.target

    def target(self) -> str:
        """Path and query, as they were given or as the server corrected them."""
        return self._target

    def moved(self, target: str) -> None:
        """From now on that is asked for at once."""
        self._target = target

    def hint(self, status: int, region: str) -> str:  # noqa: ARG002 - it is a protocol
        """A web server says nothing that would help."""
        return ""
