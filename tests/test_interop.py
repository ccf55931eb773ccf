"""Other people's tools open our bundles, and ours takes what they write."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.charts import needs_helm
from support.helm import package, provenance
from support.images import multi_arch_image, signed_referrer, single_image
from support.registries import debian_registry
from support.tools import containerd, short_directory, tool
from support.trip import Trip, client, keys, make_trip

from airgap_bundle.manifest.lock import parse_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.content import ImageContent

pytestmark = pytest.mark.tools


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def short() -> Iterator[Path]:
    with short_directory() as path:
        yield path


def mixed_bundle(trip: Trip) -> tuple[Path, dict[str, ImageContent]]:
    """Images of two kinds with what is attached, charts of two kinds and a file; the images by name."""
    web = multi_arch_image("web")
    web = web.with_referrers(signed_referrer(web.root))
    contents = {("acme/web", "1.0"): web, ("acme/worker", "2.1"): single_image("worker")}
    references = trip.put(contents)
    (trip.path / "app.tgz").write_bytes(package())
    (trip.path / "licence").write_text("free")
    more = ("charts:", "  - {chart: ./app.tgz, images: none}", "files:", "  - {path: licence}")
    trip.manifest_of_images(*references, more=more)
    return trip.build(), dict(zip(references, contents.values(), strict=True))


def test_skopeo_copies_every_image_out_of_a_bundle_unchanged(trip: Trip) -> None:
    bundle, images = mixed_bundle(trip)
    for number, (name, image) in enumerate(images.items()):
        raw = tool("skopeo", "inspect", "--raw", f"oci-archive:{bundle}:{name}")
        assert json.loads(raw) == json.loads(image.root.raw)
        target = trip.path / f"copy{number}"
        tool("skopeo", "copy", "--all", "--quiet", f"oci-archive:{bundle}:{name}", f"oci:{target}:x")
        index = json.loads((target / "index.json").read_bytes())
        assert index["manifests"][0]["digest"] == image.digest
    assert "acme/worker" in tool("skopeo", "list-tags", f"docker-archive:{bundle}")


def test_podman_loads_every_image_of_a_bundle(trip: Trip, short: Path) -> None:
    bundle, images = mixed_bundle(trip)
    store = ("--storage-driver=vfs", f"--root={short}/root", f"--runroot={short}/run")
    said = tool("podman", *store, "load", "-q", "-i", bundle)
    assert [name for name in images if f"Loaded image: {name}" not in said] == []


def test_containerd_imports_a_bundle_with_charts_and_files_in_it(trip: Trip, short: Path) -> None:
    bundle, images = mixed_bundle(trip)
    with containerd(short) as address:
        tool("ctr", "-a", address, "images", "import", "--snapshotter", "native", bundle)
        listed = tool("ctr", "-a", address, "images", "ls").splitlines()
    found = {line.split()[0]: line.split()[2] for line in listed[1:]}
    assert found == {name: image.digest for name, image in images.items()}


def test_umoci_unpacks_an_image_of_a_bundle(trip: Trip) -> None:
    bundle, images = mixed_bundle(trip)
    name = next(name for name, image in images.items() if not image.root.is_index)
    (trip.path / "layout").mkdir()
    tool("tar", "-C", trip.path / "layout", "-xf", bundle)
    assert name in tool("umoci", "ls", "--layout", trip.path / "layout")


def test_gnu_tar_lists_and_unpacks_a_bundle(trip: Trip) -> None:
    bundle, _ = mixed_bundle(trip)
    names = tool("tar", "-tf", bundle).split()
    assert names[:3] == ["oci-layout", "index.json", "manifest.json"]
    (trip.path / "unpacked").mkdir()
    assert tool("tar", "-C", trip.path / "unpacked", "-xf", bundle) == ""
    inventory = trip.path / "unpacked" / "airgap" / "inventory.json"
    blobs = json.loads(inventory.read_bytes())["blobs"]
    lines = "".join(f"{b['digest'][7:]}  {trip.path}/unpacked/blobs/sha256/{b['digest'][7:]}\n" for b in blobs)
    (trip.path / "sums").write_text(lines)
    tool("sha256sum", "--quiet", "-c", trip.path / "sums")


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_what_skopeo_writes_is_a_source_of_images(trip: Trip, kind: str) -> None:
    image = single_image("seed")
    image.write_layout(trip.path / "layout", "1.0")
    name = "registry.example/acme/app:1.0"
    tool("skopeo", "copy", "-q", f"oci:{trip.path}/layout:1.0", f"{kind}:{trip.path}/x.tar:{name}")
    trip.write_manifest("images:", f"  - {kind}:x.tar:{name}")
    assert trip.lock().status == 0
    (item,) = parse_lock((trip.path / "acme.lock.yaml").read_bytes(), "lock").items
    trip.pushed(trip.build())
    found = trip.inner.registry.get_manifest("mirror/registry.example/acme/app", "1.0")
    assert found is not None
    assert found.descriptor.digest == item.digest
    if kind == "oci-archive":
        assert found.descriptor.digest == image.digest
    # What came out of it runs like the image that went in.
    target = f"docker://{trip.inner.address}/mirror/registry.example/acme/app:1.0"
    config = json.loads(tool("skopeo", "inspect", "--config", "--tls-verify=false", target))
    assert config["config"]["Labels"] == {"seed": "seed"}


def test_what_podman_saves_is_a_source_of_images(trip: Trip, short: Path) -> None:
    image = single_image("seed")
    (reference,) = trip.put({("acme/app", "1.0"): image})
    store = ("--storage-driver=vfs", f"--root={short}/root", f"--runroot={short}/run")
    tool("podman", *store, "pull", "-q", "--tls-verify=false", reference)
    for kind in ("docker-archive", "oci-archive"):
        tool("podman", *store, "save", "-q", "--format", kind, "-o", trip.path / f"{kind}.tar", reference)
        trip.write_manifest("images:", f"  - {kind}:{kind}.tar:{reference}")
        assert trip.lock().status == 0
        trip.build(f"{kind}.bundle.tar")


_HELM = """\
import sys
from pathlib import Path
from helm_python import Chart
from helm_python.chart import verify
from helm_python.registry import RegistryClient, pull
reference, version, directory, keyring = sys.argv[1:]
client = RegistryClient(plain_http=True)
assert version in client.tags(reference), client.tags(reference)
pull(reference, client=client, version=version, destination=directory, plain_http=True)
(package,) = Path(directory).glob("*.tgz")
Chart.load(str(package))
if keyring:
    package.with_name(package.name + ".prov").write_bytes(Path(keyring).with_name("prov").read_bytes())
    print(verify(package, keyring)["file_hash"])
