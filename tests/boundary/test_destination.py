"""DEST, from text to a registry."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.boundary.destination import Destination
from airgap_bundle.core.errors import UsageError
from airgap_bundle.registry.client import RegistryClient
from airgap_bundle.registry.options import ClientOptions
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "host", "prefix"),
    [
        ("registry.internal", "registry.internal", ""),
        ("registry.internal:5000", "registry.internal:5000", ""),
        ("registry.internal:5000/mirror", "registry.internal:5000", "mirror"),
        ("registry.internal:5000/a/b_c/d--e/", "registry.internal:5000", "a/b_c/d--e"),
        ("[::1]:5000/mirror", "[::1]:5000", "mirror"),
    ],
)
def test_a_registry_is_a_host_and_a_path(text: str, host: str, prefix: str) -> None:
    destination = Destination.parse(text)
    assert (destination.host, destination.prefix, destination.directory) == (host, prefix, None)
    assert str(destination) == text.removesuffix("/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//x",
        "a b",
        "http://x",
        "x:0x50",
        "x:99999",
        "x/../y",
        "x/Y",
        "x/y:1",
        "x/y@sha256:00",
        "-",
        "x/\n",
        "é",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Destination.parse(text)
    assert caught.value.code == "AB-USAGE-DESTINATION"
    assert caught.value.hint


def test_a_directory_is_the_same_one_from_wherever_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("registry")
    monkeypatch.chdir(tmp_path)
    named = {str(Destination.parse(text)) for text in ("dir:registry", f"dir:{tmp_path}/registry", "dir:./x/../link")}
    assert named == {f"dir:{os.path.realpath(tmp_path)}/registry"}


def test_opening_asks_nothing(tmp_path: Path) -> None:
    assert isinstance(Destination.parse(f"dir:{tmp_path}/registry").open(ClientOptions()), DirectoryRegistry)
    registry = Destination.parse("registry.invalid/mirror").open(ClientOptions())
    assert isinstance(registry, RegistryClient)
    registry.close()
