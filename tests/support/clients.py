"""Registry clients that do not wait, for tests."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airgap_bundle.registry.credentials import Credentials, NoCredentials
from airgap_bundle.registry.options import ClientOptions, Patience

if TYPE_CHECKING:
    from airgap_bundle.core.report import Event

IMPATIENT = Patience(
    connect_seconds=2,
    read_seconds=0.3,
    answer_seconds=0.5,
    control_seconds=1.0,
    stall_seconds=0.1,
    stall_bytes_per_second=10_000,
)


@dataclass
class Logins:
    """Logins by host, and what was asked for."""

    by_host: dict[str, Credentials] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def find(self, host: str, repository: str = "") -> Credentials | None:
        self.asked.append((host, repository))
        return self.by_host.get(host)


def login(username: str = "alice", password: str = "correct horse") -> Credentials:
    return Credentials(username=username, password=password, origin="a test")


@dataclass
class Recorder:
    """What a client did while it was waited for."""

    pauses: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def clock(self) -> float:
        """The time, with every pause counted as if it had been slept."""
        return time.monotonic() + sum(self.pauses)


def options(recorder: Recorder | None = None, **changes: Any) -> ClientOptions:
    """Options without logins, that never sleep; pauses and events go to `recorder`."""
    kept = recorder or Recorder()
    base = ClientOptions(
        patience=IMPATIENT,
        credentials=NoCredentials(),
        sleep=kept.pauses.append,
        clock=kept.clock,
        reporter=kept.events.append,
        environment={},
    )
    return replace(base, **changes)
