"""Nothing is lost on the way: each kind of content, into a registry with the referrers API and into one without.

For every row of the table: what the source has is in the destination, byte for byte and under the same digest; what was
attached is found attached; and what the site had attached itself is still there.
"""

from __future__ import annotations

import contextlib
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.content import ImageContent
from support.helm import index, package, provenance, sha256
from support.images import (
    artifact,
    cosign_signature,
    helm_chart,
    multi_arch_image,
    referrer,
    signed_referrer,
    single_image,
)
from support.registries import debian_registry
from support.scripted_server import ScriptedServer, answer
from support.trip import Trip, client, keys, make_trip, run

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import BundleReader, read_head, read_inventory
from airgap_bundle.core.closure import walk
from airgap_bundle.core.content import Descriptor, copy_verified, new_buffer
from airgap_bundle.core.oci import DOCKER_MANIFEST, OCI_EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from airgap_bundle.bundle.inventory import Item
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import Registry

THREE = ("linux/amd64", "linux/arm64", "linux/s390x")
REPOSITORY = "acme/app"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table, put into a source. `lines` are what the manifest says.

    `contents` is what the source's repository holds by tag, to be found inside with everything attached to it. `files`
    are the bytes of layers that come from elsewhere. `dropped` must not arrive.
    """

    lines: tuple[str, ...]
    contents: Mapping[str, ImageContent] | None = None
    files: tuple[bytes, ...] = ()
    dropped: tuple[Digest, ...] = ()


def image_row(trip: Trip, image: ImageContent, *more: tuple[str, ImageContent]) -> Row:
    """An image under the tag 1.0, whole, and others beside it that nobody names."""
    contents = {"1.0": image, **dict(more)}
    trip.put({(REPOSITORY, tag): content for tag, content in contents.items()})
    return Row(lines=("images:", f"  - {trip.source.address}/{REPOSITORY}:1.0"), contents=contents)


def single(trip: Trip) -> Row:
    return image_row(trip, single_image("app", layers=3))


def index_with_attestations(trip: Trip) -> Row:
    image = multi_arch_image("app")
    assert sum("unknown" in str(child.platform) for child in image.root.children) == 2
    return image_row(trip, image)


def two_of_three_platforms(trip: Trip) -> Row:
    image = multi_arch_image("app", THREE)
    image = image.with_referrers(*(referrer(document, f"sbom-{n}") for n, document in enumerate(image.documents[:-1])))
    row = image_row(trip, image)
    amd64, arm64, s390x, *attestations = image.documents[:-1]
    kept = {amd64.descriptor.digest, s390x.descriptor.digest, *(attestations[n].descriptor.digest for n in (0, 2))}
    return Row(
        lines=(*row.lines, "platforms: [linux/amd64, linux/s390x]"),
        # No tag of its own: what arrives under 1.0 is another index.
        contents={str(digest): part_of(image, digest) for digest in kept},
        dropped=(image.digest, arm64.descriptor.digest, attestations[1].descriptor.digest),
    )


def part_of(image: ImageContent, digest: Digest) -> ImageContent:
    """A child of an index, with what is attached to it."""
    (root,) = (document for document in image.documents if document.descriptor.digest == digest)
    attached = [each for each in image.referrers if each.root.subject and each.root.subject.digest == digest]
    blobs = {blob.digest: image.blobs[blob.digest] for blob in root.blobs}
    return ImageContent(root=root, documents=(root,), blobs=blobs, referrers=tuple(attached))


def docker_schema_2(trip: Trip) -> Row:
    image = single_image("old", docker=True)
    assert image.root.descriptor.media_type == DOCKER_MANIFEST
    return image_row(trip, image)


def image_with_a_signature_tag(trip: Trip) -> Row:
    image = single_image("signed")
    return image_row(trip, image, cosign_signature(image.root))


def image_with_referrers_of_referrers(trip: Trip) -> Row:
    image = single_image("rich")
    return image_row(trip, image.with_referrers(signed_referrer(image.root), referrer(image.root, "report")))


def chart_from_oci(trip: Trip) -> Row:
    chart = helm_chart()
    trip.put({("charts/acme", "1.2.3"): chart})
    line = f"  - {{chart: 'oci://{trip.source.address}/charts/acme', version: 1.2.3, images: none}}"
    return Row(lines=("charts:", line), contents={"1.2.3": chart})


def chart_from_a_classic_repository(trip: Trip) -> Row:
    tgz = package(version="1.0.0+build.7")
    prov = provenance(keys().home, keys().release, tgz, version="1.0.0+build.7")
    listed = index(("app", "1.0.0+build.7", "app-1.tgz", sha256(tgz)))
    with ScriptedServer() as server:
        files: dict[str, bytes | str] = {"index.yaml": listed, "app-1.tgz": tgz, "app-1.tgz.prov": prov}
        for name, data in files.items():
            server.always("GET", f"/charts/{name}", answer(200, data))
        line = f"  - {{chart: app, repo: 'http://{server.address}/charts', version: 1.0.0+build.7, images: none}}"
        trip.write_manifest("charts:", line)
        assert trip.lock().status == 0
    # The lock has it all: the repository is gone when the bundle is built.
    return Row(lines=("charts:", line), files=(tgz, prov))


def artifact_with_an_empty_config(trip: Trip) -> Row:
    database = artifact("database")
    assert database.root.config is not None
    assert database.root.config.media_type == OCI_EMPTY
    trip.put({(REPOSITORY, "2"): database})
    return Row(lines=("artifacts:", f"  - {trip.source.address}/{REPOSITORY}:2"), contents={"2": database})


def file(trip: Trip) -> Row:
    licence = b"for everybody\n" * 100
    (trip.path / "licence.txt").write_bytes(licence)
    return Row(lines=("files:", "  - path: licence.txt"), files=(licence,))


ROWS: list[Callable[[Trip], Row]] = [
    single,
    index_with_attestations,
    two_of_three_platforms,
    docker_schema_2,
    image_with_a_signature_tag,
    image_with_referrers_of_referrers,
    chart_from_oci,
    chart_from_a_classic_repository,
    artifact_with_an_empty_config,
    file,
]


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture(params=["embedded", pytest.param("debian", marks=pytest.mark.tools("docker-registry"))])
def destination(request: pytest.FixtureRequest, trip: Trip) -> Iterator[tuple[str, Registry]]:
    """The embedded registry, which has the referrers API, or Debian's, which has none."""
    if request.param == "embedded":
        with client(trip.inner.address) as registry:
            yield trip.inner.address, registry
        return
    with debian_registry(trip.path / "debian") as address, client(address) as registry:
        yield address, registry


