"""Where it may be listened, and what that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airgap_bundle.core.errors import UsageError
from airgap_bundle.registry.admission import Everybody
from airgap_bundle.registry.server import RegistryServer
from airgap_bundle.registry.serving.listening import check_exposure, is_loopback, parse_listen

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.0.3", "::1"])
def test_what_only_this_machine_reaches(host: str) -> None:
    assert is_loopback(host)
    check_exposure(parse_listen(f"[{host}]:0"), tls=False, logins=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "registry.internal", "localhost.example", "127.1", ""])  # noqa: S104 - what is refused
def test_what_others_may_reach(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("tls", "logins", "without_tls", "without_login", "missing"),
    [
        (False, False, False, False, "without TLS and logins the"),
        (True, False, False, False, "without logins the"),
        (False, True, False, False, "without TLS the"),
        (False, False, True, False, "without logins the"),
        (False, False, False, True, "without TLS the"),
    ],
)
def test_what_is_lacking_is_named(
    tls: bool,  # noqa: FBT001 - a row of a table
    logins: bool,  # noqa: FBT001 - a row of a table
    without_tls: bool,  # noqa: FBT001 - a row of a table
    without_login: bool,  # noqa: FBT001 - a row of a table
    missing: str,
) -> None:
    with pytest.raises(UsageError, match=missing) as caught:
        check_exposure(
            parse_listen("192.0.2.1:5000"),
            tls=tls,
            logins=logins,
            without_tls=without_tls,
            without_login=without_login,
        )
    assert caught.value.code == "AB-SERVE-NOT-LOOPBACK"


def test_each_may_be_given_up_by_name() -> None:
    listen = parse_listen("192.0.2.1:5000")
    check_exposure(listen, tls=True, logins=True)
    check_exposure(listen, tls=False, logins=True, without_tls=True)
    check_exposure(listen, tls=True, logins=False, without_login=True)
    check_exposure(listen, tls=False, logins=False, without_tls=True, without_login=True)


def test_a_server_that_is_refused_makes_no_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        RegistryServer(tmp_path / "registry", "192.0.2.1:5000", admission=Everybody())
    assert not (tmp_path / "registry").exists()
