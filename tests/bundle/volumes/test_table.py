"""The table beside volumes: written canonically, read strictly, believed by nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airgap_bundle.bundle.volumes.table import (
    START_BYTES,
    VolumeEntry,
    VolumeHash,
    VolumeTable,
    dump_sums,
    dump_table,
    parse_table,
)
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable

ID = Digest("sha256:" + "a" * 64)
EMPTY = Digest.of(b"")


def entry(number: int, **changes: Any) -> VolumeEntry:
    fields: dict[str, Any] = {"name": f"x.tar.{number:03d}", "size": 5, "digest": EMPTY, "start": EMPTY, **changes}
    return VolumeEntry(**fields)


def table(count: int = 3) -> VolumeTable:
    return VolumeTable(bundle_id=ID, entries=tuple(entry(number) for number in range(1, count + 1)))


def test_a_table_survives_being_written_and_read() -> None:
    assert parse_table(dump_table(table())) == table()
    assert table().total_bytes == 15


def test_the_same_volumes_give_the_same_bytes() -> None:
    raw = dump_table(table(1))
    assert raw == (
        b'{"_type":"application/vnd.airgap-bundle.volumes+json","bundleId":"' + ID.encode() + b'","format":"1.0",'
        b'"volumes":[{"digest":"'
        + EMPTY.encode()
        + b'","name":"x.tar.001","size":5,"start":"'
        + EMPTY.encode()
        + b'"}]}'
    )


def _set(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.__setitem__(key, value)


@pytest.mark.parametrize(
    "change",
    [
        _set("_type", "other"),
        _set("format", "2.0"),
        _set("bundleId", "sha256:1"),
        _set("volumes", []),
        _set("more", 1),
        lambda document: document["volumes"].reverse(),
        lambda document: document["volumes"][1].update(name="y.tar.002"),
        lambda document: document["volumes"][1].update(name="../x.tar.002"),
        lambda document: document["volumes"][1].update(size=0),
        lambda document: document["volumes"][1].update(size=-1),
        lambda document: document["volumes"][1].update(size=1.5),
        lambda document: document["volumes"][1].pop("start"),
    ],
)
def test_what_is_no_table_is_not_read(change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(dump_table(table()))
    change(document)
    with pytest.raises(InvalidValueError):
        parse_table(json.dumps(document).encode())


def test_a_thousand_volumes_are_none() -> None:
    assert len(table(999).entries) == 999
    with pytest.raises(InvalidValueError):
        VolumeTable(bundle_id=ID, entries=(*table(999).entries, entry(999)))


def test_the_largest_table_can_be_read() -> None:
    long = "x" * 250
    entries = tuple(entry(n, name=f"{long}.{n:03d}", size=2**40) for n in range(1, 1000))
    raw = dump_table(VolumeTable(bundle_id=ID, entries=entries))
    assert parse_table(raw).entries == entries


@pytest.mark.parametrize("size", [1, START_BYTES - 1, START_BYTES, START_BYTES + 1, 3 * START_BYTES])
@pytest.mark.parametrize("step", [1000, START_BYTES, 10 * START_BYTES])
def test_digests_do_not_depend_on_the_pieces(size: int, step: int) -> None:
    data = bytes(n % 251 for n in range(size))
    hashing = VolumeHash()
    for at in range(0, size, step):
        hashing.update(data[at : at + step])
    made = hashing.entry("x.tar.001")
    assert (made.size, made.digest, made.start) == (size, Digest.of(data), Digest.of(data[:START_BYTES]))


def test_sums_are_sorted_lines_for_sha256sum() -> None:
    assert dump_sums([("b", EMPTY), ("a", EMPTY)]) == f"{EMPTY.encoded}  a\n{EMPTY.encoded}  b\n".encode()