@contextlib.contextmanager
def opened(bundle: Path) -> Iterator[BundleReader]:
    with closing(FileMedium(bundle)) as medium:
        head = read_head(medium)
        yield BundleReader(medium, head, read_inventory(head, medium.name))


def documents_of(reader: BundleReader, item: Item) -> list[Document]:
    """The item's documents, its own first."""
    top = Descriptor(media_type=item.media_type, digest=item.digest, size=item.size)
    return list(walk(top, reader.load))


def bytes_of(registry: Registry, repository: str, blob: Descriptor) -> bytes:
    data = bytearray()

    class Sink:
        def write(self, piece: memoryview) -> None:
            data.extend(piece)

    with registry.open_blob(repository, blob.digest, blob.size) as source:
        copy_verified(source, Sink(), digest=blob.digest, size=blob.size, buffer=new_buffer(64 * 1024))
    return bytes(data)


def attached_to(registry: Registry, repository: str, digest: Digest) -> set[Digest]:
    return {descriptor.digest for descriptor in registry.list_referrers(repository, digest)}


def assert_here(registry: Registry, repository: str, content: ImageContent) -> None:
    """Every document and blob is there, byte for byte, and what is attached is found from its subject."""
    for document in content.documents:
        assert registry.get_manifest(repository, document.descriptor.digest) == document
        for blob in document.blobs:
            assert bytes_of(registry, repository, blob) == content.blobs[blob.digest]
    for each in content.referrers:
        assert each.root.subject is not None
        assert each.digest in attached_to(registry, repository, each.root.subject.digest)
        assert_here(registry, repository, each)


