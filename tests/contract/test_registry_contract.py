"""What every registry does, however it is reached: one suite for the directory, ours over HTTP, and Debian's."""

from __future__ import annotations

import contextlib
import os
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from support.images import corpus, multi_arch_image, referrer, single_image
from support.registries import debian_registry, embedded_registry

from airgap_bundle.core.content import BytesSource, ContentMismatchError, Digest, copy_verified, new_buffer
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry.abilities import Registry
from airgap_bundle.registry.client import ClientOptions, RegistryClient
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ["directory", "embedded", pytest.param("debian", marks=pytest.mark.tools)]


@pytest.fixture(scope="module", params=KINDS)
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    path = tmp_path_factory.mktemp("registry") / "data"
    with contextlib.ExitStack() as stack:
        if request.param == "directory":
            yield DirectoryRegistry(path)
            return
        if request.param == "embedded":
            address = stack.enter_context(embedded_registry(path)).address
        else:
            address = stack.enter_context(debian_registry(path))
        client = RegistryClient(address, ClientOptions())
        stack.callback(client.close)
        yield client


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A repository of the test's own."""
    return f"test/{Digest.of(request.node.nodeid.encode()).encoded[:16]}"


class Sources:
    """Opens the same bytes as often as somebody asks."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.opened = 0

    def __call__(self) -> contextlib.AbstractContextManager[BytesSource]:
        self.opened += 1
        return nullcontext(BytesSource(self.data))


class Sink:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: memoryview, /) -> None:
        self.data += data


def push(registry: Registry, repository: str, data: bytes) -> Digest:
    digest = Digest.of(data)
    registry.push_blob(repository, digest, len(data), Sources(data), buffer=new_buffer(64 * 1024))
    return digest


def pull(registry: Registry, repository: str, digest: Digest, size: int) -> bytes:
    sink = Sink()
    with registry.open_blob(repository, digest, size) as blob:
        copy_verified(blob, sink, digest=digest, size=size, buffer=new_buffer(64 * 1024))
    return sink.data


def test_it_is_a_registry_that_answers(registry: Registry) -> None:
    assert isinstance(registry, Registry)
    assert registry.name
    registry.ping()


@pytest.mark.parametrize("size", [1, 1000, 64 * 1024, 300_000])
def test_a_blob_comes_back_as_it_was(registry: Registry, name: str, size: int) -> None:
    data = os.urandom(size)
    digest = push(registry, name, data)
    assert registry.has_blob(name, digest, size)
    assert pull(registry, name, digest, size) == data


def test_a_blob_of_no_bytes_can_be_pushed(registry: Registry, name: str) -> None:
    digest = push(registry, name, b"")
    assert registry.has_blob(name, digest, 0)
    assert pull(registry, name, digest, 0) == b""


def test_progress_is_told_in_bytes(registry: Registry, name: str) -> None:
    data, moved = os.urandom(200_000), []
    registry.push_blob(
        name, Digest.of(data), len(data), Sources(data), buffer=new_buffer(64 * 1024), moved=moved.append
    )
    assert sum(moved) == len(data)


def test_a_blob_that_was_never_pushed_is_not_there(registry: Registry, name: str) -> None:
    push(registry, name, b"something")
    digest = Digest.of(b"something else")
    assert not registry.has_blob(name, digest, 14)
    with pytest.raises(RegistryError), registry.open_blob(name, digest, 14) as blob:
        blob.readinto(new_buffer(1))


def test_a_blob_of_another_size_is_an_error(registry: Registry, name: str) -> None:
    digest = push(registry, name, b"something")
    with pytest.raises(RegistryError):
        registry.has_blob(name, digest, 8)


@pytest.mark.parametrize("wrong", [b"s0mething", b"somethin", b"something more"])
def test_wrong_bytes_never_become_a_blob(registry: Registry, name: str, wrong: bytes) -> None:
    digest = Digest.of(b"something")
    with pytest.raises(ContentMismatchError):
        registry.push_blob(name, digest, 9, Sources(wrong), buffer=new_buffer(4))
    assert not registry.has_blob(name, digest, 9)


def test_a_mounted_blob_is_there_without_an_upload(registry: Registry, name: str) -> None:
    digest = push(registry, f"{name}/source", b"shared")
    assert registry.mount_blob(f"{name}/target", digest, f"{name}/source")
    assert pull(registry, f"{name}/target", digest, 6) == b"shared"


def test_what_is_not_there_cannot_be_mounted(registry: Registry, name: str) -> None:
    push(registry, f"{name}/source", b"other")
    assert not registry.mount_blob(f"{name}/target", Digest.of(b"shared"), f"{name}/source")


def test_manifests_keep_their_bytes_and_types(registry: Registry, name: str) -> None:
    for (path, tag), image in corpus().tags.items():
        repository = f"{name}/{path}"
        image.push_to(registry, repository, tag)
        assert registry.get_manifest(repository, tag) == image.root
        assert registry.head_manifest(repository, tag) == image.root.descriptor
        for document in image.all_documents():
            assert registry.get_manifest(repository, document.descriptor.digest) == document


def test_pushing_twice_changes_nothing(registry: Registry, name: str) -> None:
    image = multi_arch_image("seed")
    image.push_to(registry, name, "1")
    image.push_to(registry, name, "1")
    assert registry.list_tags(name) == ("1",)
    assert registry.get_manifest(name, "1") == image.root


def test_unknown_things_are_none_and_not_errors(registry: Registry, name: str) -> None:
    assert registry.head_manifest(name, "1") is None
    assert registry.get_manifest(name, "1") is None
    assert registry.get_manifest(name, Digest.of(b"x")) is None
    assert registry.list_tags(name) == ()
    assert registry.list_referrers(name, Digest.of(b"x")) == ()
    assert not registry.delete_tag(name, "1")


def test_a_manifest_without_its_parts_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(RegistryError):
        registry.put_manifest(name, "1", single_image("seed").root)
    assert registry.head_manifest(name, "1") is None


def test_a_tag_moves(registry: Registry, name: str) -> None:
    one, two = single_image("one"), single_image("two")
    one.push_to(registry, name, "1")
    two.push_to(registry, name, "1")
    assert registry.get_manifest(name, "1") == two.root
    assert registry.get_manifest(name, one.digest) == one.root


def test_deleting_a_tag_never_deletes_what_it_named(registry: Registry, name: str) -> None:
    image = single_image("one")
    image.push_to(registry, name, "1")
    image.push_to(registry, name, "2")
    gone = registry.delete_tag(name, "1")
    assert (registry.head_manifest(name, "1") is None) == gone
    assert registry.get_manifest(name, "2") == image.root
    assert registry.get_manifest(name, image.digest) == image.root


def test_all_tags_are_listed(registry: Registry, name: str) -> None:
    image = single_image("one")
    image.push_to(registry, name, "0")
    tags = {"0", *(f"v{n}.{n}" for n in range(30))}
    for tag in tags - {"0"}:
        registry.put_manifest(name, tag, image.root)
    assert set(registry.list_tags(name)) == tags


def test_what_is_attached_is_found_from_its_subject(registry: Registry, name: str) -> None:
    image = multi_arch_image("one")
    attached = [referrer(image.root, "one"), referrer(image.root, "two", artifact_type="application/vnd.acme+json")]
    image.with_referrers(*attached).push_to(registry, name, "1")
    found = registry.list_referrers(name, image.digest)
    assert {descriptor.digest for descriptor in found} == {each.digest for each in attached}
    assert {descriptor.size for descriptor in found} == {len(each.root.raw) for each in attached}


def test_attaching_twice_lists_once(registry: Registry, name: str) -> None:
    image = single_image("one")
    attached = image.with_referrers(referrer(image.root, "one"))
    attached.push_to(registry, name, "1")
    attached.push_to(registry, name, "1")
    assert len(registry.list_referrers(name, image.digest)) == 1


def test_many_threads_may_share_it(registry: Registry, name: str) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(3):
                data = f"{number} {turn}".encode() * 5000
                assert pull(registry, name, push(registry, name, data), len(data)) == data
                push(registry, name, b"the same for all" * 5000)
        except (RegistryError, AssertionError, ContentMismatchError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
