"""Opens a bundle behind a URL: finds out where it is, who may ask for it, and reads its front."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from airgap_bundle.transfer.remote.address import BucketAddress, parse_address
from airgap_bundle.transfer.remote.logins import NetrcLogins
from airgap_bundle.transfer.remote.medium import RemoteMedium
from airgap_bundle.transfer.remote.places import WebPlace
from airgap_bundle.transfer.remote.ranges import RangeClient
from airgap_bundle.transfer.remote.s3 import BucketPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.transfer.access import Access
    from airgap_bundle.transfer.remote.places import Place


@contextmanager
def open_remote(bundle: str, access: Access) -> Iterator[RemoteMedium]:
    """The bundle at a URL. `UsageError` for one that is not read, `RegistryError` where it cannot be."""
    options = access.options
    address = parse_address(bundle, options.plain_http)
    place: Place
    if isinstance(address, BucketAddress):
        place = BucketPlace(address, access.store, options.plain_http, options.clock)
    else:
        place = WebPlace(address)
    with closing(RangeClient(place, options, NetrcLogins(access.netrc, options.environment))) as client:
        yield RemoteMedium(client)
