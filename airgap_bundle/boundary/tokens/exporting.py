"""What a registry needs that checks tokens by itself: public keys, as certificates and as a JSON Web Key Set.

The next key is among them, so a rotation finds every registry prepared that was given the files since the one before.
Docker's registry 2 (and those made from it) takes the certificates, and finds the key by the name in the token; version
3 takes the key set. Both allow 60 seconds for clocks that differ.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.tokens.claims import ISSUER
from airgap_bundle.boundary.tokens.identities import check_service
from airgap_bundle.boundary.tokens.realm import check_realm
from airgap_bundle.boundary.tokens.signed_claims import public_jwk
from airgap_bundle.core.errors import HostError
from airgap_bundle.core.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from airgap_bundle.boundary.tokens.keys import KeyRing

# How much longer than it says a token counts at Docker's registry (`Leeway` in its source).
LEEWAY_SECONDS = 60
_CERTIFICATES = "token-certificates.pem"
_KEY_SET = "token-keys.jwks.json"
_CONFIGURATION = "config.auth.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """Files by name, all of them public."""

    files: Mapping[str, bytes]

    def write(self, directory: Path) -> tuple[Path, ...]:
        """Write each file, replacing older ones whole; where they are. Raises `HostError`."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for name, data in self.files.items():
                write_whole(directory / name, data)
        except OSError as error:
            raise HostError(
                "AB-HOST-WRITE",
                f"{directory} cannot be written: {error.strerror or error}",
                hint="name another directory with -o",
            ) from error
        return tuple(directory / name for name in self.files)


def key_set(ring: KeyRing, now: datetime) -> bytes:
    """The public halves as a JSON Web Key Set (RFC 7517 section 5), the next key first."""
    keys = [public_jwk(key.public_pem, kid=key.kid) for key in ring.accepted(now)]
    return (json.dumps({"keys": keys}, indent=2) + "\n").encode()


def for_docker_registry(ring: KeyRing, now: datetime, *, realm: str, service: str) -> Export:
    """Certificates, the key set, and what to put into the configuration of Docker's registry, version 2 and 3.

    `realm` is the address of the token endpoint as clients see it. Raises `InvalidValueError` for what is none.
    """
    check_realm(realm)
    check_service(service)
    certificates = "".join(key.certificate_pem for key in ring.accepted(now))
    configuration = f"""\
# Into the configuration of the registry (config.yml). The files that it names
# are public; give the registry new ones after each rotation, and restart it.
auth:
  token:
    realm: {json.dumps(realm)}
    service: {json.dumps(service)}
    issuer: {json.dumps(ISSUER)}
    rootcertbundle: /etc/docker/registry/{_CERTIFICATES}
    # Version 3 only, which names keys in another way:
    # jwks: /etc/docker/registry/{_KEY_SET}
    # signingalgorithms: [ES256]
"""
    return Export(
        files={
            _CERTIFICATES: certificates.encode(),
            _KEY_SET: key_set(ring, now),
            _CONFIGURATION: configuration.encode(),
        }
    )


def as_key_set(ring: KeyRing, now: datetime) -> Export:
    """The key set alone, for other programs that verify tokens."""
    return Export(files={_KEY_SET: key_set(ring, now)})
