"""How a registry may be spoken to: what the person, the policy and the side of the air gap allow.

Values only. The boundary side leaves `follow_redirects_elsewhere` and `proxies` off: it talks to the registry and to
the token hosts of the policy, and to nobody else (design section 2, promise 3).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.oci import check_host, check_repository
from airgap_bundle.core.report import Reporter, silent
from airgap_bundle.registry.pacing import Pacing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from airgap_bundle.registry.abilities import UploadMemory
    from airgap_bundle.registry.credentials import CredentialSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to wait, and how often to try again. All times in seconds."""

    connect_seconds: float = 15.0
    """For a connection to come about: slow links answer in a few seconds, dead hosts never."""
    read_seconds: float = 60.0
    """For the next byte, once a request is out."""
    answer_seconds: float = 300.0
    """For the answer to a complete upload: object stores copy large blobs before they say yes."""
    control_seconds: float = 300.0
    """For a whole answer that is not a blob, so that a drip of bytes is not waited for."""
    stall_seconds: float = 30.0
    """How long a transfer may stay below `stall_bytes_per_second` before the connection counts as stuck."""
    stall_bytes_per_second: int = 1024
    attempts: int = 5
    """The first try and four more: a registry that restarts is back within them."""
    first_pause_seconds: float = 0.25
    """The first pause; each further one is twice as long."""
    longest_pause_seconds: float = 60.0
    """The most that one `Retry-After` is believed."""
    total_pause_seconds: float = 180.0
    """The most that one request spends waiting for its next try."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """What a `RegistryClient` may do. The defaults are those of the boundary side."""

    side: str = "registry"
    """What messages call it: `source`, `destination`."""
    authfile: Path | None = None
    """A docker or containers auth file, read instead of the usual ones."""
    plain_http: frozenset[str] = frozenset()
    """`HOST` or `HOST:PORT` that may be spoken to without TLS; loopback always may."""
    ca_file: Path | None = None
    """Certificates to trust besides those of the system."""
    cert_file: Path | None = None
    """A client certificate; only the registry itself ever sees it."""
    key_file: Path | None = None
    """The key of `cert_file`, if it is not in the same file."""
    token_hosts: frozenset[str] = frozenset()
    """`HOST[:PORT]` that may be asked for a token besides the registry itself."""
    mirrors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Registry host → `HOST[:PORT][/PATH]` that is asked in its place; names stay what they are."""
    proxies: bool = False
    """Whether the proxies named in the environment are used."""
    follow_redirects_elsewhere: bool = False
    """Whether content may come from another host that the registry points to, and tokens from one it names."""
    patience: Patience = field(default_factory=Patience)
    pacing: Pacing = field(default_factory=Pacing)
    """The limits that all clients with these options keep together."""
    credentials: CredentialSource | None = None
    """Where logins come from; by default from `authfile` and what docker, podman and helm logins left."""
    uploads: UploadMemory | None = None
    """Where unfinished uploads of long blobs are remembered, so that a later run goes on with them."""
    reporter: Reporter = silent
    """Hears of warnings that the registry sends."""
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be a host; raises `UsageError`."""
        if self.key_file is not None and self.cert_file is None:
            raise UsageError(
                "AB-REGISTRY-OPTIONS",
                "a client key was given without its certificate",
                hint="give both --cert-file and --key-file",
            )
        try:
            for host in (*self.plain_http, *self.token_hosts):
                check_host(host)
            for host, place in self.mirrors.items():
                check_host(host)
                mirror, slash, path = place.partition("/")
                check_host(mirror)
                if slash:
                    check_repository(path)
        except ValueError as error:
            raise UsageError(
                "AB-REGISTRY-OPTIONS",
                f"a registry option names something that is no host: {error}",
                hint="write HOST or HOST:PORT, and for a mirror docker.io=HOST[:PORT][/PATH]",
            ) from error
