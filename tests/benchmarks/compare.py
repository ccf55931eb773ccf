#!/usr/bin/env python3
"""Times airgap-bundle beside other tools that are on PATH, on the same images, in the same run.

    tests/benchmarks/compare.py                                  images of random bytes, made on the spot
    tests/benchmarks/compare.py 127.0.0.1:5600/real/git:1.0 …     images that a registry on loopback serves

Two tasks: the images into files on disk, counted until they are durable (`sync` of the output on every side), and those
files into an empty Debian docker-registry, each image in a repository of its own; then ours once more, with everything
there; then the same with a delay on every request. `verify` is timed beside `openssl dgst` over the same file, once
over this bundle and once over one of several gigabytes, as it has to start first. Last what the machine can do
(`floors`) and where our time goes.
Prints medians and ratios, and names the tools that it missed. Figures of one machine mean little; the ratios are what
to look at.

Fairness: every tool gets the same images from the same server and is run in turn. Debian builds skopeo and
docker-registry with a Go that lacks the CPU's SHA instructions; crane and oras do not hash what they push. Ours checks
the signature and hashes every byte each time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import floors
from measure import Run, median, run, show
from peers import Peer, found, missed
from slowline import slow_line
from support.images import image_of
from support.layers import layer
from support.registries import debian_registry, embedded_registry

from airgap_bundle.core.oci import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "airgap-bundle"


@dataclass(frozen=True, kw_only=True)
class Ours:
    """Our side of the comparison: a signing key, the policy that trusts it, and a place to work."""

    work: Path
    key: str
    policy: Path

    def lock(self, references: list[str], name: str) -> Path:
        """A manifest of the images, locked: locking is not what is compared."""
        path = self.work / f"{name}.yaml"
        lines = ["apiVersion: airgap-bundle/v1", f"name: {name}", "version: '1'", "images:"]
        path.write_text("\n".join([*lines, *(f"  - {reference}" for reference in references)]) + "\n")
        run(["airgap-manifest", "lock", path])
        return path

    def export(self, manifest: Path) -> tuple[Run, Path]:
        """A signed bundle."""
        out = manifest.with_suffix(".tar")
        out.unlink(missing_ok=True)
        return run(["airgap-export", "build", manifest, "-o", out, "--sign", f"gpg:{self.key}"], output=out), out

    def load(self, bundle: Path, registry: str, state: Path) -> Run:
        """Verified and pushed."""
        return run(["airgap-import", "push", bundle, f"{registry}/m", "--policy", self.policy, "--state", state])

    def verify(self, bundle: Path) -> Run:
        """Verified, nothing else."""
        return run(["airgap-import", "verify", bundle, "--policy", self.policy])


@dataclass(kw_only=True)
class Comparison:
    """The tasks with every tool, `runs` times each in turn."""

    ours: Ours
    peers: list[Peer]
    runs: int

    def tasks(self, references: list[str], name: str, delay_seconds: float = 0.0) -> Path:
        """Both tasks on these images; the bundle that was written."""
        exports: dict[str, list[Run]] = {OURS: [], **{peer.name: [] for peer in self.peers}}
        loads: dict[str, list[Run]] = {OURS: [], **{peer.name: [] for peer in self.peers}}
        again: list[Run] = []
        manifest = self.ours.lock(references, name)
        for number in range(self.runs):
            one, bundle = self.ours.export(manifest)
            exports[OURS].append(one)
            with self.empty_registry(delay_seconds) as inside:
                state = self.ours.work / f"{name}{number}"
                loads[OURS].append(self.ours.load(bundle, inside, state))
                again.append(self.ours.load(bundle, inside, state))
            for peer in self.peers:
                out = self.ours.work / "peer"
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                exports[peer.name].append(peer.export(references, out))
                with self.empty_registry(delay_seconds) as inside:
                    loads[peer.name].append(peer.load(len(references), out, inside))
        after = f", {delay_seconds * 1000:.0f} ms on every request" if delay_seconds else ""
        print(f"\nbundle: {bundle.stat().st_size / 1e6:.1f} MB")
        show(f"Images to disk, durable{after}", {each: median(runs) for each, runs in exports.items()})
        show(f"Into an empty docker-registry{after}", {each: median(runs) for each, runs in loads.items()})
        show(f"Again, with everything there{after}", {OURS: median(again)})
        return bundle

    def warm_up(self, references: list[str]) -> None:
        """Once through everything, so that what an installation has compiled before is compiled here too."""
        _, bundle = self.ours.export(self.ours.lock(references, "warm"))
        with self.empty_registry() as inside:
            self.ours.load(bundle, inside, self.ours.work / "warm")
        self.ours.verify(bundle)

    def verify(self, bundle: Path) -> None:
        """Verified and hashed, all of it being in the page cache."""
        hashing: list[str | Path] = ["openssl", "dgst", "-sha256", bundle]
        run(hashing)
        ours = median([self.ours.verify(bundle) for _ in range(self.runs)])
        show(
            f"Verify alone, {bundle.stat().st_size / 1e6:.0f} MB in the page cache",
            {OURS: ours, "openssl": median([run(hashing) for _ in range(self.runs)])},
        )

    @contextlib.contextmanager
    def empty_registry(self, delay_seconds: float = 0.0) -> Iterator[str]:
        """Debian's docker-registry over an empty directory, behind a slow line where there is a delay."""
        path = self.ours.work / "inside"
        shutil.rmtree(path, ignore_errors=True)
        os.sync()  # everybody begins with nothing that waits for the disk
        with debian_registry(path) as address:
            if not delay_seconds:
                yield address
                return
            with slow_line(address, delay_seconds) as slow:
                yield slow


