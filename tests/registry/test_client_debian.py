"""The client with Debian's docker-registry: passwords, tokens that it checks itself, and what it lacks."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from support.certificates import Authority, authority
from support.clients import Logins, login, options
from support.registries import debian_registry
from support.scripted_server import Received, ScriptedServer, answer

from airgap_bundle.core.content import BytesSource, Digest, copy_verified, new_buffer
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.core.oci import OCI_EMPTY, OCI_MANIFEST, parse_document
from airgap_bundle.registry.client import RegistryClient
from airgap_bundle.registry.options import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.tools("docker-registry")

# bcrypt of "alice" with "correct horse", four rounds.
_PASSWORDS = "alice:$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e\n"
BLOB = bytes(range(256)) * 20_000
DIGEST = Digest.of(BLOB)
CONFIG = b"{}"


class Kept:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: memoryview) -> None:
        self.data += data


def _open(data: bytes) -> contextlib.nullcontext[BytesSource]:
    return contextlib.nullcontext(BytesSource(data))


def trip(registry: RegistryClient, repository: str) -> None:
    """Write an image and read it back."""
    buffer = new_buffer()
    for data in (BLOB, CONFIG):
        source = partial(_open, data)
        registry.push_blob(repository, Digest.of(data), len(data), source, buffer=buffer)
    document = parse_document(manifest())
    registry.put_manifest(repository, "1.0", document)
    assert registry.get_manifest(repository, "1.0") == document
    assert registry.head_manifest(repository, "1.0") == document.descriptor
    assert registry.list_tags(repository) == ("1.0",)
    sink = Kept()
    with registry.open_blob(repository, DIGEST, len(BLOB)) as stream:
        copy_verified(stream, sink, digest=DIGEST, size=len(BLOB), buffer=buffer)
    assert bytes(sink.data) == BLOB


def manifest(**more: Any) -> bytes:
    config = {"mediaType": OCI_EMPTY, "digest": Digest.of(CONFIG), "size": 2}
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": DIGEST, "size": len(BLOB)}
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer], **more}
    ).encode()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with debian_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def registry(address: str) -> Iterator[RegistryClient]:
    # Its answers are its own business; the tests' usual impatience is for the scripted server.
    with RegistryClient(address, options(patience=Patience())) as made:
        made.ping()
        yield made


def test_an_image_goes_there_and_back(registry: RegistryClient) -> None:
    trip(registry, "team/app")


def test_a_blob_is_mounted(registry: RegistryClient) -> None:
    trip(registry, "mount/source")
    assert registry.mount_blob("mount/target", DIGEST, "mount/source")
    assert registry.has_blob("mount/target", DIGEST, len(BLOB))


def test_a_mount_from_nowhere_becomes_an_upload(registry: RegistryClient) -> None:
    unknown = Digest.of(b"unknown")
    assert not registry.mount_blob("mount/other", unknown, "mount/nowhere")
    registry.push_blob("mount/other", unknown, 7, partial(_open, b"unknown"), buffer=new_buffer())
    assert registry.has_blob("mount/other", unknown, 7)


def test_attachments_are_found_through_the_fallback_tag(registry: RegistryClient) -> None:
    trip(registry, "attached")
    subject = parse_document(manifest()).descriptor
    pointer = {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size}
    attached = [parse_document(manifest(subject=pointer, annotations={"n": str(n)})) for n in range(3)]
    assert registry.list_referrers("attached", subject.digest) == ()
    for document in (*attached, attached[0]):
        registry.put_manifest("attached", document.descriptor.digest, document)
    assert list(registry.list_referrers("attached", subject.digest)) == [each.descriptor for each in attached]


def test_what_is_not_there_is_none(registry: RegistryClient) -> None:
    assert registry.get_manifest("nowhere", "1.0") is None
    assert registry.head_manifest("nowhere", DIGEST) is None
    assert registry.list_tags("nowhere") == ()
    assert not registry.has_blob("nowhere", DIGEST, 1)
    assert registry.delete_tag("nowhere", "1.0") is False


def test_an_image_without_its_blobs_is_refused_in_the_words_of_the_registry(registry: RegistryClient) -> None:
    lost = {"mediaType": OCI_EMPTY, "digest": Digest.of(b"lost"), "size": 4}
    with pytest.raises(RegistryError, match="MANIFEST_BLOB_UNKNOWN"):
        registry.put_manifest("empty", "1.0", parse_document(manifest(layers=[lost])))


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("locked")
    (path / "passwords").write_text(_PASSWORDS)
    more = f"auth: {{htpasswd: {{realm: test, path: {path / 'passwords'}}}}}\n"
    with debian_registry(path, more) as running:
        yield running


def test_a_password_opens(locked: str) -> None:
    with RegistryClient(locked, options(patience=Patience(), credentials=Logins({locked: login()}))) as registry:
        registry.ping()
        trip(registry, "team/app")


def test_a_wrong_password_does_not(locked: str) -> None:
    logins = Logins({locked: login(password="wrong")})
    with RegistryClient(locked, options(patience=Patience(), credentials=logins)) as registry:
        with pytest.raises(RegistryError) as caught:
            registry.ping()
        assert caught.value.code == "AB-REGISTRY-UNAUTHORIZED"
        assert "docker login" in caught.value.hint


def test_no_password_does_not_either(locked: str) -> None:
    with RegistryClient(locked, options(patience=Patience())) as registry:
        registry.ping()  # it is a registry, and asks for a login
        with pytest.raises(RegistryError) as caught:
            registry.list_tags("team/app")
    assert caught.value.code == "AB-REGISTRY-UNAUTHORIZED"


class TokenServer:
    """Issues tokens that the registry checks by itself, for whoever knows alice's password."""

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
        if request.headers.get("authorization") != login().basic:
            return answer(401, '{"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]}')
        scopes = parse_qs(urlsplit(request.target).query).get("scope", [])
        self.scopes.append(tuple(scopes))
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        claims = {"iss": "issuer", "aud": "registry", "sub": "alice", "iat": now, "nbf": now - 5}
        token = self._sign({**claims, "exp": now + self._life, "jti": str(len(self.scopes)), "access": access})
        return answer(200, json.dumps({"token": token, "expires_in": self._life}))

    def _sign(self, claims: dict[str, Any]) -> str:
        header = {"typ": "JWT", "alg": "ES256", "x5c": self._chain}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextlib.contextmanager
