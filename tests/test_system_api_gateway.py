"""An API gateway, as its guide says: two sign, Compose and Kubernetes, updates on three ways, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.systems import System, system_on_its_way

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGES = (
    "docker.io/library/postgres:16.4-alpine",
    "registry.example.com/gateway/console:3.2.0",
    "registry.example.com/gateway/gateway:3.2.0",
)


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    with system_on_its_way("api-gateway", tmp_path, monkeypatch) as made:
        made.put_images(*IMAGES)
        made.people(
            release="release@gateway.example", quality="quality@gateway.example", officer="officer@gateway.example"
        )
        yield made


def test_the_guide_can_be_followed_from_the_first_line_to_the_last(gateway: System) -> None:
    gateway.walk.through("Outside: build and sign")
    assert gateway.locked_images() == set(IMAGES)
    gateway.walk.through("Inside: once")
    gateway.walk.through("Install")
    for image in IMAGES:
        assert gateway.inside_digest(image) == gateway.images[image].digest
    assert gateway.walk.left == set()