def make_images(registry: object, address: str, count: int, megabytes: int) -> list[str]:
    """Images of three layers: one that all share, one that five share, and one of their own a third as large.

    Twenty with layers of 62 MB are 725 MB, and 2.9 GB for whom does not share layers.
    """
    references, amd64 = [], Platform.parse("linux/amd64")
    everybody = layer("everybody", size=megabytes * 1_000_000)
    for number in range(count):
        if number % 5 == 0:
            five = layer(f"five{number // 5}", size=megabytes * 1_000_000)
        shared = [everybody, five]
        own = layer(f"own{number}", size=megabytes * 1_000_000 // 3)
        content = image_of(f"bench{number}", [*shared, own], platform=amd64)
        content.push_to(registry, f"bench/image{number}", "1")  # type: ignore[arg-type]  # the server's own registry
        references.append(f"{address}/bench/image{number}:1")
    return references


def make_key(home: Path) -> tuple[str, Path]:
    """A signing key in a home of its own, and its public half in a file."""
    home.mkdir(mode=0o700)
    os.environ["GNUPGHOME"] = str(home)
    gpg = ["gpg", "--batch", "--quiet"]
    subprocess.run([*gpg, "--passphrase", "", "--quick-gen-key", "bench@example.com", "ed25519", "sign"], check=True)
    public = home.parent / "key.asc"
    public.write_bytes(subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True).stdout)
    return "bench@example.com", public


def main() -> None:
    """Run everything with every tool that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references", nargs="*", metavar="IMAGE", help="all on one registry, served over plain HTTP")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--count", type=int, default=20, help="how many images to make where none is named")
    parser.add_argument("--megabytes", type=int, default=62, help="the size of a shared layer")
    parser.add_argument("--gigabytes", type=float, default=3, help="of the bundle that is only verified; 0 for none")
    parser.add_argument("--delay", type=float, default=50, help="milliseconds on every request in the second round")
    parser.add_argument("--peer", action="append", default=[], help="compare with this one only; repeatable")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airgap-bench-")))
        # An installed package is compiled once; a checkout may be told never to keep what it compiled.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(work / "compiled")
        references = options.references
        if not references:
            server = stack.enter_context(embedded_registry(work / "outside"))
            references = make_images(server.registry, server.address, options.count, options.megabytes)
        key, public = make_key(work / "g")
        policy = work / "policy.yaml"
        run(["airgap-import", "policy", "init", "--openpgp", public, "-o", policy])
        ours, used = Ours(work=work, key=key, policy=policy), found(options.peer)
        print(
            f"{len(references)} images, {options.runs} runs each, in turn; "
            f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
        )
        for peer in used:
            print(f"beside {peer.name}: {peer.note}")
        print(f"missed: {', '.join(missed(used)) or 'none'}")
        comparison = Comparison(ours=ours, peers=used, runs=options.runs)
        comparison.warm_up(references[:1])
        bundle = comparison.tasks(references, "bench")
        for command in (["airgap-manifest", "lock"], ["airgap-export", "build"], ["airgap-import", "push"]):
            asked = median([run([*command, "--help"]) for _ in range(5)])
            print(f"{' '.join(command)} --help: {asked.wall:.2f} s")
        comparison.verify(bundle)
        if options.gigabytes:
            with embedded_registry(work / "large") as server:
                large = make_images(server.registry, server.address, 30, round(options.gigabytes * 1000 / 17))
                comparison.verify(ours.export(ours.lock(large, "large"))[1])
            shutil.rmtree(work / "large")
        floors.show(bundle, references, options.runs)
        for workers in (1, 4):
            with comparison.empty_registry() as inside:
                floors.show_uploads(bundle, inside, workers)
        floors.show_profile(work / "bench.yaml")
        if options.delay:
            host = references[0].partition("/")[0]
            with slow_line(host, options.delay / 1000) as slow:
                slowed = [f"{slow}/{reference.partition('/')[2]}" for reference in references]
                comparison.tasks(slowed, "slow", options.delay / 1000)


if __name__ == "__main__":
    main()
