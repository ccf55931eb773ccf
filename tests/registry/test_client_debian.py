"""The client with Debian's docker-registry: passwords, tokens that it checks itself, and what it lacks."""

from __future__ import annotations

import contextlib
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import Logins, login, options
from support.registries import debian_registry
from support.tokens import with_tokens

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