"""


def helm(*arguments: object) -> str:
    """Helm in a process of its own: it is a library of another language, with threads and a home of its own."""
    command = [sys.executable, "-c", _HELM, *map(str, arguments)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_charts_and_files_arrive_in_debians_registry_as_in_ours(trip: Trip, tmp_path: Path) -> None:
    tgz = package(version="1.0.0+b.1")
    (trip.path / "app.tgz").write_bytes(tgz)
    (trip.path / "app.tgz.prov").write_bytes(provenance(keys().home, keys().release, tgz, version="1.0.0+b.1"))
    (trip.path / "notes").mkdir()
    (trip.path / "notes" / "a.txt").write_text("text")
    charts = ("charts:", "  - {chart: ./app.tgz, images: none}")
    trip.write_manifest(*charts, "files:", "  - {path: notes}")
    bundle = trip.build()
    trip.pushed(bundle)
    with debian_registry(tmp_path / "debian") as address:
        trip.pushed(bundle, f"{address}/mirror")
        with client(address) as registry:
            for name, tag in (("mirror/charts/app", "1.0.0_b.1"), ("mirror/files/acme", "1.0.0")):
                found = registry.get_manifest(name, tag)
                assert found is not None
                assert found == trip.inner.registry.get_manifest(name, tag)
                assert all(registry.has_blob(name, blob.digest, blob.size) for blob in found.blobs)


@functools.cache
def chart_key() -> str:
    """An RSA key: Helm's own OpenPGP knows no Ed25519 keys of GnuPG."""
    return keys().home.make_key("Chart <chart@example.com>", algorithm="rsa2048")


@needs_helm
@pytest.mark.parametrize("version", ["1.0.0", "1.0.0+build.7"])
def test_helm_pulls_a_packed_chart_and_verifies_it(trip: Trip, short: Path, version: str) -> None:
    tgz = package(version=version)
    (trip.path / "app.tgz").write_bytes(tgz)
    key = chart_key()
    (trip.path / "app.tgz.prov").write_bytes(provenance(keys().home, key, tgz, version=version))
    (trip.path / "key.gpg").write_bytes(keys().home.gpg("--export", key))
    trip.write_manifest("charts:", "  - {chart: ./app.tgz, images: none, keyring: key.gpg}")
    trip.pushed(trip.build())
    found = trip.inner.registry.get_manifest("mirror/charts/app", version.replace("+", "_"))
    assert found is not None
    (trip.path / "prov").write_bytes((trip.path / "app.tgz.prov").read_bytes())
    said = helm(f"oci://{trip.dest}/charts/app", version, short, trip.path / "key.gpg")
    assert (short / f"app-{version}.tgz").read_bytes() == tgz
    assert found.layers[0].digest.encoded in said


@needs_helm
def test_helm_loads_a_chart_that_was_packed_from_a_directory(trip: Trip, short: Path) -> None:
    (trip.path / "chart" / "templates").mkdir(parents=True)
    (trip.path / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 2.0.0\nappVersion: 1.10\n")
    (trip.path / "chart" / "templates" / "big.yaml").write_text("# " + "x" * 200_000)
    trip.write_manifest("charts:", "  - {chart: ./chart, images: none}")
    trip.pushed(trip.build())
    helm(f"oci://{trip.dest}/charts/web", "2.0.0", short, "")
    assert (short / "web-2.0.0.tgz").exists()
