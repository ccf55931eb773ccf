"""Reading a blob from its middle on, from registries that know ranges and from those that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.clients import options
from support.scripted_server import ScriptedServer, answer

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry.client import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOB = bytes(range(256)) * 2000
DIGEST = Digest.of(BLOB)
SIZE = len(BLOB)
PATH = f"/v2/a/b/blobs/{DIGEST}"
START = 300_000


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def rest(server: ScriptedServer, start: int = START) -> bytes:
    found = bytearray()
    with (
        RegistryClient(server.address, options()) as registry,
        registry.open_blob("a/b", DIGEST, SIZE, start=start) as stream,
    ):
        buffer = memoryview(bytearray(100_000))
        while count := stream.readinto(buffer):
            found += buffer[:count]
    return bytes(found)


def part(start: int, end: int = SIZE) -> bytes:
    return answer(206, BLOB[start:end], content_range=f"bytes {start}-{end - 1}/{SIZE}")


def test_only_the_rest_is_asked_for(server: ScriptedServer) -> None:
    server.step("GET", PATH, part(START))
    assert rest(server) == BLOB[START:]
    assert server.received[0].headers["range"] == f"bytes={START}-"


def test_a_registry_that_answers_with_all_of_it_is_read_from_the_same_place(server: ScriptedServer) -> None:
    server.step("GET", PATH, answer(200, BLOB))
    assert rest(server) == BLOB[START:]


def test_a_registry_that_refuses_ranges_is_asked_for_all_of_it(server: ScriptedServer) -> None:
    server.step("GET", PATH, answer(416)).step("GET", PATH, answer(200, BLOB))
    assert rest(server) == BLOB[START:]
    assert "range" not in server.received[1].headers


def test_a_drop_after_that_goes_on_behind_what_came(server: ScriptedServer) -> None:
    server.step("GET", PATH, part(START)[:-50_000], cut=True).step("GET", PATH, part(SIZE - 50_000))
    assert rest(server) == BLOB[START:]


def test_another_part_than_asked_for_is_refused(server: ScriptedServer) -> None:
    server.step("GET", PATH, part(START + 1))
    with pytest.raises(RegistryError, match="sends others"):
        rest(server)


def test_a_refusal_without_an_end_ends(server: ScriptedServer) -> None:
    server.step("GET", PATH, answer(416)).step("GET", PATH, answer(416))
    with pytest.raises(RegistryError, match="416"):
        rest(server)
