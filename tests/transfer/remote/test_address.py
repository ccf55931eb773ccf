"""What a URL of a bundle may be, and what is said to one that is none."""

from __future__ import annotations

import pytest

from airgap_bundle.core.errors import UsageError
from airgap_bundle.transfer.remote.address import BucketAddress, WebAddress, parse_address
from airgap_bundle.transfer.remote.spelling import is_address, shown


def refused(url: str, *plain_http: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse_address(url, plain_http)
    return caught.value


@pytest.mark.parametrize(
    ("url", "name", "target"),
    [
        ("https://drop.example/a.tar", "https://drop.example/a.tar", "/a.tar"),
        ("HTTPS://Drop.Example:443/a%20b.tar?sig=1", "https://drop.example/a%20b.tar", "/a%20b.tar?sig=1"),
        ("https://[2001:db8::1]:8443/a.tar", "https://[2001:db8::1]:8443/a.tar", "/a.tar"),
        ("http://127.0.0.1:8080/a.tar", "http://127.0.0.1:8080/a.tar", "/a.tar"),
        ("http://localhost/a.tar", "http://localhost/a.tar", "/a.tar"),
        ("http://drop.example:8080/a.tar", "http://drop.example:8080/a.tar", "/a.tar"),
    ],
)
def test_web_addresses(url: str, name: str, target: str) -> None:
    address = parse_address(url, ("drop.example",))
    assert isinstance(address, WebAddress)
    assert (address.name, address.target) == (name, target)
    assert "sig" not in repr(address)


@pytest.mark.parametrize("key", ["a.tar", "deliveries/2026/a b.tar", "ü/?#%20@:.tar"])
def test_the_key_of_an_object_is_meant_as_it_is_written(key: str) -> None:
    assert parse_address(f"s3://drop/{key}", ()) == BucketAddress(bucket="drop", key=key)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://drop.example/a.tar",
        "file:///a.tar",
        "oci://drop.example/a",
        "https:///a.tar",
        "https://drop.example/",
        "https://drop.example/a/",
        "https://drop.example/a.tar#part",
        "https://drop.example/a b.tar",
        "https://drop.example:0/a.tar",
        "https://drop.example:99999/a.tar",
        "https://drop_example!/a.tar",
        f"https://drop.example/{'a' * 9000}",
        "s3://drop",
        "s3://drop/",
        "s3://drop/a/",
        "s3:///a.tar",
        "s3://dr op/a.tar",
        "s3://drop/a\x1b[2J.tar",
        f"s3://drop/{'ü' * 600}",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    assert is_address(url)
    assert refused(url).code == "AB-USAGE-URL"


@pytest.mark.parametrize(
    "url",
    [
        "https://sam:s3same@drop.example/a.tar",
        "s3://AKID:s3same@drop/a.tar",
        # Passwords and keys hold what ends a host, and people forget to escape it.
        "https://sam:s3/s3same@drop.example/a.tar",
        "https://sam:s3same/1@drop.example/a.tar",
        "https://sam:s3same?1@drop.example/a.tar",
        "https://sam:s3same#1@drop.example/a.tar",
        "https:///sam:s3same@drop.example/a.tar",
        "s3://AKID:s3same/x@drop/a.tar",
    ],
)
def test_a_login_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    error = refused(url)
    assert error.code == "AB-USAGE-URL-LOGIN"
    assert "s3same" not in error.message + error.hint


def test_plain_http_has_to_be_allowed() -> None:
    error = refused("http://drop.example:8080/a.tar", "other.example")
    assert error.code == "AB-USAGE-URL-PLAIN-HTTP"
    assert "--plain-http drop.example:8080" in error.hint


@pytest.mark.parametrize(
    "url",
    [
        "https://drop.example/a.tar.002",
        "https://drop.example/a.tar.001?signed=x",
        "s3://drop/a.tar.001",
        "s3://d-r/a.017",
    ],
)
def test_a_volume_that_does_not_lead_to_the_others_is_refused_with_what_to_do(url: str) -> None:
    assert refused(url).code == "AB-USAGE-URL-VOLUME"


@pytest.mark.parametrize(("path", "is_volume"), [("a.tar.001", True), ("a.tar?of=a.tar.001", False), ("a.tar", False)])
def test_the_first_volume_on_a_web_server_stands_for_all(path: str, *, is_volume: bool) -> None:
    address = parse_address(f"https://drop.example/{path}", ())
    assert isinstance(address, WebAddress)
    assert address.is_volume is is_volume


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        ("-", "-"),
        ("/media/a?b.tar", "/media/a?b.tar"),
        ("https://sam:pw@drop.example/a.tar?sig=1#x", "https://drop.example/a.tar"),
        ("https://sam:p/w@drop.example/a.tar", "https://drop.example/a.tar"),
        ("https://drop.example:8443/a@b.tar", "https://drop.example:8443/a@b.tar"),
        ("https://[::1]:8443/a@b.tar", "https://[::1]:8443/a@b.tar"),
        ("s3://drop/a.tar", "s3://drop/a.tar"),
        ("s3://drop/a@b.tar", "s3://drop/a@b.tar"),
    ],
)
def test_what_is_shown_of_a_bundle_has_no_secrets(bundle: str, expected: str) -> None:
    assert shown(bundle) == expected
