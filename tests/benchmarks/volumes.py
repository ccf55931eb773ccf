#!/usr/bin/env python3
"""Times a bundle in volumes beside the same bundle in one file, on the same images, in turn.

    tests/benchmarks/volumes.py 127.0.0.1:5600/real/git:1.0 …     images that a registry on loopback serves
    tests/benchmarks/volumes.py --count 20                        as many volumes as that

Building (until everything is durable), checking, and pushing into an empty Debian docker-registry; then the volumes
without their table, and from two directories. The ratios are what to look at: 1.00 is no difference.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compare import make_images, make_key
from measure import Run, median, run, show
from support.registries import debian_registry, embedded_registry

FILE = "one file"


@dataclass(kw_only=True)
class Bench:
    """A place to work, with a locked manifest in it; what was measured so far."""

    work: Path
    key: str
    policy: Path
    manifest: Path
    count: int
    runs: dict[str, dict[str, list[Run]]] = field(default_factory=dict)

    def note(self, task: str, kind: str, one: Run) -> None:
        """Keep a figure."""
        self.runs.setdefault(task, {}).setdefault(kind, []).append(one)

    def build(self, place: Path, *options: str) -> Run:
        """Build into an empty directory."""
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        out = place / "bench.tar"
        return run(
            ["airgap-export", "build", self.manifest, "-o", out, "--sign", f"gpg:{self.key}", *options], output=place
        )

    def push(self, bundle: Path, name: str, *options: str) -> Run:
        """Push into an empty registry."""
        inside = self.work / "inside"
        shutil.rmtree(inside, ignore_errors=True)
        with debian_registry(inside) as address:
            state = self.work / f"state-{name}"
            shutil.rmtree(state, ignore_errors=True)
            words = ["airgap-import", "push", bundle, f"{address}/m", "--policy", self.policy, "--state", state]
            return run([*words, *options])

    def once(self) -> None:
        """Every task, with one file and with volumes, one after the other."""
        whole, cut = self.work / "whole", self.work / "cut"
        pieces = f"{self.count} volumes"
        self.note("Build, durable", FILE, self.build(whole))
        size = -(-(whole / "bench.tar").stat().st_size // self.count)
        self.note("Build, durable", pieces, self.build(cut, "--volume-size", str(size)))
        assert len(list(cut.glob("bench.tar.[0-9]*"))) == self.count
        for kind, bundle in ((FILE, whole / "bench.tar"), (pieces, cut)):
            self.note("Verify", kind, run(["airgap-import", "verify", bundle, "--policy", self.policy]))
            self.note("Push into an empty docker-registry", kind, self.push(bundle, kind))
        table, spare = cut / "bench.tar.volumes.json", self.work / "spare"
        shutil.rmtree(spare, ignore_errors=True)
        spare.mkdir()
        table.unlink()
        self.note("Push into an empty docker-registry", "without table", self.push(cut, "bare"))
        for path in sorted(cut.glob("bench.tar.[0-9]*"))[::2]:
            path.rename(spare / path.name)
        split = self.push(cut, "split", "--media", str(spare))
        self.note("Push into an empty docker-registry", "2 directories", split)


def main() -> None:
    """Run everything, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references", nargs="*", metavar="IMAGE", help="all on one registry, served over plain HTTP")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", type=int, default=20, help="how many volumes")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airgap-bench-")))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(work / "compiled")
        references = options.references
        if not references:
            server = stack.enter_context(embedded_registry(work / "outside"))
            references = make_images(server.registry, server.address, 10, 62)
        key, public = make_key(work / "g")
        policy, manifest = work / "policy.yaml", work / "bench.yaml"
        run(["airgap-import", "policy", "init", "--openpgp", public, "-o", policy])
        lines = ["apiVersion: airgap-bundle/v1", "name: bench", "version: '1'", "images:"]
        manifest.write_text("\n".join([*lines, *(f"  - {reference}" for reference in references)]) + "\n")
        run(["airgap-manifest", "lock", manifest])
        bench = Bench(work=work, key=key, policy=policy, manifest=manifest, count=options.count)
        print(f"{len(references)} images, {options.runs} runs each, in turn; load {os.getloadavg()[0]:.1f}")
        for _ in range(options.runs):
            bench.once()
        print(f"bundle: {(work / 'whole' / 'bench.tar').stat().st_size / 1e6:.1f} MB")
        for task, kinds in bench.runs.items():
            # The others first: what is shown is what they cost beside one file.
            rows = {kind: median(runs) for kind, runs in kinds.items()}
            for kind in [kind for kind in rows if kind != FILE]:
                show(task, {kind: rows[kind], FILE: rows[FILE]})


if __name__ == "__main__":
    main()
