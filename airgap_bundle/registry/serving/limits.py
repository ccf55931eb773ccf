"""How much of this machine the embedded server gives to its clients, and for how long it waits for them."""

from __future__ import annotations

from dataclasses import dataclass

from airgap_bundle.core.errors import InvalidValueError

# Hashing and files let other threads run. Each that takes in a blob has a buffer of 256 KiB: 16 MiB for all.
THREADS = 64
# Below the 1024 files that a process may usually have open, with room for the files being sent.
CONNECTIONS = 400
# A node pulls over a handful; what stands for many nodes (a proxy that is not on this machine) needs more.
PEER_CONNECTIONS = 128
IDLE_SECONDS = 60.0
# A client that needs longer than this for its headers, or for the TLS handshake, is holding a thread.
HEADER_SECONDS = 20.0
# How long those who are in the middle of something may go on when the server is told to stop.
STOP_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The limits that a server can be given; those of bodies are in `incoming`."""

    threads: int = THREADS
    connections: int = CONNECTIONS
    # From one address, loopback aside: whoever is on this machine may be a proxy for many.
    peer_connections: int = PEER_CONNECTIONS
    idle_seconds: float = IDLE_SECONDS
    header_seconds: float = HEADER_SECONDS
    stop_seconds: float = STOP_SECONDS

    def __post_init__(self) -> None:
        if min(self.threads, self.connections, self.peer_connections) < 1:
            raise InvalidValueError("a server with no threads or no connections answers nobody")

    @property
    def peer_threads(self) -> int:
        """How many threads one address may hold at a time: whoever dawdles leaves the rest to the others."""
        return max(1, self.threads // 2)