def with_tokens(path: Path, life_seconds: int) -> Iterator[tuple[str, str, TokenServer]]:
    """A registry, the host of its tokens, and what issues them."""
    trusted = authority(path / "authority")
    tokens = TokenServer(trusted, life_seconds)
    with ScriptedServer() as server:
        server.always("GET", "/token", tokens)
        realm = f"http://{server.address}/token"
        more = (
            f"auth: {{token: {{realm: {realm}, service: registry, issuer: issuer, rootcertbundle: {trusted.ca_file}}}}}"
        )
        with debian_registry(path / "registry", more) as address:
            yield address, server.address, tokens


def test_tokens_open_and_mounts_ask_for_both_repositories(tmp_path: Path) -> None:
    with with_tokens(tmp_path, 300) as (address, token_host, tokens):
        chosen = options(
            patience=Patience(), credentials=Logins({address: login()}), token_hosts=frozenset({token_host})
        )
        with RegistryClient(address, chosen) as registry:
            registry.ping()
            trip(registry, "team/app")
            assert registry.mount_blob("team/web", DIGEST, "team/app")
        assert tokens.scopes == [
            (),
            ("repository:team/app:pull,push",),
            ("repository:team/app:pull", "repository:team/web:pull,push"),
        ]


def test_tokens_that_live_for_two_seconds_are_renewed_under_way(tmp_path: Path) -> None:
    with with_tokens(tmp_path, 2) as (address, token_host, tokens):
        chosen = options(
            patience=Patience(), credentials=Logins({address: login()}), token_hosts=frozenset({token_host})
        )
        with RegistryClient(address, chosen) as registry:
            registry.list_tags("team/app")
            time.sleep(1.1)
            registry.list_tags("team/app")
        assert len(tokens.scopes) == 2
