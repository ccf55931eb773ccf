"""The whole way of a delivery on loopback: a source, a manifest, keys, a policy, a state directory, an inner registry.

Commands run in this process through `frame.run_app`, as a person would type them; where the process itself matters
(signals, pipes, memory) `start` makes another one.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.images import single_image
from support.keys import GnuPgHome, gnupg_home
from support.registries import embedded_registry

from airgap_bundle.cli import boundary, export, frame, manifest
from airgap_bundle.registry.client import RegistryClient
from airgap_bundle.registry.options import ClientOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pytest
    from support.content import ImageContent

    from airgap_bundle.core.content import Digest
    from airgap_bundle.registry.server import RegistryServer

_APPS = {"airgap-manifest": manifest.app, "airgap-export": export.app, "airgap-import": boundary.app}
_MODULES = {"airgap-manifest": "manifest", "airgap-export": "export", "airgap-import": "boundary"}
RELEASE = "Release <release@example.com>"
STRANGER = "Stranger <stranger@example.com>"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command said, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output as the one JSON document that it has to be."""
        document = json.loads(self.out)
        assert document["version"] == 1
        return dict(document)

    @property
    def text(self) -> str:
        """Everything, on one line: how a sentence was broken does not matter."""
        return " ".join((self.out + self.err).split())


def run(program: str, *arguments: object) -> Said:
    """Run a command in this process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = frame.run_app(_APPS[program], arguments=[str(each) for each in arguments])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]  # a BytesIO
    assert "Traceback" not in said[1], said[1]
    assert status != 70, said[1]
    return Said(status=status, out=said[0], err=said[1])


def command_line(program: str, *arguments: object) -> list[str]:
    """The same as a list for another process."""
    code = f"from airgap_bundle.cli.{_MODULES[program]} import main; main()"
    return [sys.executable, "-c", code, *map(str, arguments)]


def start(program: str, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command as a process of its own."""
    return subprocess.Popen(
        command_line(program, *arguments), **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    )


@dataclass(frozen=True, kw_only=True)
class Keys:
    """A GnuPG home with the key of who releases and that of a stranger."""

    home: GnuPgHome
    release: str
    stranger: str


@functools.cache
def keys() -> Keys:
    """Made once for all tests of a process; nothing may change them."""
    stack = contextlib.ExitStack()
    home = stack.enter_context(gnupg_home())
    atexit.register(stack.close)
    return Keys(home=home, release=home.make_key(RELEASE), stranger=home.make_key(STRANGER))


@dataclass(kw_only=True)
class Trip:
    """One delivery in a directory of its own. `source` and `inner` are served; files lie below `path`."""

    path: Path
    source: RegistryServer
    inner: RegistryServer

    @property
    def policy(self) -> Path:
        """What the inside trusts."""
        return self.path / "policy.yaml"

    @property
    def state(self) -> Path:
        """What the inside remembers."""
        return self.path / "state"

    @property
    def dest(self) -> str:
        """The inner registry, with a path."""
        return f"{self.inner.address}/mirror"

    def put(self, contents: Mapping[tuple[str, str], ImageContent]) -> list[str]:
        """Fill the source; the references."""
        for (repository, tag), content in contents.items():
            content.push_to(self.source.registry, repository, tag)
        return [f"{self.source.address}/{repository}:{tag}" for repository, tag in contents]

    def write_manifest(self, *lines: str, name: str = "acme", version: str = "1.0.0") -> Path:
        """A manifest with these lines behind its head."""
        file = self.path / f"{name}.yaml"
        head = ("apiVersion: airgap-bundle/v1", f"name: {name}", f"version: {version}")
        file.write_text("\n".join((*head, *lines)) + "\n")
        return file

    def manifest_of_images(self, *references: str, version: str = "1.0.0", more: tuple[str, ...] = ()) -> Path:
        """A manifest of whole images."""
        return self.write_manifest("images:", *(f"  - {each}" for each in references), *more, version=version)

    def one_image(self, seed: str = "app", *, size: int = 2000) -> ImageContent:
        """A single image in the source, and the manifest that names it."""
        image = single_image(seed, size=size)
        self.manifest_of_images(*self.put({("acme/app", "1.0"): image}))
        return image

    def build(self, out: str = "acme.tar", *options: object, sign: str = "release") -> Path:
        """Build the manifest `acme.yaml`; it has to work."""
        how = ("--sign", f"gpg:{getattr(keys(), sign)}") if sign else ()
        said = run("airgap-export", "build", self.path / "acme.yaml", "-o", self.path / out, *how, *options)
        assert said.status == 0, said.err
        return self.path / out

    def lock(self, *options: object) -> Said:
        """Lock `acme.yaml`."""
        return run("airgap-manifest", "lock", self.path / "acme.yaml", *options)

    def push(self, bundle: Path | str, dest: str = "", *options: object) -> Said:
        """Push a bundle to DEST."""
        return run("airgap-import", *self.push_arguments(bundle, dest, *options))

    def push_arguments(self, bundle: Path | str, dest: str = "", *options: object) -> list[object]:
        """What `push` is called with."""
        return ["push", bundle, dest or self.dest, "--policy", self.policy, "--state", self.state, *options]

    def pushed(self, bundle: Path | str, dest: str = "", *options: object) -> dict[str, Any]:
        """Push, which has to work; its JSON."""
        said = self.push(bundle, dest, *options, "--format", "json")
        assert said.status == 0, said.err
        return said.json

    def below(self, repository: str) -> str:
        """The name that a repository of the source gets inside."""
        return f"mirror/{self.source.address.replace(':', '_')}/{repository}"

    def inside(self, repository: str, tag: str) -> Digest | None:
        """What a tag of the source's repository names in the inner registry."""
        found = self.inner.registry.head_manifest(self.below(repository), tag)
        return found.digest if found else None

    def inner_tags(self) -> dict[str, list[str]]:
        """Every tag inside that a cluster could use: none of ours."""
        found: dict[str, list[str]] = {}
        with client(self.inner.address) as registry:
            for repository in sorted(catalogue(self.inner)):
                tags = [tag for tag in registry.list_tags(repository) if not tag.startswith("airgap-")]
                if tags and "/airgap-receipts/" not in f"/{repository}":
                    found[repository] = sorted(tags)
        return found


def client(address: str) -> RegistryClient:
    """A client of a registry on loopback."""
    return RegistryClient(address, ClientOptions())


def catalogue(server: RegistryServer) -> list[str]:
    """The repositories of an embedded registry."""
    import urllib.request  # noqa: PLC0415 - needed here only

    with urllib.request.urlopen(f"http://{server.address}/v2/_catalog?n=10000", timeout=10) as answer:
        return list(json.load(answer)["repositories"])


@contextlib.contextmanager
def make_trip(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    """Registries running, keys at hand, the simplest policy written."""
    monkeypatch.setenv("GNUPGHOME", str(keys().home.path))
    with embedded_registry(path / "source") as source, embedded_registry(path / "inner") as inner:
        trip = Trip(path=path, source=source, inner=inner)
        (path / "release.asc").write_text(keys().home.public_key(keys().release))
        said = run("airgap-import", "policy", "init", "--openpgp", path / "release.asc", "-o", trip.policy)
        assert said.status == 0, said.err
        yield trip


def assert_nothing_final(directory: Path, name: str) -> None:
    """No file has the final name, whatever lies beside it."""
    assert not os.path.lexists(directory / name)
