"""Images in files of other tools: read in place, carried byte for byte, or refused in one sentence."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from support.content import pointer
from support.images import artifact, cosign_signature, multi_arch_image, signed_referrer, single_image
from support.trip import Trip, make_trip, run

from airgap_bundle.core.content import Digest
from airgap_bundle.core.oci import OCI_INDEX
from airgap_bundle.manifest.lock import parse_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.content import ImageContent
    from support.trip import Said

    from airgap_bundle.manifest.locked import LockedItem

NAME = "registry.example/acme/app:1.0"


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


def locked(trip: Trip) -> LockedItem:
    (item,) = parse_lock((trip.path / "acme.lock.yaml").read_bytes(), "acme.lock.yaml").items
    return item


def write(trip: Trip, image: str, more: str = "") -> None:
    trip.write_manifest("images:", f"  - {{image: '{image}'{more}}}")


def assert_refused(said: Said, status: int, code: str, word: str) -> None:
    assert (said.status, said.out) == (status, ""), said.text
    assert f"explain {code}" in said.text, said.text
    assert word in said.text, said.text


def layout(*images: tuple[ImageContent, str]) -> dict[str, bytes]:
    """An OCI image layout of these images and what is attached to them, as files; a name of "" gives none."""
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    entries: list[dict[str, Any]] = []
    for image, name in images:
        note = {"annotations": {"org.opencontainers.image.ref.name": name}} if name else {}
        entries.append({**pointer(image.root), **note})
        waiting = list(image.referrers)
        while waiting:
            attached = waiting.pop()
            entries.append(pointer(attached.root))
            waiting += attached.referrers
        held = image.all_blobs() | {each.descriptor.digest: each.raw for each in image.all_documents()}
        files |= {f"blobs/sha256/{digest.encoded}": data for digest, data in held.items()}
    files["index.json"] = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    return files


def docker(*images: tuple[ImageContent, str]) -> dict[str, bytes]:
    """A docker archive as `docker save` writes it: uncompressed layers, a config named by its digest."""
    files: dict[str, bytes] = {}
    listed = []
    for image, name in images:
        config = image.root.config
        assert config is not None
        files[f"{config.digest.encoded}.json"] = image.blobs[config.digest]
        layers = [gzip.decompress(image.blobs[layer.digest]) for layer in image.root.layers]
        names = [f"{Digest.of(data).encoded}/layer.tar" for data in layers]
        files |= dict(zip(names, layers, strict=True))
        listed.append(
            {"Config": f"{config.digest.encoded}.json", "RepoTags": [name] if name else None, "Layers": names}
        )
    files["manifest.json"] = json.dumps(listed).encode()
    return files


def tar(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def spread(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["oci-archive", "oci"])
def test_an_image_of_a_layout_arrives_with_all_that_is_attached(trip: Trip, kind: str) -> None:
    image = multi_arch_image("seed")
    image = image.with_referrers(signed_referrer(image.root))
    tag, signature = cosign_signature(image.root)
    files = layout((image, NAME), (signature, f"registry.example/acme/app:{tag}"), (artifact("x"), "other.example/x:1"))
    tar(trip.path / "x.tar", files)
    spread(trip.path / "x", files)
    write(trip, f"{kind}:./{'x.tar' if kind == 'oci-archive' else 'x'}:{NAME}")
    assert trip.lock().status == 0
    item = locked(trip)
    assert (item.source, item.path, item.digest) == (NAME, "registry.example/acme/app", image.digest)
    assert sorted(attached.kind for attached in item.attached) == ["referrer", "referrer", "tag"]
    trip.pushed(trip.build())
    inner = trip.inner.registry
    assert inner.get_manifest("mirror/registry.example/acme/app", "1.0") == image.root
    assert inner.get_manifest("mirror/registry.example/acme/app", tag) == signature.root
    (sbom,) = inner.list_referrers("mirror/registry.example/acme/app", image.digest)
    assert sbom.digest == image.referrers[0].digest
    (signed,) = inner.list_referrers("mirror/registry.example/acme/app", sbom.digest)
    assert signed.digest == image.referrers[0].referrers[0].digest


def test_a_docker_archive_becomes_an_image_that_is_a_function_of_it(trip: Trip) -> None:
    image = single_image("seed")
    tar(trip.path / "x.tar", docker((image, "redis:7"), (single_image("other"), "redis:8")))
    write(trip, "docker-archive:x.tar:docker.io/library/redis:7")
    assert trip.lock().status == 0
    first = locked(trip)
    assert first.source == "docker.io/library/redis:7"
    # In another order, under another name, as the only one.
    tar(trip.path / "y.tar", dict(reversed(docker((image, "")).items())))
    write(trip, "docker-archive:y.tar", ", as: acme/redis")
    assert trip.lock().status == 0
    second = locked(trip)
    assert (second.source, second.path, second.tag) == ("localhost/acme/redis:latest", "acme/redis", "latest")
    assert second.digest == first.digest
    trip.pushed(trip.build())
    found = trip.inner.registry.get_manifest("mirror/acme/redis", "latest")
    assert found is not None
    assert found.config is not None
    assert found.config.digest == image.root.config.digest if image.root.config else False
    assert [layer.media_type for layer in found.layers] == ["application/vnd.oci.image.layer.v1.tar"] * 2


def test_layers_behind_links_and_compressed_ones_are_understood(trip: Trip) -> None:
    image = single_image("seed")
    files = docker((image, "a.example/b:1"))
    listed = json.loads(files["manifest.json"])
    plain, packed = listed[0]["Layers"]
    files[packed] = gzip.compress(files[packed], mtime=0)
    with tarfile.open(trip.path / "x.tar", "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo("./real.tar" if name == plain else name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        link = tarfile.TarInfo(plain)
        link.type, link.linkname = tarfile.SYMTYPE, "../real.tar"
        archive.addfile(link)
    write(trip, "docker-archive:x.tar:a.example/b:1")
    assert trip.lock().status == 0
    trip.build()


def test_platforms_are_chosen_in_a_file_as_in_a_registry(trip: Trip) -> None:
    image = multi_arch_image("seed")
    tar(trip.path / "x.tar", layout((image, NAME)))
    write(trip, f"oci-archive:x.tar:{NAME}", ", platforms: [linux/arm64]")
    said = trip.lock()
    assert said.status == 0
    assert "leaves behind 1 attestation in its index" in said.text
    assert locked(trip).digest == image.documents[1].descriptor.digest
    trip.pushed(trip.build())
    write(trip, f"oci-archive:x.tar:{NAME}", ", platforms: [linux/s390x]")
    assert_refused(trip.lock(), 5, "AB-REGISTRY-PLATFORM", "linux/s390x")


def test_a_bundle_is_a_source_of_images(trip: Trip) -> None:
    image = single_image("seed")
    image = image.with_referrers(signed_referrer(image.root))
    (reference,) = trip.put({("acme/app", "1.0"): image})
    trip.manifest_of_images(reference)
    trip.build("first.tar")
    write(trip, f"oci-archive:first.tar:{reference}", ", as: again/app")
    assert trip.lock().status == 0
    item = locked(trip)
    assert item.digest == image.digest
    assert len(item.attached) == 2
    trip.pushed(trip.build("second.tar"))
    assert trip.inner.registry.get_manifest("mirror/again/app", "1.0") == image.root


@pytest.mark.parametrize("kind", ["oci-archive", "oci"])
def test_what_lies_beside_an_image_under_a_tag_comes_out_of_a_bundle_again(trip: Trip, kind: str) -> None:
    image = single_image("seed")
    references = trip.put({("acme/app", "1.0"): image, ("acme/twin", "1.0"): image})
    tags: dict[str, dict[str, ImageContent]] = {"acme/app": {}, "acme/twin": {}}
    for repository, kept in tags.items():
        for suffix in ("sig", "att", "sbom"):
            # The same image in two repositories, with other signatures under the same tags.
            tag = f"sha256-{image.digest.encoded}.{suffix}"
            kept[tag] = artifact(f"{repository} {suffix}")
            kept[tag].push_to(trip.source.registry, repository, tag)
    trip.manifest_of_images(*references)
    bundle = trip.build("first.tar")
    if kind == "oci":
        with tarfile.open(bundle) as archive:
            archive.extractall(trip.path / "first", filter="data")
    file = "first.tar" if kind == "oci-archive" else "first"
    lines = [f"  - {{image: '{kind}:{file}:{name}', as: again/{n}}}" for n, name in enumerate(references)]
    trip.write_manifest("images:", *lines)
    assert trip.lock().status == 0
    trip.pushed(trip.build("second.tar"))
    for number, repository in enumerate(tags):
        for tag, content in tags[repository].items():
            found = trip.inner.registry.get_manifest(f"mirror/again/{number}", tag)
            assert found == content.root, (repository, tag)


def test_a_bundle_whose_inventory_is_damaged_is_no_source(trip: Trip) -> None:
    files = {**FILES, "airgap/inventory.json": b"{}"}
    tar(trip.path / "x.tar", files)
    write(trip, f"oci-archive:x.tar:{NAME}")
    assert_refused(trip.lock(), 2, "AB-ARCHIVE-UNUSABLE", "_type is missing")


def test_what_a_file_lacks_is_not_looked_for_in_a_registry(trip: Trip) -> None:
    image = single_image("seed")
    (reference,) = trip.put({("acme/app", "1.0"): image})
    files = layout((image, reference))
    lost = image.root.layers[0].digest
    del files[f"blobs/sha256/{lost.encoded}"]
    tar(trip.path / "x.tar", files)
    write(trip, f"oci-archive:x.tar:{reference}")
    assert trip.lock().status == 0
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "out.tar")
    assert_refused(said, 2, "AB-ARCHIVE-UNUSABLE", lost)
    assert not (trip.path / "out.tar").exists()


def test_a_file_that_changes_behind_its_lock_is_refused(trip: Trip) -> None:
    image = single_image("seed")
    files = layout((image, NAME))
    tar(trip.path / "x.tar", files)
    write(trip, f"oci-archive:x.tar:{NAME}")
    assert trip.lock().status == 0
    blob = f"blobs/sha256/{image.root.layers[0].digest.encoded}"
    tar(trip.path / "x.tar", {**files, blob: files[blob][:-1] + b"x"})
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "out.tar")
    assert_refused(said, 2, "AB-LOCK-STALE", "has changed since the lock was made")
    # The lock is made anew from what is there now, whatever the earlier one says.
    tar(trip.path / "x.tar", layout((single_image("other"), NAME)))
    assert trip.lock().status == 0
    assert locked(trip).digest == single_image("other").digest


ONE = single_image("one")
FILES = layout((ONE, NAME))
ROOT = f"blobs/sha256/{ONE.digest.encoded}"


def without(files: Mapping[str, bytes], *names: str) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name not in names}


def changed(files: Mapping[str, bytes], change: Mapping[str, object]) -> dict[str, bytes]:
    """A docker archive whose only image says something else."""
    (image,) = json.loads(files["manifest.json"])
    return {**files, "manifest.json": json.dumps([{**image, **change}]).encode()}


DOCKER = docker((ONE, NAME))
LAYER = next(name for name in DOCKER if name.endswith("layer.tar"))


@pytest.mark.parametrize(
    ("files", "word"),
    [
        (without(FILES, "oci-layout"), "not an OCI image layout"),
        (without(FILES, "index.json"), "not an OCI image layout"),
        ({**FILES, "oci-layout": b'{"imageLayoutVersion":"2.0.0"}'}, "another version"),
        ({**FILES, "oci-layout": b"x" * 5000}, "4096 are allowed"),
        ({**FILES, "index.json": b"[]"}, "not a JSON object"),
        ({**FILES, "index.json": b'{"manifests": 1}'}, "without a list"),
        ({**FILES, "index.json": b'{"manifests": [{"digest": "sha256:0"}]}'}, "manifests[0]"),
        ({**FILES, "index.json": b'{"manifests": [], "manifests": []}'}, "twice"),
        (without(FILES, ROOT), "which its index.json names"),
        ({**FILES, ROOT: FILES[ROOT] + b" "}, "damaged"),
        (layout((ONE, "other.example/x:1")), "no image called"),
        (layout((ONE, NAME), (single_image("two"), NAME)), "several images called"),
    ],
)
def test_a_layout_that_cannot_be_used_is_refused(trip: Trip, files: dict[str, bytes], word: str) -> None:
    tar(trip.path / "x.tar", files)
    write(trip, f"oci-archive:x.tar:{NAME}")
    assert_refused(trip.lock(), 2, "AB-ARCHIVE-UNUSABLE", word)


@pytest.mark.parametrize(
    ("files", "word"),
    [
        (without(DOCKER, "manifest.json"), "not a docker archive"),
        ({**DOCKER, "manifest.json": b"{}"}, "not a list"),
        ({**DOCKER, "manifest.json": b"[1]"}, "not a list"),
        ({**DOCKER, "manifest.json": b"[]}, {"}, "not JSON"),
        (without(DOCKER, LAYER), "lacks the layer"),
        ({**DOCKER, LAYER: DOCKER[LAYER] + b"x"}, "damaged: a layer"),
        (
            {name: data + b" " if name.endswith(".json") else data for name, data in DOCKER.items()},
            "damaged: the config",
        ),
        (changed(DOCKER, {"Layers": []}), "names other layers"),
        (changed(DOCKER, {"Layers": [1]}), "not a list of texts"),
        (changed(DOCKER, {"Config": "../../etc/passwd"}), "lacks the config"),
        (changed(DOCKER, {"Config": None}), "lacks the config"),
        (docker((ONE, "x.example/y:1"), (ONE, "x.example/z:1")), "no image called"),
    ],
)
def test_a_docker_archive_that_cannot_be_used_is_refused(trip: Trip, files: dict[str, bytes], word: str) -> None:
    tar(trip.path / "x.tar", files)
    write(trip, f"docker-archive:x.tar:{NAME}")
    assert_refused(trip.lock(), 2, "AB-ARCHIVE-UNUSABLE", word)


def test_a_file_that_is_no_tar_or_cut_or_compressed_is_refused(trip: Trip) -> None:
    whole = tar(trip.path / "x.tar", FILES).read_bytes()
    write(trip, f"oci-archive:x.tar:{NAME}")
    for data, word in (
        (gzip.compress(whole), "compressed"),
        (b"hello" * 300, "not a tar header"),
        (whole[:1300], "within a header"),
        (whole[: whole.index(ONE.root.layers[0].digest.encoded.encode() + b"\0") + 900], "cut short"),
        (b"", "not an OCI image layout"),
    ):
        (trip.path / "x.tar").write_bytes(data)
        assert_refused(trip.lock(), 2, "AB-ARCHIVE-UNUSABLE", word)


def test_a_tar_that_holds_a_name_twice_is_refused(trip: Trip) -> None:
    with tarfile.open(trip.path / "x.tar", "w") as archive:
        for name, data in [*FILES.items(), ("./index.json", b"{}")]:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    write(trip, f"oci-archive:x.tar:{NAME}")
    assert_refused(trip.lock(), 2, "AB-ARCHIVE-UNUSABLE", "twice")


def test_several_images_need_a_name_and_are_listed(trip: Trip) -> None:
    tar(trip.path / "x.tar", layout((ONE, "a.example/b:1"), (single_image("two"), "a.example/c:1")))
    write(trip, "oci-archive:x.tar", ", as: acme/b")
    assert_refused(trip.lock(), 2, "AB-ARCHIVE-UNUSABLE", "a.example/b:1, a.example/c:1")


def test_a_link_out_of_the_directory_is_not_followed(trip: Trip) -> None:
    (trip.path / "inside").mkdir()
    tar(trip.path / "x.tar", FILES)
    (trip.path / "inside" / "x.tar").symlink_to(trip.path / "x.tar")
    spread(trip.path / "layout", FILES)
    spread(trip.path / "inside" / "layout", without(FILES, ROOT))
    (trip.path / "inside" / "layout" / ROOT).symlink_to(trip.path / "layout" / ROOT)
    manifest = trip.path / "inside" / "acme.yaml"
    head = "apiVersion: airgap-bundle/v1\nname: acme\nversion: 1\n"
    manifest.write_text(f"{head}images: ['oci-archive:x.tar:{NAME}']\n")
    said = run("airgap-manifest", "lock", manifest)
    assert (said.status, "leads out" in said.text) == (2, True), said.text
    manifest.write_text(f"{head}images: ['oci:layout:{NAME}']\n")
    said = run("airgap-manifest", "lock", manifest)
    assert (said.status, "leads out" in said.text) == (2, True), said.text


@pytest.mark.parametrize(
    ("image", "more", "word"),
    [
        ("oci-archive:x.tar", "", "which image"),
        ("oci-archive:x.tar:latest", "", "which image"),
        ("oci-archive:../x.tar:a.example/b:1", "", "not a path"),
        ("oci-archive:/x.tar:a.example/b:1", "", "not a relative path"),
        ("oci-archive:x.tar:a.example/b@sha256:" + "0" * 64, "", "by a tag"),
        ("oci-archive:x.tar:a b", ", as: x", "not the name of an image"),
        ("oci://x/y:1", "", "no scheme"),
        ("docker-daemon:x:1", "", ""),
    ],
)
def test_a_place_that_cannot_be_meant_is_refused(trip: Trip, image: str, more: str, word: str) -> None:
    write(trip, image, more)
    said = run("airgap-manifest", "check", trip.path / "acme.yaml")
    assert said.status != 0
    assert word in said.text
