"""A bundle is pushed from where it lies on a web server: a static nginx, and only what is missing crosses the link."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.certificates import authority
from support.drop import Drop, nginx_drop
from support.images import single_image
from support.trip import Trip, make_trip, run

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a request and its answer may cost besides the bytes of the bundle is not counted: nginx counts bodies.
KIB, MIB = 1024, 1024 * 1024


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def drop(tmp_path: Path) -> Iterator[Drop]:
    with nginx_drop(tmp_path / "web") as served:
        yield served


def serve(trip: Trip, drop: Drop, name: str = "acme.tar") -> str:
    shutil.copy(trip.build(name), drop.directory / name)
    return drop.url(name)


def test_a_push_from_a_url_brings_in_what_a_push_from_the_file_does(trip: Trip, drop: Drop) -> None:
    image = trip.one_image(size=3 * MIB)
    url = serve(trip, drop)
    pushed = trip.pushed(url)
    assert pushed["bundle"] == url
    assert trip.inside("acme/app", "1.0") == image.digest
    assert {each.status for each in drop.sent(at_least=1)} == {206}
