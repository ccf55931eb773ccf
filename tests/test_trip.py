"""The whole trip: from a manifest and a registry outside to tags in a registry inside."""

from __future__ import annotations

import json
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from support.images import (
    artifact,
    corpus,
    cosign_signature,
    helm_chart,
    multi_arch_image,
    referrer,
    scratch_image,
    signed_referrer,
    single_image,
)
from support.registries import debian_registry
from support.trip import Trip, client, command_line, make_trip, run, start

from airgap_bundle.core.oci import DOCKER_LIST, DOCKER_MANIFEST, OCI_EMPTY
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.content import ImageContent

    from airgap_bundle.core.content import Digest
    from airgap_bundle.registry.abilities import Registry


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


def assert_arrived(registry: Registry, repository: str, tag: str, content: ImageContent) -> None:
    """The tag names the content, every document is there byte for byte, every blob is there, and what is attached."""
    assert registry.get_manifest(repository, tag) == content.root
    for document in content.all_documents():
        found = registry.get_manifest(repository, document.descriptor.digest)
        assert found is not None
        assert found.raw == document.raw
    for digest, data in content.all_blobs().items():
        assert registry.has_blob(repository, digest, len(data))
    for subject, attached in _attached(content):
        assert attached.digest in {each.digest for each in registry.list_referrers(repository, subject)}


def _attached(content: ImageContent) -> Iterator[tuple[Digest, ImageContent]]:
    for each in content.referrers:
        assert each.root.subject is not None
        yield each.root.subject.digest, each
        yield from _attached(each)


def manifest_of_everything(trip: Trip, address: str) -> None:
    """A manifest with all that `corpus` has, read from `address`."""
    (trip.path / "licence.txt").write_text("for everybody\n")
    (trip.path / "empty").write_bytes(b"")
    trip.write_manifest(
        "images:",
        *(
            f"  - {address}/{name}"
            for name in (
                "library/web:1.0",
                "library/service:2.1",
                "library/worker:2.1",
                "acme/legacy:7",
                "acme/old:3",
                "acme/empty-steps:1",
                "acme/scratch:1",
            )
        ),
        f"charts: [{{chart: oci://{address}/charts/acme, version: 1.2.3, images: none}}]",
        f"artifacts: [{address}/acme/database:2]",
        "files:",
        "  - {path: licence.txt, as: licences/acme.lic}",
        "  - {path: empty}",
    )


def assert_everything_arrived(registry: Registry, host: str, prefix: str = "mirror") -> None:
    contents = corpus()
    for (repository, tag), content in contents.tags.items():
        assert_arrived(registry, f"{prefix}/{host.replace(':', '_')}/{repository}".lstrip("/"), tag, content)
    files = registry.get_manifest(f"{prefix}/files/acme".lstrip("/"), "1.0.0")
    assert files is not None
    titles = {layer.annotations["org.opencontainers.image.title"]: layer.size for layer in files.layers}
    assert titles == {"licences/acme.lic": 14, "empty": 0}


def test_everything_arrives_from_an_embedded_registry_in_another(trip: Trip) -> None:
    corpus().push_to(trip.source.registry)
    manifest_of_everything(trip, trip.source.address)
    trip.pushed(trip.build())
    assert_everything_arrived(trip.inner.registry, trip.source.address)


@pytest.mark.tools
def test_everything_arrives_from_an_embedded_registry_in_debians(trip: Trip) -> None:
    corpus().push_to(trip.source.registry)
    manifest_of_everything(trip, trip.source.address)
    bundle = trip.build()
    with debian_registry(trip.path / "debian") as address, client(address) as registry:
        trip.pushed(bundle, f"{address}/mirror")
        assert_everything_arrived(registry, trip.source.address)
        assert trip.pushed(bundle, f"{address}/mirror")["tagsMoved"] == 0


@pytest.mark.tools
def test_everything_arrives_from_debians_registry_in_an_embedded_one(trip: Trip) -> None:
    with debian_registry(trip.path / "debian") as address:
        with client(address) as registry:
            corpus().push_to(registry)
        manifest_of_everything(trip, address)
        bundle = trip.build()
    trip.pushed(bundle)
    assert_everything_arrived(trip.inner.registry, address)


def test_everything_arrives_in_a_directory_without_any_network(trip: Trip) -> None:
    corpus().push_to(trip.source.registry)
    manifest_of_everything(trip, trip.source.address)
    directory = trip.path / "registry"
    trip.pushed(trip.build(), f"dir:{directory}")
    assert_everything_arrived(DirectoryRegistry(directory), trip.source.address, prefix="")


def test_everything_arrives_through_a_pipe(trip: Trip) -> None:
    corpus().push_to(trip.source.registry)
    manifest_of_everything(trip, trip.source.address)
    build = start("airgap-export", "build", trip.path / "acme.yaml", "-o", "-", "--sign", "gpg:release@example.com")
    push = subprocess.run(
        command_line("airgap-import", *trip.push_arguments("-")), stdin=build.stdout, capture_output=True, check=False
    )
    build_said = build.communicate(timeout=60)[1]
    assert (build.returncode, push.returncode) == (0, 0), build_said + push.stderr
    assert_everything_arrived(trip.inner.registry, trip.source.address)


