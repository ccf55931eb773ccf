"""An API gateway, as its guide says: two sign, Compose and Kubernetes, updates on three ways, and back."""

from __future__ import annotations

import base64
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.drop import nginx_drop
from support.systems import System, system_on_its_way
from support.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POSTGRES = "docker.io/library/postgres:16.4-alpine"
SIGN = ("--sign", "gpg:release@gateway.example", "--sign", "gpg:quality@gateway.example")


def images(version: str) -> tuple[str, ...]:
    return (POSTGRES, *(f"registry.example.com/gateway/{name}:{version}" for name in ("console", "gateway")))


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    with system_on_its_way("api-gateway", tmp_path, monkeypatch) as made:
        made.put_images(*images("3.2.0")[1:])
        # Far larger than what a reader of ranges would rather read than skip.
        made.put_images(POSTGRES, size=400_000)
        made.people(
            release="release@gateway.example", quality="quality@gateway.example", officer="officer@gateway.example"
        )
        yield made


def release(gateway: System, old: str, new: str) -> None:
    """The vendor has a new version of gateway and console; the database stays."""
    gateway.put_images(*images(new)[1:])
    gateway.edit({old: new})


def is_inside(gateway: System, version: str) -> None:
    """Every tag that clusters use names what it does outside."""
    for image in images(version):
        assert gateway.inside_digest(image) == gateway.images[image].digest


def names_inside(gateway: System, version: str) -> dict[str, str]:
    found = {}
    for image in images(version):
        name = image.rpartition("/")[2].partition(":")[0].replace("postgres", "database")
        found[name] = gateway.pinned(image)
    return found


def build_whole(gateway: System, version: str) -> Path:
    bundle = gateway.outside / f"api-gateway-{version}.tar"
    gateway.run("airgap-manifest", "lock", gateway.manifest)
    gateway.run("airgap-export", "build", gateway.manifest, "-o", bundle, *SIGN)
    return bundle


def test_the_guide_can_be_followed_from_the_first_line_to_the_last(gateway: System, tmp_path: Path) -> None:
    walk = gateway.walk
    walk.through("Outside: build and sign")
    assert gateway.locked_images() == set(images("3.2.0"))
    walk.through("Inside: once")
    walk.through("Install")
    is_inside(gateway, "3.2.0")
    assert gateway.composed() == names_inside(gateway, "3.2.0")
    site = gateway.inside / "site"
    assert (site / "3.2.0/licence/gateway.lic").read_bytes() == (gateway.outside / "licence/gateway.lic").read_bytes()

    release(gateway, "3.2.0", "3.3.0")
    walk.through("Update by stick")
    is_inside(gateway, "3.3.0")
    assert gateway.composed() == names_inside(gateway, "3.3.0")
    delta, whole = (gateway.stick / f"api-gateway-{name}.tar" for name in ("3.3.0-delta", "3.2.0"))
    # The database travelled once, and so did what both versions share.
    assert delta.stat().st_size < whole.stat().st_size - 100_000

    with nginx_drop(tmp_path / "repository") as repository:
        release(gateway, "3.3.0", "3.4.0")
        shutil.copy(build_whole(gateway, "3.4.0"), repository.directory)
        walk.places["https://repository.internal"] = f"{repository.base}/drop"
        walk.through("Update from an internal repository")
        is_inside(gateway, "3.4.0")
        assert sum(sent.size for sent in repository.sent()) < whole.stat().st_size - 100_000

    release(gateway, "3.4.0", "3.5.0")
    walk.places["/dev/one-way"] = str(build_whole(gateway, "3.5.0"))
    walk.through("Update through a one-way link")
    is_inside(gateway, "3.5.0")

    walk.through("Rollback")
    is_inside(gateway, "3.4.0")
    assert gateway.inside_digest(images("3.5.0")[2]) is None
    assert gateway.composed() == names_inside(gateway, "3.4.0")

    gateway.people(**{"quality-2": "second@gateway.example"})
    walk.through("Rotation of keys")
    release(gateway, "3.5.0", "3.6.0")
    bundle = build_whole(gateway, "3.6.0")
    # The key that was replaced no longer counts, and the new one does.
    said = gateway.run("airgap-import", "push", bundle, gateway.trip.inner.address, status=3)
    assert "quality" in said.text
    gateway.run("airgap-export", "sign", bundle, "--sign", "gpg:second@gateway.example")
    gateway.run("airgap-import", "push", bundle, gateway.trip.inner.address)

    walk.through("Watch")
    trail = (gateway.inside / "audit.syslog").read_text().splitlines()
    assert all(line.startswith("<") for line in trail)
    assert len([line for line in trail if " refused " in line]) == 1, trail
    families = {each.name for each in text_string_to_metric_families((gateway.inside / "airgap.prom").read_text())}
    assert any(name.startswith("airgap_") for name in families), families
    assert "api-gateway" in (gateway.inside / "report.html").read_text()
    assert walk.left == set()


def test_one_of_the_two_signatures_is_not_enough(gateway: System) -> None:
    gateway.walk.through("Inside: once")
    bundle = gateway.outside / "api-gateway.tar"
    gateway.run("airgap-export", "build", gateway.manifest, "-o", bundle, *SIGN[:2])
    gateway.run("airgap-import", "verify", bundle, status=3)
    gateway.run("airgap-import", "push", bundle, gateway.trip.inner.address, status=3)
    assert gateway.trip.inner_tags() == {}


@pytest.mark.tools("kubectl")
def test_kubernetes_gets_the_images_inside_the_licence_and_no_way_out(gateway: System) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for heading in ("Outside: build and sign", "Inside: once", "Install"):
        gateway.walk.through(heading)
    documents = list(yaml.safe_load_all(tool("kubectl", "kustomize", gateway.inside)))
    for document in documents:
        validator.validate(document, "1.33", strict=True)
    pods = {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in documents if "Set" in each["kind"]}
    pods |= {
        each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in documents if each["kind"] == "Deployment"
    }
    found = {name: pod["containers"][0]["image"] for name, pod in pods.items()}
    assert found == {name: _without_tag(image) for name, image in names_inside(gateway, "3.2.0").items()}
    secret = next(each for each in documents if each["kind"] == "Secret")
    licence = (gateway.outside / "licence/gateway.lic").read_bytes()
    assert base64.b64decode(secret["data"]["gateway.lic"]) == licence
    # The name that the generator made is the one that the pod mounts.
    assert pods["gateway"]["volumes"][0]["secret"]["secretName"] == secret["metadata"]["name"]
    policy = next(each for each in documents if each["kind"] == "NetworkPolicy")["spec"]
    assert (policy["podSelector"], policy["policyTypes"]) == ({}, ["Egress"])
    assert all("ipBlock" not in peer for rule in policy["egress"] for peer in rule["to"])


def _without_tag(image: str) -> str:
    name, _, digest = image.partition("@")
    return f"{name.rpartition(':')[0]}@{digest}"
