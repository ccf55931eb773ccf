"""Everything that tokens need, opened from a state directory: `STATE/tokens/` for identities and, unless told, keys."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.audit.trail import Audit
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.boundary.tokens.admission import TokenAdmission
from airgap_bundle.boundary.tokens.endpoint import PATH, TokenEndpoint
from airgap_bundle.boundary.tokens.files import make_private
from airgap_bundle.boundary.tokens.identity_store import IdentityStore
from airgap_bundle.boundary.tokens.issuing import Issuer
from airgap_bundle.boundary.tokens.key_store import KeyStore
from airgap_bundle.boundary.tokens.recording import Recorder
from airgap_bundle.boundary.tokens.verifying import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from airgap_bundle.registry.admission import Page, Presented


@dataclass(frozen=True, kw_only=True, slots=True)
class Office:
    """Keys, identities and the trail of one state directory."""

    keys: KeyStore
    identities: IdentityStore
    audit: Audit

    @classmethod
    def open(cls, state: Path | None = None, keys: Path | None = None) -> Office:
        """The one of a state directory; `keys` is where the keys are, if not there. Raises `HostError`."""
        directory = StateDirectory.open(state)
        inner = make_private(directory.path / "tokens")
        audit = Audit(path=directory.audit_path)
        identities = IdentityStore(make_private(inner / "identities"))
        return cls(keys=KeyStore(keys or inner, audit), identities=identities, audit=audit)

    @property
    def issuer(self) -> Issuer:
        """Who issues."""
        return Issuer(keys=self.keys, identities=self.identities, audit=self.audit)

    @property
    def verifier(self) -> Verifier:
        """Who verifies."""
        return Verifier(keys=self.keys, identities=self.identities)


@dataclass(frozen=True, kw_only=True, slots=True)
class Counter:
    """What the embedded server needs to ask for tokens and to issue them."""

    admission: TokenAdmission
    pages: Mapping[str, Page]


@contextlib.contextmanager
def at_the_counter(
    office: Office, *, service: str, realm: Callable[[Presented], str], now: Callable[[], datetime]
) -> Iterator[Counter]:
    """Serve tokens as long as the context lasts; what was counted meanwhile is written at its end.

    The first keys are made here, so that whoever asks first need not wait, and a directory that cannot be written is
    found before anything is served.
    """
    office.keys.ready(now())
    recorder = Recorder(office.audit, now)
    admission = TokenAdmission(
        service=service,
        realm=realm,
        verifier=office.verifier,
        issuer=office.issuer,
        identities=office.identities,
        recorder=recorder,
        now=now,
    )
    endpoint = TokenEndpoint(issuer=office.issuer, identities=office.identities, recorder=recorder, now=now)
    try:
        yield Counter(admission=admission, pages={PATH: endpoint.page})
    finally:
        recorder.close()
