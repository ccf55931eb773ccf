from __future__ import annotations

import pytest

from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.registry.options import ClientOptions
from airgap_bundle.registry.origin import Origin, parse_url, registry_origin
from airgap_bundle.registry.proxies import proxy_for


@pytest.mark.parametrize(
    ("host", "plain", "expected"),
    [
        ("registry.internal", (), "https://registry.internal"),
        ("Registry.Internal:5000", (), "https://registry.internal:5000"),
        ("127.0.0.1:5000", (), "http://127.0.0.1:5000"),
        ("127.9.9.9", (), "http://127.9.9.9"),
        ("localhost:5000", (), "http://localhost:5000"),
        ("[::1]:5000", (), "http://[::1]:5000"),
        ("localhost.example.com", (), "https://localhost.example.com"),
        ("registry.internal:5000", ("registry.internal",), "http://registry.internal:5000"),
        ("registry.internal:5000", ("registry.internal:5000",), "http://registry.internal:5000"),
        ("registry.internal:5001", ("registry.internal:5000",), "https://registry.internal:5001"),
        ("docker.io", (), "https://registry-1.docker.io"),
    ],
)
def test_plain_http_is_for_loopback_and_hosts_that_were_named(host: str, plain: tuple[str, ...], expected: str) -> None:
    assert str(registry_origin(host, plain)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://host/x",
        "https://user:secret@host/x",
        "https://host:0/x",
        "https://host:99999/x",
        "https://ho st/x",
        "https://host/\r\nX: y",
        "https://höst/x",
        "https:///x",
        "https://host/" + "x" * 8000,
        "",
    ],
)
def test_urls_that_are_not_plain_ones_are_refused(url: str) -> None:
    with pytest.raises(InvalidValueError):
        parse_url(url)


def test_a_relative_url_stays_on_its_base() -> None:
    origin, target = parse_url("../uploads/1?state=x", "https://host:5000/v2/a/blobs/uploads/")
    assert (str(origin), target) == ("https://host:5000", "/v2/a/blobs/uploads/1?state=x")


def test_a_url_that_begins_with_two_slashes_names_another_host() -> None:
    assert parse_url("//evil.example/x", "https://host/v2/")[0].host == "evil.example"


def test_a_token_host_without_a_port_means_the_usual_one() -> None:
    assert Origin(scheme="https", host="auth.internal", port=443).is_named_by({"auth.internal"})
    assert not Origin(scheme="https", host="auth.internal", port=8443).is_named_by({"auth.internal"})
    assert Origin(scheme="https", host="auth.internal", port=8443).is_named_by({"auth.internal:8443"})


@pytest.mark.parametrize(
    "mirrors", [{"docker.io": "cache.corp/Hub"}, {"docker.io": "https://cache.corp"}, {"a b": "cache.corp"}]
)
def test_mirrors_that_are_no_hosts_are_refused(mirrors: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        ClientOptions(mirrors=mirrors)


HUB = Origin(scheme="https", host="registry-1.docker.io", port=443)
PROXY = {"HTTPS_PROXY": "http://proxy.corp:3128"}


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("registry.internal", "", False),
        ("registry.internal", "*", True),
        ("registry.internal", "internal", True),
        ("registry.internal", ".internal", True),
        ("internal", ".internal", False),
        ("internal", "internal", True),
        ("registry.internal", "*.internal", True),
        ("myinternal", "internal", False),
        ("registry.internal", " other , REGISTRY.internal ", True),
        ("registry.internal", "registry.internal:443", True),
        ("registry.internal", "registry.internal:5000", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("fd00::1", "fd00::/8", True),
        ("fd00::1", "[fd00::1]", True),
        ("registry.internal", "10.0.0.0/nonsense", False),
        ("127.0.0.1", "", True),
        ("localhost", "", True),
    ],
)
def test_no_proxy_means_what_it_means_to_go(host: str, no_proxy: str, *, direct: bool) -> None:
    origin = Origin(scheme="https", host=host, port=443)
    assert (proxy_for(origin, PROXY | {"NO_PROXY": no_proxy}) is None) == direct


def test_a_proxy_may_have_a_password_that_hides() -> None:
    proxy = proxy_for(HUB, {"https_proxy": "http://alice:p%40ss@proxy.corp"})
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.authorization) == ("proxy.corp", 80, "Basic YWxpY2U6cEBzcw==")
    assert "YWxp" not in repr(proxy)


def test_the_http_proxy_of_a_cgi_request_is_not_believed() -> None:
    origin = Origin(scheme="http", host="registry.internal", port=80)
    assert proxy_for(origin, {"HTTP_PROXY": "http://evil", "REQUEST_METHOD": "GET"}) is None


@pytest.mark.parametrize("url", ["socks5://proxy:1080", "https://proxy", "http://", "http://proxy:port"])
def test_other_kinds_of_proxies_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="HTTPS_PROXY"):
        proxy_for(HUB, {"HTTPS_PROXY": url})
