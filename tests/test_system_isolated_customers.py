"""A vendor with customers that know nothing of each other, as its guide says: what crosses for whom, what cannot."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from support.guide import Walk
from support.registries import embedded_registry
from support.systems import MANIFESTS, REGISTRY, STICK, System, person, system_on_its_way
from support.token_office import Desk, ask, real_clock, token_registry
from support.tools import tool
from support.trip import catalogue, keys, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.trip import Said

    from airgap_bundle.registry.server import RegistryServer

NAME = "isolated-customers"
SUITE = "registry.example.com/suite"
POSTGRES = "docker.io/library/postgres:17.6"
GIT = {
    "GIT_AUTHOR_NAME": "Release",
    "GIT_AUTHOR_EMAIL": "release@suite.example",
    "GIT_COMMITTER_NAME": "Release",
    "GIT_COMMITTER_EMAIL": "release@suite.example",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}
pytestmark = pytest.mark.tools("git")


@dataclass(kw_only=True, eq=False)
class Customer:
    """One customer: a registry, a directory with what the vendor handed over, a stick of its own."""

    name: str
    vendor: System
    registry: RegistryServer
    walk: Walk = field(init=False)

    def __post_init__(self) -> None:
        self.inside.mkdir(parents=True)
        self.stick.mkdir()
        handed_over = MANIFESTS / NAME / "customers" / self.name / "policy.template.yaml"
        shutil.copy2(handed_over, self.inside)
        shutil.copy2(MANIFESTS / "fill-policy", self.inside.parent)
        addresses = {
            "release": "release@suite.example",
            self.name: f"{self.name}@suite.example",
            f"{self.name}-2": f"{self.name}-second@suite.example",
            "officer": f"officer@{self.name}.example",
        }
        for file, address in addresses.items():
            (self.inside / f"{file}.asc").write_text(keys().home.public_key(person(address)))
        shutil.copy2(self.inside / "officer.asc", self.vendor.outside / f"officer-{self.name}.asc")
        self.walk = Walk(
            guide=self.vendor.outside / "README.md",
            sides={"outside": self.vendor.outside, "inside": self.inside},
            places={"north": self.name, REGISTRY: self.registry.address, STICK: str(self.stick)},
            monkeypatch=self.vendor.monkeypatch,
        )

    @property
    def inside(self) -> Path:
        return self.vendor.trip.path / f"customer-{self.name}" / "suite"

    @property
    def stick(self) -> Path:
        return self.vendor.trip.path / f"stick-{self.name}"

    @property
    def bundle(self) -> Path:
        return self.stick / f"suite-4.1.0-{self.name}.tar"

    def through(self, *headings: str) -> dict[str, Said]:
        """Follow the guide as this customer's, and not as another's."""
        self.vendor.monkeypatch.setenv("AIRGAP_POLICY", str(self.inside / "policy.yaml"))
        self.vendor.monkeypatch.setenv("AIRGAP_STATE", str(self.inside / "state"))
        return {text: said for heading in headings for text, said in self.walk.through(heading)}

    def push(self, bundle: Path) -> Said:
        places = ("--policy", self.inside / "policy.yaml", "--state", self.inside / "state")
        return run("airgap-import", "push", bundle, self.registry.address, *places, "--format", "json")

    def refuses(self, bundle: Path, code: str) -> None:
        """Nothing of it comes in, and the trail tells of it."""
        before = self.names()
        said = self.push(bundle)
        assert (said.status, said.json["error"]["code"]) == (3, code), said.text
        assert self.names() == before
        assert self.trail()[-1]["event"] == "refused"

    def names(self) -> set[str]:
        """What its clusters can ask for."""
        tags = self.registry.registry.list_tags
        mine = (name for name in catalogue(self.registry) if "airgap-receipts" not in name)
        return {f"{name}:{tag}" for name in mine for tag in tags(name) if not tag.startswith("airgap-")}

    def trail(self) -> list[dict[str, Any]]:
        lines = (self.inside / "state" / "audit.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def crossed(self, name: str) -> dict[str, Any]:
        """What the vendor has kept about a bundle for this customer."""
        return dict(json.loads((self.vendor.outside / "crossed" / self.name / name).read_text()))

    def receipts(self) -> list[Path]:
        return sorted((self.vendor.outside / "crossed" / self.name / "receipts").glob("*.json"))


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    with system_on_its_way(NAME, tmp_path, monkeypatch) as made:
        for name, value in GIT.items():
            monkeypatch.setenv(name, value)
        tool("git", "init", "--quiet", made.outside)
        made.put_images(POSTGRES, *(f"{SUITE}/{name}:4.1.0" for name in ("api", "worker", "directory")))
        yield made


@pytest.fixture
def north(vendor: System) -> Customer:
    return Customer(name="north", vendor=vendor, registry=vendor.trip.inner)


@pytest.fixture
def south(vendor: System, tmp_path: Path) -> Iterator[Customer]:
    with embedded_registry(tmp_path / "south") as registry:
        yield Customer(name="south", vendor=vendor, registry=registry)


BUILD = ("Vendor: a new customer", "Vendor: build")
INSTALL = ("Customer: once", "Customer: install")
NORTH = {f"{SUITE}/api:4.1.0", f"{SUITE}/worker:4.1.0", POSTGRES, "files/suite:4.1.0"}
SOUTH = {
    *(f"platform/suite/{name}:4.1.0" for name in ("api", "worker", "directory")),
    "platform/postgres:17.6",
    "files/suite:4.1.0",
}


def test_the_guide_can_be_followed_from_the_first_line_to_the_last(
    vendor: System, north: Customer, south: Customer
) -> None:
    north.through(*BUILD, *INSTALL, "Receipts go back")
    south.through(*BUILD, "Customer: once")
    assert north.names() == NORTH
    assert (north.inside / "site/4.1.0/licences/suite.lic").read_text().endswith("north: put the real file here.\n")
    update(vendor, north)
    assert f"{SUITE}/api:4.2.0" in north.names()
    north.through("Receipts go back", "Rollback", "Rotation")
    assert north.names() == NORTH
    assert len(north.receipts()) == 2
    crossed = next(said.out for text, said in north.through("What crossed").items() if text.startswith("git log"))
    assert crossed.splitlines() == ["receipts of north", "receipts of north", "suite 4.1.0 for north"]
    trail = (north.inside / "trail.jsonl").read_text()
    assert "south" not in trail
    told = [json.loads(line)["event"] for line in trail.splitlines()]
    assert (told.count("push-finished"), told.count("refused")) == (2, 0)
    one_registry(vendor, north, south)
    assert north.walk.left == set()


def update(vendor: System, customer: Customer) -> None:
    """The next release, as a delta against what this very customer has confirmed."""
    vendor.put_images(*(f"{SUITE}/{name}:4.2.0" for name in ("api", "worker", "directory")))
    vendor.edit({"4.1.0": "4.2.0"})
    customer.through("Update")
    before, now = (customer.crossed(f"suite-{version}.json") for version in ("4.1.0", "4.2.0"))
    (receipt,) = customer.receipts()
    assert before["bundleId"] == json.loads(receipt.read_text())["bundle"]
    assert (now["audience"], now["base"]) == ([customer.name], [before["bundleId"]])
    delta = customer.stick / f"suite-4.2.0-{customer.name}-delta.tar"
    assert delta.stat().st_size < customer.bundle.stat().st_size - 50_000


def one_registry(vendor: System, north: Customer, south: Customer) -> None:
    """Both in one registry, with one ledger: each has its path, its policy and its login, and sees nothing else."""
    # The vendor's key for north was replaced by now.
    vendor.run("airgap-export", "sign", north.bundle, "--sign", "gpg:north-second@suite.example")
    operator = vendor.trip.path / "operator"
    operator.mkdir()
    for customer in (north, south):
        shutil.copy2(customer.inside / "policy.yaml", operator / f"{customer.name}-policy.yaml")
        customer.walk.sides = {"inside": operator}
        customer.walk.places |= {REGISTRY: vendor.trip.inner.address, "4.2.0": "4.1.0"}
        customer.through("One registry for several customers")
    # South's policy does not count at north's path, whatever it would take.
    place = f"{vendor.trip.inner.address}/north"
    other = ("--policy", operator / "south-policy.yaml", "--state", operator / "shared")
    assert run("airgap-import", "push", south.bundle, place, *other).status == 3
    names = {
        north: f"north/{SUITE}/api",
        south: "south/platform/suite/api",
    }
    with token_registry(Desk(operator / "shared", clock=real_clock), vendor.trip.path / "inner") as registry:
        for customer, other in ((north, south), (south, north)):
            login = customer.name, (operator / f"{customer.name}.credential").read_text().strip()
            wanted = "".join(f"&scope=repository:{name}:pull" for name in names.values())
            token = ask(registry.address, f"/token?service=airgap-registry{wanted}", login=login).json["token"]
            mine, others = (f"/v2/{names[each]}/manifests/4.1.0" for each in (customer, other))
            assert ask(registry.address, mine, bearer=token).status == 200
            assert ask(registry.address, others, bearer=token).status == 401


def test_no_customer_takes_what_was_made_for_another_one(vendor: System, north: Customer, south: Customer) -> None:
    north.through(*BUILD, *INSTALL)
    south.through(*BUILD)
    # The vendor's key for north is not on it.
    north.refuses(south.bundle, "AB-TRUST-THRESHOLD")
    # Even if it were: south's names are not north's.
    vendor.run("airgap-export", "sign", south.bundle, "--sign", "gpg:north@suite.example")
    north.refuses(south.bundle, "AB-TRUST-REPOSITORY")
    # Even if names and keys are right: a build that forgot the overlay is for nobody.
    nobody = vendor.trip.path / "nobody.tar"
    sign = ("--sign", "gpg:release@suite.example", "--sign", "gpg:north@suite.example")
    vendor.run("airgap-manifest", "lock", vendor.manifest)
    vendor.run("airgap-export", "build", vendor.manifest, "-o", nobody, *sign)
    north.refuses(nobody, "AB-TRUST-AUDIENCE")
    assert north.names() == NORTH


def test_a_bundle_holds_nothing_of_another_customer(north: Customer, south: Customer) -> None:
    for customer in (north, south):
        customer.through(*BUILD)
    whole = north.bundle.read_bytes()
    for word in (b"south", b"South", b"suite/directory", b"platform/suite"):
        assert word not in whole
    for word in (b"north", b"North"):
        assert word not in south.bundle.read_bytes()


def test_what_a_customer_may_not_get_is_a_finding_before_anything_is_fetched(vendor: System) -> None:
    overlay = vendor.outside / "customers" / "north.yaml"
    overlay.write_text(overlay.read_text() + "images: [registry.example.com/other/app:1.0]\n")
    allowed = ("--allow-registry", f"{SUITE}/**", "--allow-registry", POSTGRES.partition(":")[0])
    said = run("airgap-manifest", "check", "--strict", vendor.manifest, "--overlay", overlay, *allowed)
    assert said.status == 1
    assert "AGM022" in said.out


def test_another_customer_has_other_names_and_receipts_and_a_delta_of_its_own(
    vendor: System, north: Customer, south: Customer
) -> None:
    north.through(BUILD[0])
    south.through(*BUILD, *INSTALL, "Receipts go back")
    assert south.names() == SOUTH
    (receipt,) = south.receipts()
    key = vendor.outside / "crossed" / north.name / "officer.gpg"
    assert "No public key" in tool("gpgv", "--keyring", key, f"{receipt}.sig", receipt, fails=True)
    update(vendor, south)
    assert "platform/suite/directory:4.2.0" in south.names()
