#!/usr/bin/env python3
"""Shows that costs grow with the number of images and not faster: plan, build, verify and push again, at several sizes.

    tests/benchmarks/scale.py                 100, 1,000 and 10,000 images
    tests/benchmarks/scale.py 100 400 1600

An image has ten blobs of its own, eight of them layers, and one more layer that all images share, each in a repository
of its own: so there are the most blobs for the least bytes, and the most repositories for one blob. Content is made in
memory and the destination of the push is a stand-in that has everything, so what is timed is this program alone.

What would make a small size look better or worse than it is, is kept out:
- each command of each size runs in a process of its own, so that its memory is its own;
- in there it is first done once with a single image: imports, threads and caches are not counted;
- what was made to measure with is hidden from the search for cycles, which would be charged to whoever comes first;
- a step's time is the least of several runs, of five where they are short and of two where they are long.

Prints seconds, those of processor time, microseconds of it a blob and the peak of memory after each step; the last
lines compare the largest size with the smallest. Of the peak of a build, 18 MB at 10,000 images are layers in memory.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from airgap_bundle.boundary.sending.presence import Inquirer, check_presence, plan_push
from airgap_bundle.boundary.sending.upload import Uploader
from airgap_bundle.bundle.inventory import BlobEntry, Item
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import BundleReader, read_head, read_inventory
from airgap_bundle.cli.start import collect_seldom
from airgap_bundle.connected.contents import Contents
from airgap_bundle.connected.export import build_file, plan_export
from airgap_bundle.connected.fetching import Fetcher
from airgap_bundle.connected.supplies import FromMemory
from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.oci import OCI_CONFIG, OCI_MANIFEST, parse_document
from airgap_bundle.core.report import Place, silent
from airgap_bundle.manifest.locked import Lock
from airgap_bundle.transfer.paths import PathMap
from airgap_bundle.transfer.plan import plan_targets
from airgap_bundle.transfer.reading import read_all
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import Registry

LAYERS = 8
SIZES = (100, 1_000, 10_000)
BLOBS_PER_IMAGE = LAYERS + 2
SHARED = b"shared layer " * 10
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Full:
    """A destination that has everything."""

    name = "registry.internal"

    def __init__(self, items: dict[str, Descriptor]) -> None:
        self._items = items

    def has_blob(self, repository: str, digest: Digest, size: int) -> bool:
        return True

    def head_manifest(self, repository: str, reference: Digest | str) -> Descriptor | None:
        return self._items[repository]

    def close(self) -> None:
        pass


class NoSources:
    def close(self) -> None:
        pass


class Laps:
    """Times the steps of one size."""

    def __init__(self, images: int) -> None:
        self.steps: dict[str, dict[str, float]] = {}
        self._blobs = images * BLOBS_PER_IMAGE
        gc.collect()
        gc.freeze()
        self._start, self._cpu = time.perf_counter(), time.process_time()

    def lap(self, what: str) -> None:
        """The step that ends now."""
        cpu = time.process_time() - self._cpu
        self.steps[what] = {
            "seconds": time.perf_counter() - self._start,
            "cpu": cpu,
            "each": cpu / self._blobs * 1e6,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        self._start, self._cpu = time.perf_counter(), time.process_time()


@contextmanager
def crew(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that have begun."""
    with ThreadPoolExecutor(workers) as executor:
        all_there = threading.Barrier(workers)
        list(executor.map(lambda _: all_there.wait(), range(workers)))
        yield executor


def make(images: int) -> Contents:
    """Images of small layers, of which they share one."""
    shared = Digest.of(SHARED)
    blobs: list[list[BlobEntry]] = [[], [BlobEntry(digest=shared, size=len(SHARED))]]
    supplies: dict[Digest, Any] = {shared: FromMemory(SHARED)}
    pairs: list[tuple[Item, tuple[Document, ...]]] = []
    for number in range(images):
        layers: list[dict[str, object]] = [{"mediaType": LAYER, "digest": shared, "size": len(SHARED)}]
        known: dict[str, Digest] = {shared: shared}
        for each in range(LAYERS):
            data = f"layer {number} {each} ".encode() * 10
            digest = Digest.of(data)
            known[digest] = digest
            supplies[digest] = FromMemory(data)
            blobs[1].append(BlobEntry(digest=digest, size=len(data)))
            layers.append({"mediaType": LAYER, "digest": digest, "size": len(data)})
        config = json.dumps({"number": number, "architecture": "amd64", "os": "linux"}).encode()
        raw = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": Digest.of(config), "size": len(config)},
                "layers": layers,
            }
        ).encode()
        # The digests are those of the document, as they are in a real build.
        document = parse_document(raw, name=partial(_known, known))
        for digest, data in ((document.descriptor.digest, raw), (document.blobs[0].digest, config)):
            supplies[digest] = FromMemory(data)
            blobs[0].append(BlobEntry(digest=digest, size=len(data)))
        item = Item(
            kind="image",
            source=f"docker.io/acme/image{number}:1",
            path=f"docker.io/acme/image{number}",
            tag="1",
            digest=document.descriptor.digest,
            media_type=OCI_MANIFEST,
            size=len(raw),
        )
        pairs.append((item, (document,)))
    return Contents(entries=tuple(pairs), blobs=(*blobs[0], *blobs[1]), supplies=supplies)


