"""Releases of one product that share much, and a destination that can lose what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.images import single_image
from support.trip import keys, run

from airgap_bundle.bundle.inventory import parse_inventory
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import read_head

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.content import ImageContent
    from support.trip import Said, Trip

    from airgap_bundle.bundle.inventory import Inventory
    from airgap_bundle.core.content import Digest

LAYER_BYTES = 20_000


@dataclass(kw_only=True)
class Releases:
    """Versions of `acme` outside, and what of them is inside. DEST is a directory unless another one is named."""

    trip: Trip

    @property
    def registry(self) -> Path:
        """The storage of the destination."""
        return self.trip.path / "registry"

    @property
    def dest(self) -> str:
        """The destination."""
        return f"dir:{self.registry}"

    def put(self, version: str, images: Mapping[str, ImageContent], *more: str, name: str = "acme") -> None:
        """Make a release of these images, by their repositories, the newest."""
        references = self.trip.put({(repository, version): image for repository, image in images.items()})
        lines = ("images:", *(f"  - {reference}" for reference in references), *more)
        self.trip.write_manifest(*lines, name=name, version=version)
        said = run("airgap-manifest", "lock", self.trip.path / f"{name}.yaml")
        assert said.status == 0, said.err

    def build(self, out: str, *bases: object, name: str = "acme") -> Path:
        """The bundle of the newest release of a product, against these bases."""
        words = [word for base in bases for word in ("--base", base)]
        place, key = self.trip.path / out, f"gpg:{keys().release}"
        said = run("airgap-export", "build", self.trip.path / f"{name}.yaml", "-o", place, "--sign", key, *words)
        assert said.status == 0, said.err
        return place

    def plan(self, *bases: object, status: int = 0) -> Said:
        """What would be built."""
        words = [word for base in bases for word in ("--base", base)]
        said = run("airgap-export", "plan", self.trip.path / "acme.yaml", *words, "--format", "json")
        assert said.status == status, said.err
        return said

    def push(self, bundle: Path, *options: object, dest: str = "") -> Path:
        """Push it, which has to work; the file of the receipt."""
        pushed = self.trip.pushed(bundle, dest or self.dest, *options)
        return self.trip.state / "receipts" / f"{pushed['receipt']}.json"

    def refused(self, bundle: Path, status: int, code: str, *options: object, dest: str = "") -> dict[str, Any]:
        """Push what has to be refused, with nothing changed at the destination; the error."""
        before = self.files()
        trail = self.trip.state / "audit.jsonl"
        records = len(trail.read_text().splitlines()) if trail.exists() else 0
        said = self.trip.push(bundle, dest or self.dest, *options, "--format", "json")
        assert said.status == status, said.err
        error = dict(said.json["error"])
        assert error["code"] == code, error
        assert error["hint"]
        assert self.files() == before
        new = [line for line in trail.read_text().splitlines()[records:] if '"refused"' in line]
        assert len(new) == (1 if status in {3, 4} else 0), new
        return error

    def files(self) -> dict[str, bytes]:
        """Every file of the destination's storage."""
        found = (file for file in self.registry.rglob("*") if file.is_file() and file.name != "registry.json")
        return {str(file.relative_to(self.registry)): file.read_bytes() for file in found}

    def collect(self, *digests: Digest) -> None:
        """Let the destination lose these blobs, as its garbage collection would."""
        for digest in digests:
            for file in self.registry.rglob(f"_blobs/sha256-{digest.encoded}"):
                file.unlink()
            (self.registry / "blobs" / "sha256" / digest.encoded[:2] / digest.encoded).unlink()

    def damage(self, digest: Digest) -> None:
        """Let the destination hold other bytes of the same length."""
        file = self.registry / "blobs" / "sha256" / digest.encoded[:2] / digest.encoded
        size = file.stat().st_size
        file.chmod(0o600)
        file.write_bytes(bytes(size))


def inventory_of(bundle: Path) -> Inventory:
    """What a bundle says it holds."""
    medium = FileMedium(bundle)
    try:
        return parse_inventory(read_head(medium).inventory_raw)
    finally:
        medium.close()


def weight_of(bundle: Path) -> dict[str, float]:
    """The length of a delta, of its head and of the layers in it; what else is in it, in per cent of the layers."""
    medium = FileMedium(bundle)
    try:
        head = read_head(medium).head_bytes
    finally:
        medium.close()
    inventory = inventory_of(bundle)
    # Image manifests and configs come first and are small.
    changed = max(blob.size for blob in inventory.blobs)
    length = bundle.stat().st_size
    return {
        "bundleBytes": length,
        "headBytes": head,
        "changedBytes": changed,
        "morePerCent": round(100 * (length - head - changed) / changed, 3),
    }


def images(letters: str, version: str, changed: str = "", *, size: int = LAYER_BYTES) -> dict[str, ImageContent]:
    """One image for each letter, with a layer that all share; those in `changed` are of this version, others of 1."""
    return {
        f"acme/{letter}": single_image(f"{letter} {version if letter in changed else 1}", base="shared", size=size)
        for letter in letters
    }