def test_a_pipe_carries_the_same_bytes_as_a_file(trip: Trip) -> None:
    trip.one_image()
    file = trip.build(sign="").read_bytes()
    with start("airgap-export", "build", trip.path / "acme.yaml", "-o", "-") as build:
        piped = build.communicate(timeout=60)[0]
    assert piped == file


def test_an_index_travels_whole_with_its_attestations(trip: Trip) -> None:
    image = multi_arch_image("app")
    trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image}))
    trip.pushed(trip.build())
    assert len(image.root.children) == 4
    assert_arrived(trip.inner.registry, trip.below("acme/app"), "1.0", image)


def test_two_of_three_platforms_make_a_rewritten_index(trip: Trip) -> None:
    image = multi_arch_image("app", ("linux/amd64", "linux/arm64", "linux/s390x"))
    (reference,) = trip.put({("acme/app", "1.0"): image})
    trip.write_manifest("platforms: [linux/amd64, linux/s390x]", "images:", f"  - {reference}")
    bundle = trip.build()
    trip.pushed(bundle)
    arrived = trip.inner.registry.get_manifest(trip.below("acme/app"), "1.0")
    assert arrived is not None
    kept = [entry for entry in image.root.value["manifests"] if "arm64" not in json.dumps(entry["platform"])]
    gone = image.root.value["manifests"][1]["digest"]
    kept = [entry for entry in kept if entry.get("annotations", {}).get("vnd.docker.reference.digest") != gone]
    assert arrived.value["manifests"] == kept
    assert len(kept) == 4


def test_the_original_of_a_rewritten_index_travels_as_evidence_and_not_as_an_image(trip: Trip) -> None:
    image = multi_arch_image("app", ("linux/amd64", "linux/arm64", "linux/s390x"))
    (reference,) = trip.put({("acme/app", "1.0"): image})
    trip.write_manifest("platforms: [linux/amd64, linux/s390x]", "images:", f"  - {reference}")
    bundle = trip.build()
    with tarfile.open(bundle) as tar:
        member = tar.extractfile(f"blobs/sha256/{image.digest.encoded}")
        assert member is not None
        assert member.read() == image.root.raw
    trip.pushed(bundle)
    assert trip.inner.registry.head_manifest(trip.below("acme/app"), image.digest) is None


def test_one_platform_makes_the_name_point_to_that_child(trip: Trip) -> None:
    image = multi_arch_image("app")
    (reference,) = trip.put({("acme/app", "1.0"): image})
    trip.write_manifest("images:", f"  - {{image: {reference!r}, platforms: [linux/arm64]}}")
    trip.pushed(trip.build())
    assert trip.inside("acme/app", "1.0") == image.root.children[1].descriptor.digest


@pytest.mark.parametrize("make", [single_image, multi_arch_image])
def test_dockers_own_types_stay_what_they_are(trip: Trip, make: type) -> None:
    image = make("old", docker=True)
    trip.manifest_of_images(*trip.put({("acme/old", "3"): image}))
    trip.pushed(trip.build())
    found = trip.inner.registry.get_manifest(trip.below("acme/old"), "3")
    assert found == image.root
    assert found.descriptor.media_type in {DOCKER_MANIFEST, DOCKER_LIST}


def test_a_chart_and_an_artifact_with_the_empty_config_travel(trip: Trip) -> None:
    chart, database = helm_chart(), artifact("database")
    assert database.root.config is not None
    assert database.root.config.media_type == OCI_EMPTY
    trip.put({("charts/acme", "1.2.3"): chart, ("acme/database", "2"): database})
    trip.write_manifest(
        f"charts: [{{chart: oci://{trip.source.address}/charts/acme, version: 1.2.3, images: none}}]",
        f"artifacts: [{trip.source.address}/acme/database:2]",
    )
    trip.pushed(trip.build())
    assert_arrived(trip.inner.registry, trip.below("charts/acme"), "1.2.3", chart)
    assert_arrived(trip.inner.registry, trip.below("acme/database"), "2", database)


def test_an_image_without_layers_travels(trip: Trip) -> None:
    image = scratch_image("nothing")
    trip.manifest_of_images(*trip.put({("acme/scratch", "1"): image}))
    trip.pushed(trip.build())
    assert_arrived(trip.inner.registry, trip.below("acme/scratch"), "1", image)


def test_an_image_named_by_digest_arrives_without_a_tag(trip: Trip) -> None:
    image = single_image("app")
    trip.put({("acme/app", "1.0"): image})
    trip.manifest_of_images(f"{trip.source.address}/acme/app@{image.digest}")
    assert trip.pushed(trip.build())["tagsMoved"] == 0
    found = trip.inner.registry.get_manifest(trip.below("acme/app"), image.digest)
    assert found == image.root
    assert [tag[:7] for tag in trip.inner.registry.list_tags(trip.below("acme/app"))] == ["airgap-"]