def _known(digests: dict[str, Digest], text: str) -> Digest:
    return digests.get(text) or Digest(text)


def export(images: int, out: Path) -> dict[str, dict[str, float]]:
    """Plan and build."""
    out.unlink(missing_ok=True)
    contents = make(images)
    lock = Lock(name="scale", version="1", created=1, sequence=1, manifest_digest=Digest.of(b"x"))
    fetcher = Fetcher(
        supplies=contents.supplies,
        sources=cast("Sources", NoSources()),
        directory=Path(),
        place=Place(file="scale.yaml"),
        report=silent,
        cancellation=Cancellation(),
    )
    with crew(4) as executor:
        laps = Laps(images)
        plan = plan_export(b"manifest: 1\n", lock, contents)
        laps.lap("plan")
        build_file(plan, out, fetcher, (), executor=executor, workers=4)
        laps.lap("build")
    return laps.steps


def check(images: int, bundle: Path) -> dict[str, dict[str, float]]:
    """Verify but for the signatures."""
    with closing(FileMedium(bundle)) as medium, crew(2) as executor:
        laps = Laps(images)
        reader = opened(medium)
        laps.lap("open")
        read_all(reader, executor, 2, silent)
        laps.lap("verify")
    return laps.steps


def push_again(images: int, bundle: Path) -> dict[str, dict[str, float]]:
    """Plan a push and carry it out, to a destination that has everything."""
    with closing(FileMedium(bundle)) as medium, crew(16) as executor:
        laps = Laps(images)
        reader = opened(medium)
        targets = plan_targets(reader.inventory, Digest.of(b"id"), reader.load, prefix="m", path_map=PathMap())
        laps.lap("read documents")
        registry = cast("Registry", Full({each.repository: each.top.descriptor for each in targets}))
        inquirer = Inquirer(registry=registry, executor=executor, workers=16)
        plan = plan_push(reader.inventory, targets, destination="registry.internal/m", inquirer=inquirer)
        laps.lap("plan push")
        cancellation = Cancellation()
        uploader = Uploader(
            plan=plan, reader=reader, registry=registry, report=silent, cancellation=cancellation, senders=4
        )
        run_all(
            uploader.heavy_jobs(),
            executor=executor,
            workers=4,
            cancellation=cancellation,
            light=uploader.light,
            light_workers=12,
        )
        laps.lap("push")
        check_presence(plan, inquirer)
        laps.lap("ask again")
    return laps.steps


def opened(medium: FileMedium) -> BundleReader:
    """The bundle, its head checked."""
    head = read_head(medium)
    reader = BundleReader(medium, head, read_inventory(head, medium.name))
    reader.check_head()
    reader.check_length()
    return reader


COMMANDS = {"export": export, "check": check, "push": push_again}


def measure(images: int, work: Path) -> dict[str, dict[str, float]]:
    """Every command at one size, each run in a process of its own; of each step and figure the least."""
    bundle = work / f"{images}.tar"
    steps: dict[str, dict[str, float]] = {}
    for command in COMMANDS:
        for _ in range(min(5, max(2, 5_000 // images))):
            done = subprocess.run(
                [sys.executable, __file__, command, str(images), str(bundle)], check=True, stdout=subprocess.PIPE
            )
            for what, figures in json.loads(done.stdout).items():
                known = steps.setdefault(what, figures)
                steps[what] = {name: min(known[name], figure) for name, figure in figures.items()}
    print(f"\n{images} images, {images * BLOBS_PER_IMAGE} blobs, {bundle.stat().st_size / 1e6:.0f} MB")
    for what, step in steps.items():
        times = f"{step['seconds']:>8.2f} s{step['cpu']:>8.2f} s CPU{step['each']:>6.0f} us a blob"
        print(f"  {what:16}{times}{step['peak']:>7.0f} MB")
    bundle.unlink()
    return steps


def main() -> None:
    """Measure the sizes given, or run one command of one size for the process that asks."""
    if len(sys.argv) == 4 and sys.argv[1] in COMMANDS:
        collect_seldom()  # as every command does
        command, images, bundle = COMMANDS[sys.argv[1]], int(sys.argv[2]), Path(sys.argv[3])
        command(1, bundle.with_name("one.tar"))
        print(json.dumps(command(images, bundle)))
        return
    sizes = [int(text) for text in sys.argv[1:]] or list(SIZES)
    with tempfile.TemporaryDirectory(prefix="airgap-scale-") as work:
        found = {size: measure(size, Path(work)) for size in sizes}
    first, last = min(sizes), max(sizes)
    print(f"\n{last} against {first} images, processor time for each blob:")
    for what, step in found[last].items():
        print(f"  {what:16}{step['each'] / found[first][what]['each']:>6.2f} times")


if __name__ == "__main__":
    main()
