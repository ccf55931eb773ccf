"""The only door to botocore: finds credentials for an object store and signs addresses with them.

botocore reads nothing over the network here. It says where a bucket is and writes the signature into the query of the
address (signature version 4); the bytes come through the same HTTP as everything else, with the same fences. Which is
why credentials that have to be asked for (instance metadata, STS, SSO) are asked only where a person said so: the
importing side talks to nobody else of its own accord (design section 2, promise 3).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from airgap_bundle.core.errors import HostError, InvalidValueError, UsageError
from airgap_bundle.registry.origin import allows_plain_http, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from airgap_bundle.transfer.access import StoreOptions
    from airgap_bundle.transfer.remote.address import BucketAddress

# How long an address is good for, and when a fresh one is made: long before, and long after a slow request began.
_LIFE_SECONDS = 3600
_RENEW_SECONDS = 600.0
# botocore's names for where credentials come from that need no network.
_LOCAL = frozenset({"env", "shared-credentials-file", "custom-process", "config-file", "boto-config"})
_FIRST_REGION = "us-east-1"
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")
_FORBIDDEN = 403


class BucketPlace:
    """An object in a bucket."""

    def __init__(
        self,
        address: BucketAddress,
        options: StoreOptions,
        plain_http: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self.name = address.name
        self._address = address
        self._clock = clock
        self._lock = threading.Lock()
        self._is_ambient = options.ambient
        self._client, self._has_credentials = _make_client(options)
        self._sign()
        if self.origin.scheme == "http" and not allows_plain_http(self.origin.host, self.origin.port, plain_http):
            raise UsageError(
                "AB-USAGE-URL-PLAIN-HTTP",
                f"{self.name} would be read without TLS, from {self.origin}",
                hint=f"give an https:// endpoint, or allow it with --plain-http {self.origin.authority}",
            )

    def target(self) -> str:
        """Path and query with a signature that is good for a while yet."""
        with self._lock:
            if self._clock() >= self._renew_at:
                self._sign()
            return self._target

    def moved(self, target: str) -> None:
        """A signature is for one address: the next request begins where this one did."""

    def hint(self, status: int, region: str) -> str:
        """What object stores are set up wrongly with."""
        if region:
            return f"the bucket is in the region {region}: set AWS_REGION={region}"
        if status == _FORBIDDEN and not self._has_credentials:
            more = "" if self._is_ambient else ", or let services of this machine be asked for them with --s3-ambient"
            return f"no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE{more}"
        return ""

    def _sign(self) -> None:
        url = _sign_address(self._client, self._address)
        try:
            self.origin, self._target = parse_url(url)
        except InvalidValueError as error:
            raise _unusable(f"its address would be no URL: {error}") from error
        self._renew_at = self._clock() + _RENEW_SECONDS


def _make_client(options: StoreOptions) -> tuple[Any, bool]:
    """A client for the endpoint, and whether there are credentials; without them it asks anonymously."""
    try:
        import botocore.session  # noqa: PLC0415 - an extra, and a third of a second
        from botocore import UNSIGNED  # noqa: PLC0415 - as above
        from botocore.config import Config  # noqa: PLC0415 - as above
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - as above
    except ImportError as error:
        raise HostError(
            "AB-HOST-S3",
            "bundles are read from s3:// with botocore, which is not installed",
            hint="install it: pip install 'airgap-bundle[s3]'; or give an https:// address that the store has signed",
        ) from error
    try:
        session = botocore.session.Session()
        if not options.ambient:
            resolver = session.get_component("credential_provider")
            resolver.providers = [each for each in resolver.providers if each.METHOD in _LOCAL]
        version: Any = "s3v4" if (has := session.get_credentials() is not None) else UNSIGNED

        def client(**more: Any) -> Any:
            return session.create_client(
                "s3",
                region_name=session.get_config_variable("region") or _FIRST_REGION,
                endpoint_url=options.endpoint or None,
                config=Config(signature_version=version, **more),
            )

        made = client()
        if (parse_url(made.meta.endpoint_url)[0].host).endswith(_AMAZON):
            # Only so the address is that of the region: the global one redirects to another host.
            made = client(s3={"addressing_style": "virtual"})
    except (BotoCoreError, ValueError) as error:
        raise _unusable(str(error)) from error
    return made, has


def _sign_address(client: Any, address: BucketAddress) -> str:
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - it is there where a client is

    try:
        return str(
            client.generate_presigned_url(
                "get_object", Params={"Bucket": address.bucket, "Key": address.key}, ExpiresIn=_LIFE_SECONDS
            )
        )
    except (BotoCoreError, ValueError) as error:
        raise _unusable(str(error)) from error


def _unusable(reason: str) -> UsageError:
    return UsageError(
        "AB-USAGE-S3",
        f"the object store cannot be asked: {reason.strip()[:300]}",
        hint="check --s3-endpoint or AWS_ENDPOINT_URL, AWS_PROFILE, AWS_REGION and the files in ~/.aws",
    )
