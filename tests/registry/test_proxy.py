from __future__ import annotations

import pytest
from support.clients import Logins, login, options
from support.scripted_server import ScriptedServer, answer

from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry.client import RegistryClient

HOST = "registry.internal:5000"


def proxied(proxy: ScriptedServer, *, on: bool = True, plain: bool = False) -> RegistryClient:
    environment = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), f"http://user:pw@{proxy.address}")
    plain_http = frozenset({HOST}) if plain else frozenset[str]()
    return RegistryClient(
        HOST, options(proxies=on, environment=environment, plain_http=plain_http, credentials=Logins({HOST: login()}))
    )


def test_plain_requests_are_handed_to_the_proxy() -> None:
    with ScriptedServer() as proxy:
        proxy.step("GET", f"http://{HOST}/v2/", answer(200))
        with proxied(proxy, plain=True) as registry:
            registry.ping()
        headers = proxy.received[0].headers
        assert (headers["host"], headers["proxy-authorization"]) == (HOST, "Basic dXNlcjpwdw==")


def test_tls_goes_through_a_tunnel_and_the_login_is_not_shown_to_the_proxy() -> None:
    with ScriptedServer() as proxy:
        proxy.step("CONNECT", HOST, answer(403, "not that one"))
        with proxied(proxy) as registry, pytest.raises(RegistryError) as caught:
            registry.ping()
        assert caught.value.code == "AB-NETWORK-PROXY"
        assert HOST in caught.value.message
        assert "authorization" not in proxy.received[0].headers


def test_the_importing_side_uses_no_proxy() -> None:
    with ScriptedServer() as proxy:
        with proxied(proxy, on=False) as registry, pytest.raises(RegistryError) as caught:
            registry.ping()
        assert caught.value.code in {"AB-NETWORK-NAME", "AB-NETWORK-UNREACHABLE"}
        assert proxy.connections == 0
