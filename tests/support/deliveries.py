"""Releases of two products, built once for all tests of a process, and an inside with nothing in it for each test."""

from __future__ import annotations

import atexit
import contextlib
import functools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.images import referrer, single_image
from support.trip import Said, Trip, keys, make_trip, run

from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from support.content import ImageContent

    from airgap_bundle.core.content import Digest


@dataclass(frozen=True, kw_only=True)
class Deliveries:
    """Bundles by name, the images in them, and the host that they came from (as part of a path)."""

    path: Path
    policy: Path
    host: str
    images: dict[str, ImageContent]

    def bundle(self, name: str) -> Path:
        """`acme-1`, `acme-2`, `acme-3` or `other-1`."""
        return self.path / f"{name}.tar"


@functools.cache
def deliveries() -> Deliveries:
    """acme 1, 2, 3: `app` with a tag of its own each and an SBOM, `redis:7` another one each. other 1: `redis:7`."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airgap-deliveries-")))
    images: dict[str, ImageContent] = {}
    with pytest.MonkeyPatch.context() as patch, make_trip(path, patch) as trip:
        for n in (1, 2, 3):
            app, redis = single_image(f"app {n}"), single_image(f"redis {n}")
            app = app.with_referrers(referrer(app.root))
            images |= {f"app-{n}": app, f"redis-{n}": redis}
            _build(trip, "acme", n, {("acme/app", f"{n}.0"): app, ("library/redis", "7"): redis})
            time.sleep(1)
        images["redis-other"] = single_image("redis other")
        _build(trip, "other", 1, {("library/redis", "7"): images["redis-other"]})
        host = trip.source.address.replace(":", "_")
    return Deliveries(path=path, policy=trip.policy, host=host, images=images)


def _build(trip: Trip, name: str, number: int, contents: dict[tuple[str, str], ImageContent]) -> None:
    references = trip.put(contents)
    manifest = trip.write_manifest("images:", *(f"  - {each}" for each in references), name=name, version=f"{number}.0")
    (trip.path / f"{name}.lock.yaml").unlink(missing_ok=True)
    out = trip.path / f"{name}-{number}.tar"
    said = run("airgap-export", "build", manifest, "-o", out, "--sign", f"gpg:{keys().release}")
    assert said.status == 0, said.err


@dataclass(kw_only=True)
class Site:
    """The inside: a state directory, and a directory as destination unless another one is named."""

    path: Path
    policy: Path
    dest: str

    @property
    def state(self) -> Path:
        """What it remembers."""
        return self.path / "state"

    @property
    def registry(self) -> DirectoryRegistry:
        """Its registry."""
        return DirectoryRegistry(self.path / "registry")

    def run(self, command: str, *arguments: object, policy: bool = True) -> Said:
        """Run a command of `airgap-import`, with state and policy."""
        more = ("--policy", self.policy) if policy else ()
        return run("airgap-import", *command.split(), *arguments, "--state", self.state, *more)

    def done(self, command: str, *arguments: object, policy: bool = True, status: int = 0) -> dict[str, object]:
        """Run a command that has to end so; its JSON."""
        said = self.run(command, *arguments, "--format", "json", policy=policy)
        assert said.status == status, said.out + said.err
        return said.json

    def push(self, name: str, *options: object, dest: str = "") -> str:
        """Push a bundle, which has to work; the id of its receipt."""
        return str(self.done("push", deliveries().bundle(name), dest or self.dest, *options)["receipt"])

    def refused(self, command: str, *arguments: object, status: int, code: str) -> str:
        """Run a command that has to be refused so; the sentence."""
        said = self.run(command, *arguments, "--format", "json")
        assert said.status == status, said.out + said.err
        error = said.json["error"]
        assert error["code"] == code, said.out
        return str(error["message"])

    def status(self) -> dict[str, object]:
        """What it says of itself."""
        return self.done("status", policy=False)

    def repository(self, name: str) -> str:
        """The repository of `app` or `redis`."""
        return f"{deliveries().host}/{'acme/app' if name == 'app' else 'library/redis'}"

    def tag(self, name: str, tag: str) -> Digest | None:
        """What a tag names."""
        found = self.registry.head_manifest(self.repository(name), tag)
        return found.digest if found else None

    def tags(self) -> dict[str, str]:
        """Which image of ours each tag that a cluster could use names."""
        names = {image.digest: name for name, image in deliveries().images.items()}
        found = {}
        for short in ("app", "redis"):
            for tag in self.registry.list_tags(self.repository(short)):
                if not tag.startswith(("airgap-", "sha256-")):
                    digest = self.tag(short, tag)
                    found[f"{short}:{tag}"] = names.get(digest, str(digest)) if digest else ""
        return found

    def audit(self) -> list[dict[str, object]]:
        """The records of the audit trail."""
        import json  # noqa: PLC0415 - needed here only

        return [json.loads(line) for line in (self.state / "audit.jsonl").read_text().splitlines()]

    def events(self) -> list[str]:
        """What happened, in order."""
        return [str(record["event"]) for record in self.audit()]


def make_site(path: Path) -> Site:
    """An inside below a directory."""
    path.mkdir(parents=True, exist_ok=True)
    policy = path / "policy.yaml"
    policy.write_bytes(deliveries().policy.read_bytes())
    return Site(path=path, policy=policy, dest=f"dir:{path / 'registry'}")
