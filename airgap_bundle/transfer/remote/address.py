"""Where a bundle lies that is named by a URL, checked before anything is asked (design section 8).

Values only. What may stand in a URL and must not be shown (a signed query) stays out of `name`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.registry.origin import Origin, allows_plain_http, parse_url
from airgap_bundle.transfer.remote.spelling import has_login, shown

if TYPE_CHECKING:
    from collections.abc import Collection

# The schemes that are read; any other is named back.
_SCHEMES = ("https://", "http://", "s3://")
_S3 = "s3://"
# `NAME.tar.001` is one file of a bundle that was cut (design section 6).
_VOLUME = re.compile(r"\.[0-9]{3,}$")
_FIRST_VOLUME = ".001"
# What Amazon, MinIO and Ceph accept for a bucket, the oldest names included.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
# The limit of the S3 interface, in UTF-8.
_MAX_KEY_BYTES = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class WebAddress:
    """A bundle on a web server. `target` is path and query; the query may be a secret, so `name` has none."""

    origin: Origin
    target: str = field(repr=False)

    @property
    def name(self) -> str:
        """What messages and records call it."""
        return f"{self.origin}{self.target.partition('?')[0]}"

    @property
    def is_volume(self) -> bool:
        """Whether it is the first of the volumes that the bundle was cut into."""
        return self.target.endswith(_FIRST_VOLUME) and "?" not in self.target


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketAddress:
    """A bundle in an object store that speaks the S3 protocol."""

    bucket: str
    key: str

    def __post_init__(self) -> None:
        """Refuse what no object store has; raises `InvalidValueError`."""
        if _BUCKET.fullmatch(self.bucket) is None:
            raise InvalidValueError("an s3:// address with no bucket that can be one")
        if not self.key or self.key.endswith("/") or not self.key.isprintable():
            raise InvalidValueError("an s3:// address that names no object")
        if len(self.key.encode("utf-8", "surrogateescape")) > _MAX_KEY_BYTES:
            raise InvalidValueError("an s3:// address whose key is too long")

    @property
    def name(self) -> str:
        """What messages and records call it."""
        return f"{_S3}{self.bucket}/{self.key}"


def parse_address(bundle: str, plain_http: Collection[str]) -> WebAddress | BucketAddress:
    """What a URL names; `UsageError` for one that is not read, each with what to write instead."""
    if not bundle.lower().startswith(_SCHEMES):
        raise UsageError(
            "AB-USAGE-URL",
            f"{shown(bundle)} is of a kind that no bundle is read from",
            hint="bundles are read from https://, http:// and s3://, from files, and from standard input as -",
        )
    try:
        address = _parse_bucket(bundle) if bundle.lower().startswith(_S3) else _parse_web(bundle, plain_http)
    except InvalidValueError as error:
        raise UsageError(
            "AB-USAGE-URL",
            f"{shown(bundle)} cannot be read: {error}",
            hint="write https://HOST[:PORT]/PATH with what is special in the path percent-encoded, or s3://BUCKET/KEY",
        ) from error
    if _VOLUME.search(address.name) and not (isinstance(address, WebAddress) and address.is_volume):
        raise UsageError(
            "AB-USAGE-URL-VOLUME",
            f"{address.name} is a volume, and of bundles that were cut only the first is named, on a web server",
            hint="name https://…/NAME.tar.001, without a query; or fetch them in order and pipe them in behind -",
        )
    return address


def _parse_bucket(bundle: str) -> BucketAddress:
    # The key is meant as it is written, as in every other tool: nothing in it is an escape, a query or a fragment.
    bucket, _, key = bundle[len(_S3) :].partition("/")
    if has_login(bundle[len(_S3) :]):
        raise _login(bundle, "the credentials of the object store come from the environment or its files")
    return BucketAddress(bucket=bucket, key=key)


def _parse_web(bundle: str, plain_http: Collection[str]) -> WebAddress:
    if has_login(bundle.partition("://")[2]):
        raise _login(bundle, "put the login into a file, --netrc FILE or ~/.netrc: machine HOST login NAME password …")
    if "#" in bundle:
        raise InvalidValueError("it has a fragment, which no server is ever asked for")
    origin, target = parse_url(bundle)
    if target.partition("?")[0].endswith("/"):
        raise InvalidValueError("it names a directory and no bundle")
    if origin.scheme == "http" and not allows_plain_http(origin.host, origin.port, plain_http):
        raise UsageError(
            "AB-USAGE-URL-PLAIN-HTTP",
            f"{shown(bundle)} would be read without TLS",
            hint=f"write https://, or allow it with --plain-http {origin.authority}",
        )
    return WebAddress(origin=origin, target=target)


def _login(bundle: str, hint: str) -> UsageError:
    return UsageError(
        "AB-USAGE-URL-LOGIN", f"{shown(bundle)} was given with a login in it, which everybody here can see", hint=hint
    )
