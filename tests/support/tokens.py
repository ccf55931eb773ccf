"""A registry that wants tokens, and the server that issues them."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from support.certificates import Authority, authority
from support.clients import login
from support.registries import debian_registry
from support.scripted_server import Received, ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

IDENTITY_TOKEN = "refresh-me"


class TokenServer:
    """Issues tokens that the registry checks by itself, for whoever has alice's password or her identity token."""

    def __init__(self, trusted: Authority, life_seconds: int) -> None:
        certificate_file, key_file = trusted.issue("tokens")
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        lines = certificate_file.read_text().splitlines()
        self._chain = ["".join(line for line in lines if not line.startswith("-"))]
        self._life = life_seconds
        self.scopes: list[tuple[str, ...]] = []

    def __call__(self, request: Received) -> bytes:
        form = parse_qs(request.body.decode())
        if (
            IDENTITY_TOKEN not in form.get("refresh_token", [])
            and request.headers.get("authorization") != login().basic
        ):
            return answer(401, '{"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]}')
        asked = parse_qs(urlsplit(request.target).query).get("scope", []) + " ".join(form.get("scope", [])).split()
        scopes = [scope for scope in asked if scope]
        self.scopes.append(tuple(scopes))
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        claims = {"iss": "issuer", "aud": "registry", "sub": "alice", "iat": now, "nbf": now - 5}
        token = self._sign({**claims, "exp": now + self._life, "jti": str(len(self.scopes)), "access": access})
        return answer(200, json.dumps({"token": token, "access_token": token, "expires_in": self._life}))

    def _sign(self, claims: dict[str, Any]) -> str:
        header = {"typ": "JWT", "alg": "ES256", "x5c": self._chain}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextlib.contextmanager
def with_tokens(
    path: Path, life_seconds: int, front: Callable[[str], AbstractContextManager[str]] = contextlib.nullcontext
) -> Iterator[tuple[str, str, TokenServer]]:
    """A registry, the host of its tokens, and what issues them. `front` may put something before that host."""
    trusted = authority(path / "authority")
    tokens = TokenServer(trusted, life_seconds)
    with ScriptedServer() as server, front(server.address) as token_host:
        server.always("GET", "/token", tokens).always("POST", "/token", tokens)
        realm = f"http://{token_host}/token"
        more = (
            f"auth: {{token: {{realm: {realm}, service: registry, issuer: issuer, rootcertbundle: {trusted.ca_file}}}}}"
        )
        with debian_registry(path / "registry", more) as address:
            yield address, token_host, tokens