def assert_at_both_ends(registry: Registry, reader: BundleReader, below: str) -> None:
    """Every item of the bundle, with all that it leads to, is in the destination under the same digest."""
    for item in reader.inventory.items:
        repository = f"{below}/{item.path}"
        documents = documents_of(reader, item)
        if item.tag:
            assert registry.get_manifest(repository, item.tag) == documents[0]
        for document in documents:
            assert registry.get_manifest(repository, document.descriptor.digest) == document
            assert all(registry.has_blob(repository, blob.digest, blob.size) for blob in document.blobs)
        if item.subject is not None:
            assert item.tag or item.digest in attached_to(registry, repository, item.subject)


@pytest.mark.parametrize("make", ROWS, ids=lambda make: make.__name__.replace("_", "-"))
def test_nothing_is_lost(trip: Trip, destination: tuple[str, Registry], make: Callable[[Trip], Row]) -> None:
    address, registry = destination
    row = make(trip)
    trip.write_manifest(*row.lines)
    with opened(trip.build()) as reader:
        (item,) = (each for each in reader.inventory.items if each.kind != "attached")
        repository = f"mirror/{item.path}"
        # The site says something about it itself, before it has come.
        site = referrer(documents_of(reader, item)[0], "of-the-site")
        site.push_to(registry, repository)

        trip.pushed(trip.path / "acme.tar", f"{address}/mirror")

        assert_at_both_ends(registry, reader, "mirror")
        for tag, content in (row.contents or {}).items():
            if ":" not in tag:
                assert registry.get_manifest(repository, tag) == content.root
            assert_here(registry, repository, content)
        layers = [layer for document in documents_of(reader, item) for layer in document.layers]
        if row.files:
            assert tuple(bytes_of(registry, repository, layer) for layer in layers) == row.files
        assert all(registry.head_manifest(repository, digest) is None for digest in row.dropped)
        assert site.digest in attached_to(registry, repository, item.digest)
        assert_here(registry, repository, site)


def test_a_second_import_leaves_what_the_site_has_attached(trip: Trip, destination: tuple[str, Registry]) -> None:
    address, registry = destination
    row = image_with_referrers_of_referrers(trip)
    trip.write_manifest(*row.lines)
    trip.pushed(trip.build(), f"{address}/mirror")
    (image,) = (row.contents or {}).values()
    repository = trip.below(REPOSITORY)
    site = referrer(image.root, "of-the-site")
    site.push_to(registry, repository)
    trip.pushed(trip.path / "acme.tar", f"{address}/mirror")
    expected = {site.digest, *(each.digest for each in image.referrers)}
    assert attached_to(registry, repository, image.digest) == expected


def test_one_lock_gives_one_bundle_id_however_many_work_at_it(trip: Trip) -> None:
    lines: dict[str, list[str]] = {}
    for number, make in enumerate((single, chart_from_oci, file)):
        head, *rest = make(trip).lines
        lines.setdefault(head, []).extend(rest)
        for other in range(4):
            image = multi_arch_image(f"image {number} {other}")
            image = image.with_referrers(signed_referrer(image.root))
            (reference,) = trip.put({(f"acme/more-{number}-{other}", "1.0"): image})
            lines["images:"].append(f"  - {reference}")
    trip.write_manifest(*(line for head, rest in lines.items() for line in (head, *rest)))
    assert trip.lock().status == 0
    ids, contents = set(), set()
    for jobs in (1, 3, 16):
        bundle = trip.build(f"with-{jobs}.tar", "--jobs", jobs, sign="")
        said = run("airgap-export", "inspect", bundle, "--format", "json")
        ids.add(said.json["bundleId"])
        contents.add(bundle.read_bytes())
    assert (len(ids), len(contents)) == (1, 1)
