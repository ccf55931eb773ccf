"""A state directory with keys and identities, a clock that tests set, and tokens that nobody should believe."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import http.client
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airgap_bundle.boundary.tokens.claims import IDENTITY_CLAIM
from airgap_bundle.boundary.tokens.issuing import Issued, Wish
from airgap_bundle.boundary.tokens.lifetimes import parse_life
from airgap_bundle.boundary.tokens.office import Office, at_the_counter
from airgap_bundle.boundary.tokens.realm import Realm
from airgap_bundle.boundary.tokens.scopes import parse_grant
from airgap_bundle.registry.credentials import Credentials
from airgap_bundle.registry.server import RegistryServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from airgap_bundle.boundary.tokens.identities import Identity

NOON = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)
SERVICE = "airgap-registry"


@dataclass
class Clock:
    """The time, which passes only when it is told to."""

    moment: dt.datetime = NOON

    def __call__(self) -> dt.datetime:
        return self.moment

    def passes(self, text: str) -> None:
        """So much time goes by."""
        self.moment += parse_life(text)


def real_clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass
class Desk:
    """An office, what it has issued, and the clock on its wall."""

    path: Path
    clock: Any = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.office = Office.open(self.path)

    def issue(self, name: str = "ci", *scopes: str, **more: Any) -> Issued:
        """A new identity; by default one that may pull from and push to what is below `acme`."""
        return self.office.issuer.issue(self.wish(name, *scopes, **more), self.clock())

    @staticmethod
    def wish(name: str = "ci", *scopes: str, **more: Any) -> Wish:
        grants = tuple(parse_grant(text) for text in scopes or ("acme/**:push",))
        return Wish(name=name, grants=grants, **more)

    def events(self) -> list[dict[str, Any]]:
        """What the trail tells: the details of each record, with its event."""
        path = self.path / "audit.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        records = [json.loads(line) for line in lines]
        return [{"event": record["event"], **record["details"]} for record in records]

    def told(self, event: str) -> list[dict[str, Any]]:
        return [record for record in self.events() if record["event"] == event]


def claims_for(identity: Identity, now: dt.datetime, **changes: Any) -> dict[str, Any]:
    """The claims of a good token; `changes` by name, `None` takes one away."""
    seconds = int(now.timestamp())
    claims = {
        "iss": "airgap-bundle",
        "sub": identity.name,
        "aud": SERVICE,
        "iat": seconds,
        "nbf": seconds - 10,
        "exp": seconds + 300,
        "jti": "0123456789abcdef",
        IDENTITY_CLAIM: identity.number,
        "access": [{"type": "repository", "name": "acme/app", "actions": ["pull"]}],
    }
    return {key: value for key, value in {**claims, **changes}.items() if value is not None}


def encode(part: object) -> str:
    """A part of a token: base64url of JSON, or of bytes as they are."""
    raw = part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(desk: Desk, claims: object, *, key: Any = None, **header: Any) -> str:
    """A token with these claims (JSON, or bytes), really signed by the current key, or by `key`."""
    current = desk.office.keys.ready(desk.clock()).ring.current
    whole = {"alg": "ES256", "kid": current.kid, "typ": "JWT", **header}
    words = {name: value for name, value in whole.items() if value is not None}
    signed = f"{encode(words)}.{encode(claims)}"
    return f"{signed}.{encode(sign_with(key or current.private_pem, signed))}"


def sign_with(key: Any, signed: str) -> bytes:
    """An ES256 signature over the first two parts of a token."""
    algorithm = jwt.get_algorithm_by_name("ES256")
    return bytes(algorithm.sign(signed.encode(), algorithm.prepare_key(key)))


def strangers_key() -> tuple[str, dict[str, Any]]:
    """A private key that nobody here knows (PEM), and its public half as a JSON Web Key."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode(), dict(jwt.get_algorithm_by_name("ES256").to_jwk(key.public_key(), as_dict=True))


def hs256(secret: bytes, header: Mapping[str, Any], claims: object) -> str:
    """A token signed with a shared secret, such as the text of a public key."""
    signed = f"{encode(dict(header))}.{encode(claims)}"
    return f"{signed}.{encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def challenge(self) -> str:
        return self.headers.get("www-authenticate", "")


def ask(
    address: str, path: str, *, method: str = "GET", login: tuple[str, str] | None = None, bearer: str = "", **more: Any
) -> Answer:
    """One request to a server on loopback."""
    headers = dict(more.pop("headers", {}))
    if login is not None:
        headers["Authorization"] = Credentials(username=login[0], password=login[1], origin="a test").basic
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    context = more.pop("context", None)
    plain = http.client.HTTPConnection
    connection = (
        plain(address, timeout=10) if context is None else http.client.HTTPSConnection(address, context=context)
    )
    try:
        connection.request(method, path, headers=headers, **more)
        answer = connection.getresponse()
        found: dict[str, str] = {}
        for name, value in answer.getheaders():
            found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
        return Answer(status=answer.status, headers=found, body=answer.read())
    finally:
        connection.close()


@contextlib.contextmanager
def token_registry(desk: Desk, path: Path, *, service: str = SERVICE, **more: Any) -> Iterator[RegistryServer]:
    """The embedded registry, asking for tokens of this desk; it may be pushed to by those who may."""

    def address() -> str:
        return server.address

    realm = Realm(fixed="", is_tls="tls" in more, address=address)
    with at_the_counter(desk.office, service=service, realm=realm, now=desk.clock) as counter:
        pages = {**counter.pages, **more.pop("pages", {})}
        server = RegistryServer(path, allow_push=True, admission=counter.admission, pages=pages, **more)
        with server:
            yield server
