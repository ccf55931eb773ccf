"""The registry in a directory: what is visible where, what survives, what is refused."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.images import multi_arch_image, referrer, single_image

from airgap_bundle.core.content import BytesSource, ContentMismatchError, Digest, new_buffer
from airgap_bundle.core.errors import HostError, InvalidValueError, RegistryError, UsageError
from airgap_bundle.core.oci import OCI_INDEX, OCI_MANIFEST, Document, parse_document
from airgap_bundle.registry.store import DirectoryRegistry
from airgap_bundle.registry.uploads import TooManyUploadsError, UploadBusyError, Uploads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARK = "0123456789ab"  # a caller


@pytest.fixture
def registry(tmp_path: Path) -> DirectoryRegistry:
    return DirectoryRegistry(tmp_path / "registry")


def push(registry: DirectoryRegistry, repository: str, data: bytes, *, algorithm: str = "sha256") -> Digest:
    digest = Digest.of(data, algorithm)
    source = partial(nullcontext, BytesSource(data))
    registry.push_blob(repository, digest, len(data), source, buffer=new_buffer(4096))
    return digest


def read(registry: DirectoryRegistry, repository: str, digest: Digest, size: int) -> bytes:
    buffer = bytearray(size + 1)
    with registry.open_blob(repository, digest, size) as blob:
        return bytes(buffer[: blob.readinto(memoryview(buffer))])


def stored_files(registry: DirectoryRegistry) -> list[Path]:
    return [path for path in (registry.storage.root / "blobs").rglob("*") if path.is_file()]


def manifest_with(**fields: object) -> Document:
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest.of(b"{}"), "size": 2}
    value = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], **fields}
    return parse_document(json.dumps(value).encode())


class TestBlobs:
    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_a_blob_comes_back_as_it_was(self, registry: DirectoryRegistry, algorithm: str) -> None:
        digest = push(registry, "a/b", b"some content", algorithm=algorithm)
        assert read(registry, "a/b", digest, 12) == b"some content"

    def test_a_blob_of_no_bytes_can_be_stored(self, registry: DirectoryRegistry) -> None:
        assert registry.has_blob("a", push(registry, "a", b""), 0)

    def test_a_blob_is_visible_only_where_it_was_pushed(self, registry: DirectoryRegistry) -> None:
        digest = push(registry, "a", b"content")
        assert not registry.has_blob("b", digest, 7)
        with pytest.raises(RegistryError, match="holds no blob") as caught:
            registry.open_blob("b", digest, 7)
        assert caught.value.code == "AB-STORE-BLOB-UNKNOWN"

    def test_a_mounted_blob_is_visible_and_stored_once(self, registry: DirectoryRegistry) -> None:
        digest = push(registry, "a", b"content")
        assert registry.mount_blob("b", digest, "a")
        assert registry.has_blob("b", digest, 7)
        assert len(stored_files(registry)) == 1

    def test_a_blob_cannot_be_mounted_from_where_it_is_not(self, registry: DirectoryRegistry) -> None:
        digest = push(registry, "a", b"content")
        assert not registry.mount_blob("b", digest, "c")
        assert not registry.has_blob("b", digest, 7)

    def test_wrong_bytes_are_never_stored(self, registry: DirectoryRegistry) -> None:
        digest = Digest.of(b"content")
        with pytest.raises(ContentMismatchError):
            registry.push_blob("a", digest, 7, partial(nullcontext, BytesSource(b"c0ntent")), buffer=new_buffer(2))
        assert not registry.has_blob("a", digest, 7)
        assert [*stored_files(registry), *(registry.storage.root / "scratch").iterdir()] == []

    def test_a_source_that_fails_leaves_nothing_behind(self, registry: DirectoryRegistry) -> None:
        class Broken:
            def readinto(self, buffer: memoryview, /) -> int:
                raise InterruptedError("gone")

        with pytest.raises(InterruptedError, match="gone"):
            registry.push_blob("a", Digest.of(b"content"), 7, partial(nullcontext, Broken()), buffer=new_buffer(2))
        assert list((registry.storage.root / "scratch").iterdir()) == []

    def test_pushing_again_heals_a_damaged_blob(self, registry: DirectoryRegistry) -> None:
        digest = push(registry, "a", b"content")
        stored_files(registry)[0].write_bytes(b"CONTENT")
        push(registry, "a", b"content")
        assert read(registry, "a", digest, 7) == b"content"

    def test_another_size_than_expected_is_an_error(self, registry: DirectoryRegistry) -> None:
        digest = push(registry, "a", b"content")
        for ask in (registry.has_blob, registry.open_blob):
            with pytest.raises(RegistryError, match="7 bytes") as caught:
                ask("a", digest, 8)
            assert caught.value.code == "AB-STORE-SIZE"

    def test_many_threads_pushing_one_blob_store_it_once(self, registry: DirectoryRegistry) -> None:
        data = os.urandom(200_000)
        threads = [threading.Thread(target=push, args=(registry, f"r{n}", data)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [path.read_bytes() for path in stored_files(registry)] == [data]
        assert all(registry.has_blob(f"r{n}", Digest.of(data), len(data)) for n in range(8))

    def test_blobs_are_sharded_by_two_digits(self, registry: DirectoryRegistry) -> None:
        digest = push(registry, "a", b"content")
        assert stored_files(registry) == [
            registry.storage.root / "blobs" / "sha256" / digest.encoded[:2] / digest.encoded
        ]

    @pytest.mark.parametrize("name", ["../a", "a/../b", "/a", "A", "a//b", "a/_blobs", ".", "", "a\n"])
    def test_what_is_no_repository_name_becomes_no_path(self, registry: DirectoryRegistry, name: str) -> None:
        with pytest.raises(InvalidValueError):
            registry.has_blob(name, Digest.of(b""), 0)
        with pytest.raises(InvalidValueError):
            registry.mount_blob("a", Digest.of(b""), name)


class TestManifests:
    def test_an_image_comes_back_byte_for_byte(self, registry: DirectoryRegistry) -> None:
        image = multi_arch_image("seed")
        image.push_to(registry, "acme/app", "1.0")
        for document in image.all_documents():
            found = registry.get_manifest("acme/app", document.descriptor.digest)
            assert found == document
        head = registry.head_manifest("acme/app", "1.0")
        assert head == image.root.descriptor

    def test_what_was_stored_is_there_for_the_next_process(self, registry: DirectoryRegistry) -> None:
        image = single_image("seed")
        image.push_to(registry, "acme/app", "1.0")
        again = DirectoryRegistry(registry.storage.root)
        assert again.get_manifest("acme/app", "1.0") == image.root

    def test_a_manifest_can_be_kept_under_sha512(self, registry: DirectoryRegistry) -> None:
        image = single_image("seed")
        image.push_to(registry, "a", "1")
        digest = Digest.of(image.root.raw, "sha512")
        registry.put_manifest("a", digest, image.root)
        found = registry.get_manifest("a", digest)
        assert found is not None
        assert (found.raw, found.descriptor.digest) == (image.root.raw, digest)

    def test_unknown_things_are_none(self, registry: DirectoryRegistry) -> None:
        assert registry.head_manifest("a", "1") is None
        assert registry.get_manifest("a", Digest.of(b"x")) is None
        assert registry.list_tags("a") == ()
        assert registry.list_referrers("a", Digest.of(b"x")) == ()
        assert not registry.delete_tag("a", "1")
        assert not registry.delete_manifest("a", Digest.of(b"x"))
        assert not (registry.storage.root / "repositories").exists()

    def test_a_manifest_without_its_blobs_is_refused(self, registry: DirectoryRegistry) -> None:
        image = single_image("seed")
        with pytest.raises(RegistryError) as caught:
            registry.put_manifest("a", "1", image.root)
        assert caught.value.code == "AB-STORE-INCOMPLETE"
        assert registry.head_manifest("a", "1") is None

    def test_blobs_of_another_repository_do_not_count(self, registry: DirectoryRegistry) -> None:
        image = single_image("seed")
        image.push_to(registry, "a", "1")
        with pytest.raises(RegistryError, match="does not hold"):
            registry.put_manifest("b", "1", image.root)

    def test_an_index_without_its_children_is_refused(self, registry: DirectoryRegistry) -> None:
        with pytest.raises(RegistryError) as caught:
            registry.put_manifest("a", "1", multi_arch_image("seed").root)
        assert caught.value.code == "AB-STORE-INCOMPLETE"

    def test_an_index_may_point_at_plain_blobs(self, registry: DirectoryRegistry) -> None:
        digest = push(registry, "a", b"cache")
        entry = {"mediaType": "application/vnd.buildkit.cacheconfig.v0", "digest": digest, "size": 5}
        raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
        registry.put_manifest("a", "1", parse_document(raw))
        assert registry.list_tags("a") == ("1",)

    def test_layers_that_are_not_to_be_distributed_may_stay_away(self, registry: DirectoryRegistry) -> None:
        push(registry, "a", b"{}")
        media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        layer = {"mediaType": media_type, "digest": Digest.of(b"foreign"), "size": 7}
        registry.put_manifest("a", "1", manifest_with(layers=[layer]))
        assert registry.list_tags("a") == ("1",)

    def test_a_blob_of_another_size_than_the_manifest_says_is_refused(self, registry: DirectoryRegistry) -> None:
        push(registry, "a", b"{}")
        layer = {"mediaType": "application/octet-stream", "digest": push(registry, "a", b"layer"), "size": 6}
        with pytest.raises(RegistryError) as caught:
            registry.put_manifest("a", "1", manifest_with(layers=[layer]))
        assert caught.value.code == "AB-STORE-SIZE"

    def test_a_digest_of_other_bytes_is_refused(self, registry: DirectoryRegistry) -> None:
        push(registry, "a", b"{}")
        with pytest.raises(RegistryError) as caught:
            registry.put_manifest("a", Digest.of(b"other"), manifest_with())
        assert caught.value.code == "AB-STORE-DIGEST"

    def test_a_damaged_manifest_is_never_handed_on(self, registry: DirectoryRegistry) -> None:
        image = single_image("seed")
        image.push_to(registry, "a", "1")
        registry.storage.contents.path(image.digest).write_bytes(b"x" * len(image.root.raw))
        with pytest.raises(RegistryError) as caught:
            registry.get_manifest("a", "1")
        assert caught.value.code == "AB-STORE-DAMAGED"

    @pytest.mark.parametrize("place", ["_manifests", "_referrers"])
    def test_a_damaged_entry_is_an_error(self, registry: DirectoryRegistry, place: str) -> None:
        image = single_image("seed")
        image.with_referrers(referrer(image.root, "sbom")).push_to(registry, "a", "1")
        for path in (registry.storage.root / "repositories" / "a" / place).rglob("*-*"):
            if path.is_file():
                path.write_bytes(b"\xff")
        ask = registry.get_manifest if place == "_manifests" else registry.list_referrers
        with pytest.raises(RegistryError) as caught:
            ask("a", image.digest)
        assert caught.value.code == "AB-STORE-DAMAGED"

    def test_a_damaged_tag_is_an_error_and_not_a_missing_tag(self, registry: DirectoryRegistry) -> None:
        single_image("seed").push_to(registry, "a", "1")
        (registry.storage.root / "repositories" / "a" / "_tags" / "1").write_bytes(b"")
        with pytest.raises(RegistryError) as caught:
            registry.head_manifest("a", "1")
        assert caught.value.code == "AB-STORE-DAMAGED"


class TestTags:
    def test_tags_that_differ_in_case_are_different_tags(self, registry: DirectoryRegistry) -> None:
        one, two = single_image("one"), single_image("two")
        one.push_to(registry, "a", "V1-rc")
        two.push_to(registry, "a", "v1-RC")
        assert registry.list_tags("a") == ("V1-rc", "v1-RC")
        assert registry.get_manifest("a", "V1-rc") == one.root
        names = [path.name.lower() for path in (registry.storage.root / "repositories" / "a" / "_tags").iterdir()]
        assert len(set(names)) == 2

    def test_the_longest_tag_in_capitals_fits(self, registry: DirectoryRegistry) -> None:
        single_image("one").push_to(registry, "a", "X" * 128)
        assert registry.list_tags("a") == ("X" * 128,)

    def test_a_tag_moves_to_another_manifest(self, registry: DirectoryRegistry) -> None:
        one, two = single_image("one"), single_image("two")
        one.push_to(registry, "a", "1")
        two.push_to(registry, "a", "1")
        assert registry.head_manifest("a", "1") == two.root.descriptor
        assert registry.head_manifest("a", one.digest) == one.root.descriptor

    def test_deleting_a_tag_leaves_what_it_named(self, registry: DirectoryRegistry) -> None:
        image = single_image("one")
        image.push_to(registry, "a", "1")
        image.push_to(registry, "a", "2")
        assert registry.delete_tag("a", "1")
        assert registry.list_tags("a") == ("2",)
        assert registry.head_manifest("a", image.digest) is not None

    def test_deleting_a_manifest_takes_every_tag_on_it(self, registry: DirectoryRegistry) -> None:
        one, two = single_image("one"), single_image("two")
        one.push_to(registry, "a", "1")
        one.push_to(registry, "a", "1.0")
        two.push_to(registry, "a", "2")
        assert registry.delete_manifest("a", one.digest)
        assert registry.list_tags("a") == ("2",)
        assert registry.head_manifest("a", one.digest) is None

    def test_readers_see_a_moving_tag_on_one_of_its_manifests(self, registry: DirectoryRegistry) -> None:
        images = [single_image("one"), single_image("two")]
        for image in images:
            image.push_to(registry, "a", "1")
        done = threading.Event()

        def move() -> None:
            for n in range(20):
                registry.put_manifest("a", "1", images[n % 2].root)
            done.set()

        thread = threading.Thread(target=move)
        thread.start()
        seen = set()
        while not done.is_set():
            found = registry.get_manifest("a", "1")
            assert found is not None
            seen.add(found.descriptor.digest)
        thread.join()
        assert seen <= {image.digest for image in images}


class TestReferrers:
    def test_what_is_attached_is_listed_with_its_annotations(self, registry: DirectoryRegistry) -> None:
        image = single_image("one")
        attached = referrer(image.root, "sbom")
        image.with_referrers(attached).push_to(registry, "a", "1")
        (found,) = registry.list_referrers("a", image.digest)
        assert found == attached.root.descriptor
        assert dict(found.annotations) == attached.root.value.get("annotations", {})

    def test_a_referrer_may_come_before_its_subject(self, registry: DirectoryRegistry) -> None:
        image = single_image("one")
        referrer(image.root, "sbom").push_to(registry, "a")
        assert len(registry.list_referrers("a", image.digest)) == 1

    def test_a_deleted_referrer_is_no_longer_listed(self, registry: DirectoryRegistry) -> None:
        image = single_image("one")
        attached = referrer(image.root, "sbom")
        image.with_referrers(attached).push_to(registry, "a", "1")
        assert registry.delete_manifest("a", attached.digest)
        assert registry.list_referrers("a", image.digest) == ()

    def test_annotations_that_no_list_can_show_are_refused(self, registry: DirectoryRegistry) -> None:
        push(registry, "a", b"{}")
        subject = {"mediaType": OCI_MANIFEST, "digest": Digest.of(b"subject"), "size": 7}
        with pytest.raises(RegistryError) as caught:
            registry.put_manifest("a", "1", manifest_with(subject=subject, annotations={"n": 1}))
        assert caught.value.code == "AB-STORE-MANIFEST"


class TestRepositories:
    def test_nested_repositories_are_kept_apart(self, registry: DirectoryRegistry) -> None:
        single_image("one").push_to(registry, "a", "1")
        single_image("two").push_to(registry, "a/b", "2")
        single_image("three").push_to(registry, "a/b/c-d", "3")
        assert registry.storage.repositories() == ["a", "a/b", "a/b/c-d"]
        assert registry.list_tags("a") == ("1",)

    def test_a_path_that_only_leads_to_repositories_is_none(self, registry: DirectoryRegistry) -> None:
        single_image("two").push_to(registry, "a/b", "2")
        assert not registry.storage.has_repository("a")


class TestTheDirectory:
    def test_it_is_made_with_the_directories_above_it(self, tmp_path: Path) -> None:
        registry = DirectoryRegistry(tmp_path / "x" / "y")
        registry.ping()
        assert registry.name == f"dir:{tmp_path}/x/y"
        assert json.loads((tmp_path / "x" / "y" / "registry.json").read_bytes())["version"] == 1
        registry.close()

    def test_without_make_it_is_made_by_the_first_that_writes(self, tmp_path: Path) -> None:
        registry = DirectoryRegistry(tmp_path / "new", make=False)
        digest = Digest.of(b"content")
        assert registry.head_manifest("a", "1") is None
        assert registry.list_tags("a") == registry.list_referrers("a", digest) == ()
        assert not registry.has_blob("a", digest, 7)
        assert not registry.mount_blob("a", digest, "b")
        assert not registry.delete_tag("a", "1")
        assert not (tmp_path / "new").exists()
        assert push(registry, "a", b"content") == digest
        assert DirectoryRegistry(tmp_path / "new", make=False).has_blob("a", digest, 7)

    def test_without_make_a_directory_with_other_things_is_refused_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("x")
        with pytest.raises(UsageError, match=r"thesis\.tex"):
            DirectoryRegistry(tmp_path, make=False)

    def test_an_empty_directory_becomes_one(self, tmp_path: Path) -> None:
        (tmp_path / "lost+found").mkdir()
        DirectoryRegistry(tmp_path)
        assert (tmp_path / "registry.json").exists()

    def test_a_directory_with_other_things_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("x")
        with pytest.raises(UsageError, match=r"thesis\.tex") as caught:
            DirectoryRegistry(tmp_path)
        assert caught.value.code == "AB-STORE-FOREIGN"
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(UsageError, match="not a directory"):
            DirectoryRegistry(tmp_path / "file")

    @pytest.mark.parametrize(
        "text", ['{"format":"airgap-bundle-registry","version":2}', '{"format":"x","version":1}', "{", "[]", "x" * 9999]
    )
    def test_another_layout_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "registry.json").write_text(text)
        with pytest.raises(RegistryError) as caught:
            DirectoryRegistry(tmp_path)
        assert caught.value.code == "AB-STORE-LAYOUT"

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
    def test_a_directory_that_may_not_be_written_is_named(self, registry: DirectoryRegistry) -> None:
        scratch = registry.storage.contents.scratch
        scratch.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            with pytest.raises(HostError, match="Permission") as caught:
                push(registry, "a", b"content")
        finally:
            scratch.chmod(0o755)
        assert caught.value.code == "AB-STORE-PERMISSION"

    def test_a_missing_scratch_directory_is_an_error_of_this_machine(self, registry: DirectoryRegistry) -> None:
        registry.storage.contents.scratch.rmdir()
        with pytest.raises(HostError) as caught:
            push(registry, "a", b"content")
        assert caught.value.code == "AB-STORE-IO"

    def test_many_processes_may_open_a_new_one_at_once(self, tmp_path: Path) -> None:
        failures: list[Exception] = []

        def open_it() -> None:
            try:
                DirectoryRegistry(tmp_path / "new")
            except (UsageError, RegistryError, HostError) as error:
                failures.append(error)

        threads = [threading.Thread(target=open_it) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


@pytest.fixture
def uploads(registry: DirectoryRegistry) -> Iterator[Uploads]:
    return Uploads(registry.storage.contents, limit=3, idle_seconds=60)


class TestUploads:
    def test_pieces_become_one_blob(self, registry: DirectoryRegistry, uploads: Uploads) -> None:
        identifier = uploads.start("a", mark=MARK)
        for piece in (b"first ", b"second ", b"third"):
            with uploads.open("a", identifier) as upload:
                assert upload is not None
                upload.append(BytesSource(piece), buffer=new_buffer(3))
        digest = Digest.of(b"first second third")
        with uploads.open("a", identifier) as upload:
            assert upload is not None
            assert upload.offset == 18
            upload.finish(digest, buffer=new_buffer(3))
        assert registry.storage.contents.size(digest) == 18
        with uploads.open("a", identifier) as upload:
            assert upload is None

    def test_another_process_can_finish(self, registry: DirectoryRegistry, uploads: Uploads) -> None:
        identifier = uploads.start("a", mark=MARK)
        with uploads.open("a", identifier) as upload:
            assert upload is not None
            upload.append(BytesSource(b"half "), buffer=new_buffer(3))
        with Uploads(registry.storage.contents).open("a", identifier) as upload:
            assert upload is not None
            upload.append(BytesSource(b"done"), buffer=new_buffer(3))
            upload.finish(Digest.of(b"half done", "sha512"), buffer=new_buffer(3))
        assert registry.storage.contents.size(Digest.of(b"half done", "sha512")) == 9

    def test_wrong_bytes_end_the_upload_and_store_nothing(self, registry: DirectoryRegistry, uploads: Uploads) -> None:
        identifier = uploads.start("a", mark=MARK)
        with uploads.open("a", identifier) as upload:
            assert upload is not None
            upload.append(BytesSource(b"wrong"), buffer=new_buffer(3))
            with pytest.raises(ContentMismatchError):
                upload.finish(Digest.of(b"right"), buffer=new_buffer(3))
        assert stored_files(registry) == []
        assert list((registry.storage.root / "uploads").iterdir()) == []

    def test_an_upload_belongs_to_its_repository(self, uploads: Uploads) -> None:
        identifier = uploads.start("a", mark=MARK)
        with uploads.open("b", identifier) as upload:
            assert upload is None

    @pytest.mark.parametrize("name", ["", "..", "../x", "x", "A" * 36])
    def test_what_is_no_identifier_becomes_no_path(self, uploads: Uploads, name: str) -> None:
        with uploads.open("a", name) as upload:
            assert upload is None

    def test_two_writers_at_once_are_refused(self, uploads: Uploads) -> None:
        identifier = uploads.start("a", mark=MARK)
        with uploads.open("a", identifier), pytest.raises(UploadBusyError), uploads.open("a", identifier):
            pass

    def test_their_number_is_bounded(self, uploads: Uploads) -> None:
        for _ in range(3):
            uploads.start("a", mark=MARK)
        with pytest.raises(TooManyUploadsError):
            uploads.start("a", mark=MARK)

    def test_abandoned_ones_make_room(self, registry: DirectoryRegistry, uploads: Uploads) -> None:
        for _ in range(3):
            uploads.start("a", mark=MARK)
        an_hour_ago = time.time() - 3600
        for path in (registry.storage.root / "uploads").iterdir():
            os.utime(path, (an_hour_ago, an_hour_ago))
        uploads.start("a", mark=MARK)
        assert len(list((registry.storage.root / "uploads").iterdir())) == 1

    def test_one_that_is_being_written_is_not_swept_however_slow(
        self, registry: DirectoryRegistry, uploads: Uploads
    ) -> None:
        identifiers = [uploads.start("a", mark=MARK) for _ in range(3)]
        an_hour_ago = time.time() - 3600
        for path in (registry.storage.root / "uploads").iterdir():
            os.utime(path, (an_hour_ago, an_hour_ago))
        with uploads.open("a", identifiers[0]):
            uploads.start("a", mark=MARK)
            names = [path.name.partition(".")[0] for path in (registry.storage.root / "uploads").iterdir()]
        assert identifiers[0] in names

    def test_what_a_killed_process_left_is_swept(self, registry: DirectoryRegistry, uploads: Uploads) -> None:
        left = registry.storage.contents.scratch / "scratch-of-somebody"
        left.write_bytes(b"half")
        os.utime(left, (0, 0))
        uploads.start("a", mark=MARK)
        assert not left.exists()

    def test_what_came_before_a_source_failed_is_kept(self, uploads: Uploads) -> None:
        class Cut:
            done = False

            def readinto(self, buffer: memoryview, /) -> int:
                if self.done:
                    raise InterruptedError("cut")
                self.done = True
                buffer[:4] = b"kept"
                return 4

        identifier = uploads.start("a", mark=MARK)
        with uploads.open("a", identifier) as upload:
            assert upload is not None
            with pytest.raises(InterruptedError):
                upload.append(Cut(), buffer=new_buffer(100))
        with uploads.open("a", identifier) as upload:
            assert upload is not None
            assert upload.offset == 4
            upload.finish(Digest.of(b"kept"), buffer=new_buffer(100))
