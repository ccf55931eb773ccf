"""Logins for web servers, from netrc files."""

from __future__ import annotations

from pathlib import Path

import pytest

from airgap_bundle.core.errors import AirgapError
from airgap_bundle.registry.origin import Origin
from airgap_bundle.transfer.remote.logins import NetrcLogins

HERE = Origin(scheme="https", host="drop.example", port=8443)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_login_of_a_host_and_before_it_that_of_its_port(tmp_path: Path) -> None:
    file = write(tmp_path / "netrc", "machine drop.example login a password b\n")
    found = NetrcLogins(file, {}).find(HERE)
    assert found is not None
    assert (found.username, found.password) == ("a", "b")
    assert "'b'" not in repr(found)
    write(file, "machine drop.example login a password b\nmachine drop.example:8443 login c password d\n")
    found = NetrcLogins(file, {}).find(HERE)
    assert found is not None
    assert found.username == "c"


def test_no_other_entry_is_used(tmp_path: Path) -> None:
    file = write(tmp_path / "netrc", "machine other.example login a password b\ndefault login c password d\n")
    assert NetrcLogins(file, {}).find(HERE) is None


@pytest.mark.parametrize("variable", ["NETRC", "HOME"])
def test_where_it_is_looked_for(tmp_path: Path, variable: str) -> None:
    file = write(tmp_path / ".netrc", "machine drop.example login a password b\n")
    value = str(file) if variable == "NETRC" else str(tmp_path)
    found = NetrcLogins(None, {variable: value}).find(HERE)
    assert found is not None
    assert NetrcLogins(None, {"HOME": str(tmp_path / "none")}).find(HERE) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("machine drop.example login a secret s3same\n", "AB-HOST-NETRC"),
        ("machine drop.example login a:b password s3same\n", "AB-HOST-NETRC"),
        ("#" * (1024 * 1024 + 1), "AB-HOST-NETRC"),
        (None, "AB-USAGE-NETRC"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_not_quoted(tmp_path: Path, text: str | None, code: str) -> None:
    file = tmp_path / "netrc" if text is None else write(tmp_path / "netrc", text)
    with pytest.raises(AirgapError) as caught:
        NetrcLogins(file, {}).find(HERE)
    assert caught.value.code == code
    assert str(file) in caught.value.message
    assert "s3same" not in caught.value.message + caught.value.hint


def test_bytes_that_are_no_text_are_no_netrc(tmp_path: Path) -> None:
    file = Path(tmp_path / "netrc")
    file.write_bytes(b"\xff\xfe\x00machine")
    with pytest.raises(AirgapError, match="netrc") as caught:
        NetrcLogins(file, {}).find(HERE)
    assert caught.value.code == "AB-HOST-NETRC"
