"""Many clients push and pull at once: nothing is lost, nothing is damaged. The minute of it is in `benchmarks`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from benchmarks.registry_stress import Client, debian_server, our_server, run_clients, stress
from support.registries import embedded_registry

if TYPE_CHECKING:
    from pathlib import Path


def test_sixteen_clients_for_a_second_lose_nothing(tmp_path: Path) -> None:
    known: Any = []
    with embedded_registry(tmp_path) as server:
        work = run_clients(server.address, range(16), time.monotonic() + 1.0, known, at_least=2)
        checker = Client(server.address, -1, known)
        for name in known:
            checker.pull_image(name)
        checker._connection.close()
    assert work.failures == []
    assert len(known) == work.images >= 2 * 16


@pytest.mark.proof
@pytest.mark.tools("docker-registry")
@pytest.mark.timeout(600)
def test_a_minute_of_32_clients_costs_no_more_than_at_debians_registry(tmp_path: Path) -> None:
    with our_server(tmp_path / "ours") as (address, pid):
        ours = stress(address, pid, clients=32, seconds=60)
    with debian_server(tmp_path / "debian") as (address, pid):
        theirs = stress(address, pid, clients=32, seconds=60)
    assert ours.work.failures == []
    assert ours.cpu_per_gib <= theirs.cpu_per_gib
    # Flat: what it has after a third of the time is what it has at the end, but for what the allocator rounds up.
    assert ours.peak_bytes < min(ours.early_bytes + 10_000_000, 100_000_000)
