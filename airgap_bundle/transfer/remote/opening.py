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
from airgap_bundle.transfer.remote.volumes import VolumesClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.transfer.access import Access
    from airgap_bundle.transfer.remote.medium import Ranges
    from airgap_bundle.transfer.remote.places import Place


@contextmanager
def open_remote(bundle: str, access: Access) -> Iterator[RemoteMedium]:
    """The bundle at a URL. `UsageError` for one that is not read, `RegistryError` where it cannot be."""
    options = access.options
    address = parse_address(bundle, options.plain_http)
    logins = NetrcLogins(access.netrc, options.environment)

    def client_of(place: Place) -> RangeClient:
        return RangeClient(place, options, logins)

    client: Ranges
    if isinstance(address, BucketAddress):
        client = client_of(BucketPlace(address, access.store, options.plain_http, options.clock))
    elif address.is_volume:
        client = VolumesClient(address, client_of)
    else:
        client = client_of(WebPlace(address))
    with closing(client):
        yield RemoteMedium(client)
