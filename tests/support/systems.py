"""A ready-made system of `manifests/` on its way: stand-ins for what it names outside, and an inside.

Both sides have a copy of the system's directory, and the stick lies between. The real hosts are reached through
`AIRGAP_MIRROR`, so that every command is typed as it stands in the guide:

    with system_on_its_way("api-gateway", tmp_path, monkeypatch) as gateway:
        gateway.put_images("registry.example.com/gateway/gateway:3.2.0")
        gateway.people(release="release@gateway.example")
        gateway.walk.through("Build and sign")
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from support.guide import Walk
from support.images import multi_arch_image
from support.trip import Trip, keys, make_trip, run
from support.web import Web, web_outside

from airgap_bundle.manifest.lock import parse_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from support.content import ImageContent
    from support.trip import Said

    from airgap_bundle.core.content import Digest
    from airgap_bundle.registry.server import RegistryServer

MANIFESTS = Path(__file__).resolve().parent.parent.parent / "manifests"
REGISTRY = "registry.internal:5000"
STICK = "/media/stick"
_PLATFORMS = ("linux/amd64", "linux/arm64")
_LAYER_BYTES = 20_000


@functools.cache
def person(address: str) -> str:
    """The fingerprint of the key of somebody with this mail address, in the home that all tests share."""
    return keys().home.make_key(f"{address.partition('@')[0].title()} <{address}>")


@dataclass(kw_only=True)
class System:
    """One system. `images` are what registries outside hold, by reference; `walk` follows its guide."""

    name: str
    trip: Trip
    web: Web
    monkeypatch: pytest.MonkeyPatch
    walk: Walk
    images: dict[str, ImageContent] = field(default_factory=dict)

    @property
    def outside(self) -> Path:
        """Where the vendor works."""
        return self.trip.path / "outside" / self.name

    @property
    def inside(self) -> Path:
        """Where the boundary admin works."""
        return self.trip.path / "inside" / self.name

    @property
    def stick(self) -> Path:
        """The medium."""
        return self.trip.path / "stick"

    @property
    def manifest(self) -> Path:
        """What travels."""
        return self.outside / f"{self.name}.yaml"

    def put_images(self, *references: str, size: int = _LAYER_BYTES) -> None:
        """Let images be there for two platforms, with layers of this size; versions of a repository share one."""
        for reference in references:
            host, _, rest = reference.partition("/")
            repository, _, tag = rest.rpartition(":")
            content = multi_arch_image(
                reference, _PLATFORMS, base=f"{host}/{repository}", size=size, attestations=False
            )
            content.push_to(self.trip.source.registry, f"{_component(host)}/{repository}", tag)
            self.images[reference] = content
        self._set_mirrors()

    def put_content(self, reference: str, content: ImageContent) -> None:
        """Let anything of a registry be there: a chart, an artifact."""
        host, _, rest = reference.partition("/")
        repository, _, tag = rest.rpartition(":")
        content.push_to(self.trip.source.registry, f"{_component(host)}/{repository}", tag)
        self.images[reference] = content
        self._set_mirrors()

    def put_chart(self, repo: str, name: str, version: str, package: bytes) -> None:
        """Let a classic repository hold a chart."""
        self.web.put_chart(repo, name, version, package)
        self._set_mirrors()

    def put_file(self, url: str, data: bytes) -> None:
        """Let a file be there."""
        self.web.put(url, data)
        self._set_mirrors()

    def _set_mirrors(self) -> None:
        registries = {reference.partition("/")[0] for reference in self.images}
        assert not registries & self.web.hosts, "a host here is a registry or a web server, not both"
        places = {host: f"{self.trip.source.address}/{_component(host)}" for host in registries}
        places |= {host: f"{self.web.address}/{host}" for host in self.web.hosts}
        self.monkeypatch.setenv("AIRGAP_MIRROR", " ".join(f"{host}={place}" for host, place in sorted(places.items())))

    def edit(self, changes: dict[str, str]) -> None:
        """Write other texts into the files outside but the guide, as the vendor does for a new release."""
        files = [file for file in self.outside.rglob("*.*") if file.suffix in {".yaml", ".yml", ".txt"}]
        for old, new in changes.items():
            found = [file for file in files if ".lock." not in file.name and old in file.read_text()]
            assert found, f"no file holds {old!r}"
            for file in found:
                file.write_text(file.read_text().replace(old, new))

    def people(self, **addresses: str) -> None:
        """Make keys with these mail addresses; each public one lies inside as NAME.asc, as if brought by hand."""
        for name, address in addresses.items():
            (self.inside / f"{name}.asc").write_text(keys().home.public_key(person(address)))

    def run(self, program: str, *arguments: object, status: int = 0) -> Said:
        """A command that has to end so."""
        said = run(program, *arguments)
        assert said.status == status, said.out + said.err
        return said

    def locked_images(self) -> set[str]:
        """The references that the lock names as images."""
        lock = self.manifest.with_suffix(".lock.yaml")
        return {item.source for item in parse_lock(lock.read_bytes(), lock.name).items if item.kind == "image"}

    def status(self) -> dict[str, Any]:
        """What the inside says of itself."""
        return self.run("airgap-import", "status", "--format", "json").json

    def receipts(self) -> list[str]:
        """The ids of all receipts, by sequence."""
        return sorted(file.stem for file in (self.trip.state / "receipts").glob("*.json"))

    def asked_by_chart(self, package: bytes, *values: Path) -> set[str]:
        """The images that Helm makes of a chart with these values files."""
        chart = self.trip.path / "asked" / "chart.tgz"
        chart.parent.mkdir(exist_ok=True)
        chart.write_bytes(package)
        options = [option for file in values for option in ("-f", file)]
        said = self.run("airgap-manifest", "discover", chart, *options, "--format", "json")
        return {each["image"] for each in said.json["images"] if each["certainty"] == "rendered"}

    def pinned(self, reference: str) -> str:
        """How the inside names an image by tag and digest, where no map was given."""
        return f"{self.trip.inner.address}/{reference}@{self.images[reference].digest}"

    def composed(self) -> dict[str, str]:
        """The image of each service, as `relocate --for compose` wrote it."""
        services = yaml.safe_load((self.inside / "relocation" / "compose.airgap.yaml").read_text())["services"]
        return {name: service["image"] for name, service in services.items()}

    def inside_digest(self, reference: str, server: RegistryServer | None = None) -> Digest | None:
        """What an image that is named like that outside is inside, where no map was given."""
        host, _, rest = reference.partition("/")
        repository, _, tag = rest.rpartition(":")
        found = (server or self.trip.inner).registry.head_manifest(f"{_component(host)}/{repository}", tag)
        return found.digest if found else None


def fill_policy(template: Path, *pairs: str) -> subprocess.CompletedProcess[str]:
    """What `manifests/fill-policy` does with a template."""
    command = [str(MANIFESTS / "fill-policy"), str(template), *pairs]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _component(host: str) -> str:
    return host.replace(":", "_")


@contextlib.contextmanager
def system_on_its_way(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """Both sides with a copy of the system's directory, nothing in any registry, the state in the environment."""
    with make_trip(path, monkeypatch) as trip, web_outside() as web:
        for side in ("outside", "inside"):
            shutil.copytree(MANIFESTS / name, path / side / name)
            shutil.copy2(MANIFESTS / "fill-policy", path / side / "fill-policy")
        (path / "stick").mkdir()
        monkeypatch.setenv("AIRGAP_STATE", str(trip.state))
        walk = Walk(
            guide=path / "outside" / name / "README.md",
            sides={side: path / side / name for side in ("outside", "inside")},
            places={REGISTRY: trip.inner.address, STICK: str(path / "stick")},
            monkeypatch=monkeypatch,
        )
        yield System(name=name, trip=trip, web=web, monkeypatch=monkeypatch, walk=walk)
