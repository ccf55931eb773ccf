"""What is set free in a registry directory, and above all what is not."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.images import multi_arch_image, referrer, single_image

from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry.collection import Collection, Collector
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from support.images import ImageContent

    from airgap_bundle.core.content import Digest

NAME = "acme/app"
NOW = time.time() + 1000.0


@pytest.fixture
def registry(tmp_path: Path) -> DirectoryRegistry:
    return DirectoryRegistry(tmp_path / "registry")


def collect(registry: DirectoryRegistry, *, older_than: float = NOW, **needed: frozenset[Digest]) -> Collection:
    collector = Collector(
        registry.storage, older_than=older_than, needed={name.replace("_", "/"): some for name, some in needed.items()}
    )
    return collector.run(collector.plan())


def everything(registry: DirectoryRegistry) -> set[Digest]:
    return {digest for digest, _ in registry.storage.contents.all_digests()}


def age(root: Path, seconds: float) -> None:
    """Let everything be older than it is."""
    then = time.time() - seconds
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def test_what_a_tag_reaches_stays_whole(registry: DirectoryRegistry) -> None:
    image = multi_arch_image("seed")
    image.push_to(registry, NAME, "1")
    before = everything(registry)
    assert collect(registry) == Collection(repositories=(), contents=(), total_bytes=0)
    assert everything(registry) == before


def test_what_is_attached_stays_and_what_is_attached_to_that(registry: DirectoryRegistry) -> None:
    image = single_image("seed")
    image.push_to(registry, NAME, "1")
    signature = referrer(image.root)
    signature.push_to(registry, NAME)
    second = referrer(signature.root, artifact_type="application/vnd.example.second")
    second.push_to(registry, NAME)
    assert collect(registry).contents == ()
    assert len(registry.list_referrers(NAME, signature.digest)) == 1


def test_without_its_tag_an_image_goes_with_all_that_is_attached(registry: DirectoryRegistry) -> None:
    gone, stays = multi_arch_image("gone"), single_image("stays")
    gone.push_to(registry, NAME, "1")
    referrer(gone.root).push_to(registry, NAME)
    stays.push_to(registry, NAME, "2")
    registry.delete_tag(NAME, "1")
    collected = collect(registry)
    assert collected.total_bytes > 0
    assert registry.get_manifest(NAME, gone.digest) is None
    assert registry.list_referrers(NAME, gone.digest) == ()
    assert registry.get_manifest(NAME, "2") is not None
    for blob in stays.root.blobs:
        assert registry.has_blob(NAME, blob.digest, blob.size)
    assert everything(registry) == {stays.digest, *(blob.digest for blob in stays.root.blobs)}
    assert collect(registry) == Collection(repositories=(), contents=(), total_bytes=0)


def test_a_plan_changes_nothing_and_names_what_goes(registry: DirectoryRegistry) -> None:
    single_image("gone").push_to(registry, NAME, "1")
    registry.delete_tag(NAME, "1")
    before = everything(registry)
    collector = Collector(registry.storage, older_than=NOW)
    plan = collector.plan()
    assert everything(registry) == before == set(plan.contents)
    assert collector.run(plan) == plan


def test_content_that_another_repository_holds_stays(registry: DirectoryRegistry) -> None:
    image = single_image("shared")
    image.push_to(registry, NAME, "1")
    image.push_to(registry, "other/app", "1")
    registry.delete_tag(NAME, "1")
    collected = collect(registry)
    assert [waste.repository for waste in collected.repositories] == [NAME]
    assert collected.contents == ()
    assert registry.get_manifest(NAME, image.digest) is None
    assert registry.get_manifest("other/app", "1") is not None


def test_what_somebody_needs_stays_without_a_tag(registry: DirectoryRegistry) -> None:
    image = multi_arch_image("needed")
    image.push_to(registry, NAME, "1")
    registry.delete_tag(NAME, "1")
    assert collect(registry, acme_app=frozenset({image.digest})).contents == ()
    assert collect(registry).contents != ()


def test_what_is_young_stays(registry: DirectoryRegistry) -> None:
    image = single_image("young")
    image.push_to(registry, NAME, "1")
    registry.delete_tag(NAME, "1")
    assert collect(registry, older_than=time.time() - 60).contents == ()


def test_a_blob_that_was_asked_for_stays(registry: DirectoryRegistry, tmp_path: Path) -> None:
    image = single_image("asked")
    image.push_to(registry, NAME, "1")
    registry.delete_tag(NAME, "1")
    age(tmp_path, 5000)
    config, layer = image.root.blobs[0], image.root.blobs[-1]
    assert registry.has_blob(NAME, layer.digest, layer.size)
    collect(registry, older_than=time.time() - 1000)
    assert registry.has_blob(NAME, layer.digest, layer.size)
    assert not registry.has_blob(NAME, config.digest, config.size)


def test_what_came_after_the_plan_stays(registry: DirectoryRegistry) -> None:
    image = multi_arch_image("again")
    image.push_to(registry, NAME, "1")
    registry.delete_tag(NAME, "1")
    collector = Collector(registry.storage, older_than=NOW)
    plan = collector.plan()
    registry.put_manifest(NAME, "back", image.root)
    assert collector.run(plan).contents == ()
    assert registry.get_manifest(NAME, "back") is not None


def test_a_repository_with_a_damaged_manifest_is_left_alone(registry: DirectoryRegistry) -> None:
    damaged, gone = single_image("damaged"), single_image("gone")
    damaged.push_to(registry, NAME, "1")
    gone.push_to(registry, NAME, "2")
    gone.push_to(registry, "other/app", "2")
    registry.delete_tag(NAME, "2")
    registry.delete_tag("other/app", "2")
    registry.storage.contents.path(damaged.digest).write_bytes(b"{}")
    collected = collect(registry)
    assert collected.damaged == (NAME,)
    assert [waste.repository for waste in collected.repositories] == ["other/app"]
    assert registry.get_manifest(NAME, gone.digest) is not None


def test_killed_at_any_moment_it_leaves_a_whole_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class KilledError(Exception):
        pass

    ends_after = 0
    while True:
        registry = DirectoryRegistry(tmp_path / str(ends_after))
        stays, gone = single_image("stays"), multi_arch_image("gone")
        stays.push_to(registry, NAME, "1")
        gone.push_to(registry, NAME, "2")
        registry.delete_tag(NAME, "2")
        left = ends_after
        with monkeypatch.context() as patch:

            def counted(name: str, patch: pytest.MonkeyPatch = patch) -> None:
                real = getattr(os, name)

                def call(*arguments: object, **named: object) -> object:
                    nonlocal left
                    if left == 0:
                        raise KilledError
                    left -= 1
                    return real(*arguments, **named)

                patch.setattr(os, name, call)

            counted("rename")
            counted("unlink")
            try:
                collect(registry)
                was_killed = False
            except KilledError:
                was_killed = True
        # What can be found can be pulled.
        for digest in registry.storage.entries(NAME, "_manifests"):  # type: ignore[arg-type]  # its value
            document = registry.get_manifest(NAME, digest)
            assert document is not None
            for blob in document.blobs:
                assert registry.has_blob(NAME, blob.digest, blob.size)
            for child in document.children:
                assert registry.head_manifest(NAME, child.descriptor.digest) is not None
        collect(registry)
        assert everything(registry) == {stays.digest, *(blob.digest for blob in stays.root.blobs)}
        if not was_killed:
            break
        ends_after += 1
    assert ends_after > 5


def test_nothing_is_lost_while_others_push(registry: DirectoryRegistry) -> None:
    stop = threading.Event()
    failures: list[str] = []

    def push(number: int) -> None:
        image = single_image(f"busy-{number}")
        while not stop.is_set():
            try:
                image.push_to(registry, NAME, f"t{number}")
            except RegistryError as error:
                failures.append(str(error))
            failures.extend(_lost(registry, image))
            registry.delete_tag(NAME, f"t{number}")
            _let_be_old(registry, image)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 1.5
    gone = 0
    while time.monotonic() < deadline:
        gone += len(collect(registry, older_than=time.time() - 60).contents)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert gone > 0


def _lost(registry: DirectoryRegistry, image: ImageContent) -> list[str]:
    return [blob.digest for blob in image.root.blobs if not registry.has_blob(NAME, blob.digest, blob.size)]


def _let_be_old(registry: DirectoryRegistry, image: ImageContent) -> None:
    then = time.time() - 5000
    storage = registry.storage
    for digest in (image.digest, *(blob.digest for blob in image.root.blobs)):
        for path in (
            storage.contents.path(digest),
            storage._blob_entry(NAME, digest),
            storage._manifest_entry(NAME, digest),
        ):
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (then, then))