def test_one_image_under_two_tags_arrives_under_both(trip: Trip) -> None:
    image = single_image("app").with_referrers()
    image = image.with_referrers(referrer(image.root))
    trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image, ("acme/app", "1"): image}))
    trip.pushed(trip.build())
    assert trip.inside("acme/app", "1") == trip.inside("acme/app", "1.0") == image.digest


def test_the_same_bundle_comes_out_of_two_builds_with_other_jobs(trip: Trip) -> None:
    corpus().push_to(trip.source.registry)
    manifest_of_everything(trip, trip.source.address)
    one = trip.build("one.tar", "--jobs", 1, sign="")
    four = trip.build("four.tar", "--jobs", 4, sign="")
    assert one.read_bytes() == four.read_bytes()


def test_a_second_signature_does_not_change_the_bundle_id(trip: Trip) -> None:
    trip.one_image()
    bundle = trip.build()
    before = run("airgap-import", "inspect", bundle, "--format", "json").json
    assert run("airgap-export", "sign", bundle, "--sign", "gpg:stranger@example.com").status == 0
    after = run("airgap-import", "inspect", bundle, "--format", "json").json
    assert after["bundleId"] == before["bundleId"]
    assert len(after["signatures"]) == 2
    assert trip.push(bundle).status == 0


def test_the_bundle_is_an_ordinary_tar_and_gpg_verifies_it(trip: Trip) -> None:
    trip.one_image()
    bundle = trip.build()
    listed = subprocess.run(["tar", "-tf", bundle], capture_output=True, text=True, check=True).stdout.split()
    signature = next(name for name in listed if name.endswith(".sig"))
    subprocess.run(["tar", "-xf", bundle, "-C", trip.path, "airgap"], check=True, capture_output=True)
    files = [trip.path / signature, trip.path / "airgap" / "inventory.json"]
    checked = subprocess.run(["gpg", "--verify", *files], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


KINDS = ["embedded", pytest.param("debian", marks=pytest.mark.tools)]


@pytest.fixture(params=KINDS)
def destination(request: pytest.FixtureRequest, trip: Trip) -> Iterator[tuple[str, Registry]]:
    """An inner registry of each kind: with the referrers API, and with the fallback tag."""
    if request.param == "embedded":
        with client(trip.inner.address) as registry:
            yield trip.inner.address, registry
        return
    with debian_registry(trip.path / "debian") as address, client(address) as registry:
        yield address, registry


def test_referrers_of_referrers_arrive_attached(trip: Trip, destination: tuple[str, Registry]) -> None:
    image = multi_arch_image("app")
    image = image.with_referrers(signed_referrer(image.root), referrer(image.documents[0], "child"))
    trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image}))
    address, registry = destination
    trip.pushed(trip.build(), f"{address}/mirror")
    assert_arrived(registry, trip.below("acme/app"), "1.0", image)


def test_what_the_site_has_attached_is_still_there(trip: Trip, destination: tuple[str, Registry]) -> None:
    image = single_image("app")
    carried, site = referrer(image.root), referrer(image.root, "of-the-site")
    trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image.with_referrers(carried)}))
    address, registry = destination
    image.push_to(registry, trip.below("acme/app"), "0.9")
    site.push_to(registry, trip.below("acme/app"))
    trip.pushed(trip.build(), f"{address}/mirror")
    found = {each.digest for each in registry.list_referrers(trip.below("acme/app"), image.digest)}
    assert found == {carried.digest, site.digest}


def test_a_signature_tag_arrives_beside_its_image(trip: Trip, destination: tuple[str, Registry]) -> None:
    image = single_image("app")
    tag, signature = cosign_signature(image.root)
    trip.put({("acme/app", tag): signature})
    trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image}))
    address, registry = destination
    trip.pushed(trip.build(), f"{address}/mirror")
    assert_arrived(registry, trip.below("acme/app"), tag, signature)


def test_another_signature_of_the_site_is_a_conflict_and_nothing_is_tagged(
    trip: Trip, destination: tuple[str, Registry]
) -> None:
    image = single_image("app")
    tag, signature = cosign_signature(image.root)
    trip.put({("acme/app", tag): signature})
    trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image}))
    address, registry = destination
    theirs = artifact("another signature")
    theirs.push_to(registry, trip.below("acme/app"), tag)
    said = trip.push(trip.build(), f"{address}/mirror", "--format", "json")
    assert said.status == 5
    assert said.json["error"]["code"] == "AB-REGISTRY-CONFLICT"
    assert registry.list_tags(trip.below("acme/app")) == (tag,)
    found = registry.head_manifest(trip.below("acme/app"), tag)
    assert found is not None
    assert found.digest == theirs.digest
