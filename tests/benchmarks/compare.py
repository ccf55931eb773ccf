#!/usr/bin/env python3
"""Times airgap-bundle beside other tools that are on PATH, on the same images, in the same run.

    tests/benchmarks/compare.py                                  images of random bytes, made on the spot
    tests/benchmarks/compare.py 127.0.0.1:5600/real/git:1.0 …     images that a registry on loopback serves

Two tasks: the images into files on disk, counted until they are durable (`sync` of the output on every side), and those
files into an empty Debian docker-registry, each image in a repository of its own. Prints medians and ratios, and names
the tools that it missed. Figures of one machine mean little; the ratios are what to look at.

Fairness: skopeo stores the layers of each image apart and remembers blobs in a cache of its own, which is removed
before each run; Debian builds skopeo and docker-registry with a Go that lacks the CPU's SHA instructions.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.images import single_image
from support.registries import debian_registry, embedded_registry

_CACHES = (Path("/var/lib/containers/cache"), Path.home() / ".local/share/containers/cache")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one command, as the kernel accounts for it; `peak` is the largest single process."""

    wall: float
    cpu: float
    peak: int
    written: int


def run(command: list[str], *, output: Path | None = None, environment: dict[str, str] | None = None) -> Run:
    """Run a command to its end, and flush what it wrote to `output`."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})}
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}\n{errors.decode(errors='replace')[-2000:]}")
    if output is not None:
        subprocess.run(["sync", "-f", str(output)], check=True)
    return Run(
        wall=time.perf_counter() - start,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * 1024,
        written=usage.ru_oublock * 512,
    )


def median(runs: list[Run]) -> Run:
    """The median of each figure."""
    return Run(
        wall=statistics.median(one.wall for one in runs),
        cpu=statistics.median(one.cpu for one in runs),
        peak=int(statistics.median(one.peak for one in runs)),
        written=int(statistics.median(one.written for one in runs)),
    )


def forget_caches() -> None:
    """skopeo skips what it remembers to have pushed."""
    for cache in _CACHES:
        shutil.rmtree(cache, ignore_errors=True)


@dataclass(kw_only=True)
class Bench:
    """The images, and a place to work."""

    references: list[str]
    work: Path
    key: str = ""

    def manifest(self) -> Path:
        """Our manifest for the images, locked: locking is not what is compared."""
        path = self.work / "bench.yaml"
        lines = ["apiVersion: airgap-bundle/v1", "name: bench", "version: '1'", "images:"]
        path.write_text("\n".join([*lines, *(f"  - {reference}" for reference in self.references)]) + "\n")
        run(["airgap-manifest", "lock", str(path)])
        return path

    def export_ours(self, manifest: Path) -> tuple[Run, Path]:
        """A signed bundle."""
        out = self.work / "bench.tar"
        out.unlink(missing_ok=True)
        return run(
            ["airgap-export", "build", str(manifest), "-o", str(out), "--sign", f"gpg:{self.key}"], output=out
        ), out

    def export_skopeo(self) -> tuple[Run, Path]:
        """One directory for each image, all platforms, as skopeo sync writes them."""
        out = self.work / "skopeo"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        forget_caches()
        script = " && ".join(
            f"skopeo copy -q --all --src-tls-verify=false docker://{reference} dir:{out}/{number}"
            for number, reference in enumerate(self.references)
        )
        return run(["sh", "-c", script], output=out), out

    def import_ours(self, bundle: Path, registry: str, policy: Path, state: Path) -> Run:
        """Verified and pushed."""
        return run(["airgap-import", "push", str(bundle), f"{registry}/m", "--policy", str(policy), "--state", state])

    def import_skopeo(self, source: Path, registry: str) -> Run:
        """Each image into a repository of its own."""
        forget_caches()
        script = " && ".join(
            f"skopeo copy -q --all --preserve-digests --dest-tls-verify=false "
            f"dir:{source}/{number} docker://{registry}/s/{number}:1"
            for number, _ in enumerate(self.references)
        )
        return run(["sh", "-c", script])


def make_images(registry: object, address: str, count: int, megabytes: int) -> list[str]:
    """Images of three layers: one that all share, one that five share, one of their own."""
    references = []
    for number in range(count):
        content = single_image(f"bench{number}", layers=2, base=f"base{number // 5}", size=megabytes * 1_000_000)
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


def show(title: str, rows: dict[str, Run]) -> None:
    """A table, and the ratios of ours to each other one."""
    print(f"\n{title}")
    print(f"  {'':16}{'wall':>9}{'CPU':>9}{'memory':>10}{'written':>11}")
    for name, one in rows.items():
        print(f"  {name:16}{one.wall:>7.2f} s{one.cpu:>7.2f} s{one.peak / 1e6:>7.0f} MB{one.written / 1e6:>8.0f} MB")
    ours, *others = rows
    for name in others:
        wall, cpu = rows[ours].wall / rows[name].wall, rows[ours].cpu / rows[name].cpu
        print(f"  {ours} / {name}: wall {wall:.2f}, CPU {cpu:.2f}")


def main() -> None:
    """Run both tasks with every tool that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references", nargs="*", metavar="IMAGE")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--count", type=int, default=20, help="how many images to make where none is named")
    parser.add_argument("--megabytes", type=int, default=15, help="the size of a layer of theirs")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airgap-bench-")))
        references = options.references
        if not references:
            server = stack.enter_context(embedded_registry(work / "outside"))
            references = make_images(server.registry, server.address, options.count, options.megabytes)
        bench = Bench(references=references, work=work)
        bench.key, public = make_key(work / "g")
        policy = work / "policy.yaml"
        run(["airgap-import", "policy", "init", "--openpgp", str(public), "-o", str(policy)])
        manifest = bench.manifest()
        has_skopeo = shutil.which("skopeo") is not None
        print(f"{len(references)} images, {options.runs} runs each, in turn; {os.cpu_count()} processors")
        if not has_skopeo:
            print("missed: skopeo is not on PATH")
        exports: dict[str, list[Run]] = {"airgap-bundle": []}
        imports: dict[str, list[Run]] = {"airgap-bundle": []}
        again: list[Run] = []
        for number in range(options.runs):
            one, bundle = bench.export_ours(manifest)
            exports["airgap-bundle"].append(one)
            with debian_registry(work / f"inside{number}a") as inside:
                imports["airgap-bundle"].append(bench.import_ours(bundle, inside, policy, work / f"state{number}"))
                again.append(bench.import_ours(bundle, inside, policy, work / f"state{number}"))
            if has_skopeo:
                one, copied = bench.export_skopeo()
                exports.setdefault("skopeo", []).append(one)
                with debian_registry(work / f"inside{number}b") as inside:
                    imports.setdefault("skopeo", []).append(bench.import_skopeo(copied, inside))
            for letter in "ab":
                shutil.rmtree(work / f"inside{number}{letter}", ignore_errors=True)
        print(f"bundle: {bundle.stat().st_size / 1e6:.1f} MB")
        show("Images to disk, durable", {name: median(runs) for name, runs in exports.items()})
        show("Into an empty docker-registry", {name: median(runs) for name, runs in imports.items()})
        show("Again, with everything there", {"airgap-bundle": median(again)})


if __name__ == "__main__":
    main()
