"""Many clients push and pull at once: is anything lost, what does a GiB cost, does memory stay where it is?

    python tests/benchmarks/registry_stress.py [--clients 32] [--seconds 60] [--only NAME]

Ours and Debian's docker-registry, one after the other, the same work for both: each client pushes an image of its own,
pulls that and two of the others', and compares every byte with its digest, until the time is over; then everything that
was pushed is pulled once more. CPU and memory are those of the server's process alone, as the kernel accounts for them.
The clients run in processes of their own. What is measured is bytes of layers in both directions.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.managers import ListProxy

_CONFIG = b"{}"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_PIECE_BYTES = 1024 * 1024
# Most layers of real images are small, most bytes are in large ones.
_LAYERS_BYTES = (20_000, 300_000, 3_000_000, 12_000_000)
_CLIENTS_A_PROCESS = 8
_START_SECONDS = 20.0
_DEBIAN = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}, maxthreads: 100}}, delete: {{enabled: true}}}}
http: {{addr: "{address}"}}
"""


@dataclass
class Work:
    """What clients did. `failures` are sentences."""

    pushed_bytes: int = 0
    pulled_bytes: int = 0
    images: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, other: Work) -> None:
        """Count what another did too."""
        self.pushed_bytes += other.pushed_bytes
        self.pulled_bytes += other.pulled_bytes
        self.images += other.images
        self.failures += other.failures


@dataclass(frozen=True, kw_only=True)
class Result:
    """One server's run. Memory is sampled each second: at a third of the time, and the most after that."""

    work: Work
    cpu: float
    seconds: float
    early_bytes: int
    peak_bytes: int

    @property
    def cpu_per_gib(self) -> float:
        """Seconds of the server for each GiB in either direction."""
        return self.cpu / ((self.work.pushed_bytes + self.work.pulled_bytes) / 2**30)


class Client:
    """One client with one kept connection."""

    def __init__(self, address: str, seed: int, known: ListProxy[str]) -> None:
        self._address = address
        self._random = random.Random(seed)
        self._known = known
        self._connection = http.client.HTTPConnection(address, timeout=60)
        self._repository = f"stress/client-{seed % 5}"
        self._name = f"c{seed}"
        self.work = Work()

    def run(self, until: float, at_least: int = 1) -> None:
        """Push and pull until then, and so many times however slow the machine is."""
        number = 0
        while number < at_least or time.monotonic() < until:
            self._guarded(lambda number=number: self._push_image(f"{self._name}-{number}"))
            names = [f"{self._repository}:{self._name}-{number}"]
            known = list(self._known)
            names += self._random.sample(known, min(2, len(known)))
            for name in names:
                self._guarded(lambda name=name: self.pull_image(name))
            number += 1
        self._connection.close()

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.work.failures.append(f"{type(error).__name__}: {error}")
            self._connection.close()

    def _push_image(self, tag: str) -> None:
        layers = []
        for size in self._random.choices(_LAYERS_BYTES, weights=(3, 3, 2, 1), k=3):
            data = self._random.randbytes(64) + bytes(size)
            layers.append(self._push_blob(data))
            self.work.pushed_bytes += len(data)
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST_TYPE,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **self._push_blob(_CONFIG)},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer} for layer in layers],
        }
        raw = json.dumps(manifest).encode()
        headers = {"Content-Type": _MANIFEST_TYPE}
        self._ask("PUT", f"/v2/{self._repository}/manifests/{tag}", 201, raw, headers)
        self._known.append(f"{self._repository}:{tag}")
        self.work.images += 1

    def _push_blob(self, data: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if self._ask("HEAD", f"/v2/{self._repository}/blobs/{digest}", (200, 404))[0] != 200:
            location = self._ask("POST", f"/v2/{self._repository}/blobs/uploads/", 202, b"")[1]["Location"]
            target = location if location.startswith("/") else "/" + location.split("/", 3)[3]
            target += f"{'&' if '?' in target else '?'}digest={digest}"
            self._ask("PUT", target, 201, data, {"Content-Type": "application/octet-stream"})
        return {"digest": digest, "size": len(data)}

    def pull_image(self, name: str) -> None:
        """Pull all of an image, and compare all of it."""
        repository, _, tag = name.partition(":")
        _, headers, raw = self._ask("GET", f"/v2/{repository}/manifests/{tag}", 200, None, {"Accept": _MANIFEST_TYPE})
        if headers["Docker-Content-Digest"] != f"sha256:{hashlib.sha256(raw).hexdigest()}":
            raise ValueError(f"{name}: another manifest than its digest says")
        for layer in json.loads(raw)["layers"]:
            self._connection.request("GET", f"/v2/{repository}/blobs/{layer['digest']}")
            answer = self._connection.getresponse()
            hasher, count = hashlib.sha256(), 0
            while piece := answer.read(_PIECE_BYTES):
                hasher.update(piece)
                count += len(piece)
            if (answer.status, count, f"sha256:{hasher.hexdigest()}") != (200, layer["size"], layer["digest"]):
                raise ValueError(
                    f"{name}: {layer['digest']} came with {answer.status} and {count} bytes, and is damaged"
                )
            self.work.pulled_bytes += count

    def _ask(
        self, method: str, path: str, expected: int | tuple[int, ...], body: bytes | None = None, headers: Any = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        self._connection.request(method, path, body, headers or {})
        answer = self._connection.getresponse()
        raw = answer.read()
        if answer.status not in (expected if isinstance(expected, tuple) else (expected,)):
            raise ValueError(f"{method} {path}: {answer.status} {raw[:200]!r}")
        return answer.status, answer.headers, raw


def run_clients(address: str, seeds: range, until: float, known: ListProxy[str], at_least: int = 1) -> Work:
    """Some clients in threads of this process; what they did together."""
    clients = [Client(address, seed, known) for seed in seeds]
    threads = [threading.Thread(target=client.run, args=(until, at_least)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = Work()
    for client in clients:
        total.add(client.work)
    return total


def _in_process(address: str, seeds: range, until: float, known: ListProxy[str], results: ListProxy[Work]) -> None:
    results.append(run_clients(address, seeds, until, known))


def stress(address: str, pid: int, *, clients: int, seconds: float) -> Result:
    """Stress one server, whose process is `pid`."""
    with multiprocessing.Manager() as manager:
        known, results = manager.list(), manager.list()
        cpu, began = _cpu_seconds(pid), time.monotonic()
        until = began + seconds
        groups = [
            range(first, min(first + _CLIENTS_A_PROCESS, clients)) for first in range(0, clients, _CLIENTS_A_PROCESS)
        ]
        processes = [
            multiprocessing.get_context("spawn").Process(
                target=_in_process, args=(address, group, until, known, results)
            )
            for group in groups
        ]
        for process in processes:
            process.start()
        memory: list[int] = []
        while any(process.is_alive() for process in processes):
            memory.append(_resident_bytes(pid))
            time.sleep(min(1.0, seconds / 20))
        total = Work()
        for work in results:
            total.add(work)
        cpu, took = _cpu_seconds(pid) - cpu, time.monotonic() - began
        _check_all(address, list(known), total)
    third = max(1, len(memory) // 3)
    return Result(
        work=total, cpu=cpu, seconds=took, early_bytes=max(memory[:third]), peak_bytes=max(memory[third:] or memory)
    )


def _check_all(address: str, names: list[str], total: Work) -> None:
    """Pull everything that was ever pushed; it is not part of what is measured."""
    if len(names) != total.images:
        total.failures.append(f"{total.images} images were pushed, {len(names)} are known")
    client = Client(address, -1, names)  # type: ignore[arg-type]  # it only reads them
    for name in names:
        client._guarded(lambda name=name: client.pull_image(name))
    client._connection.close()
    total.failures += client.work.failures


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def our_server(directory: Path, *options: str) -> Iterator[tuple[str, int]]:
    """Address and process of `airgap-import serve`."""
    program = "from airgap_bundle.cli.start import airgap_import; airgap_import()"
    command = [sys.executable, "-c", program, "serve", str(directory), "--listen", "127.0.0.1:0", "--allow-push"]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen([*command, "--format", "json", *options], stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            assert process.stdout is not None
            said = b"".join(iter(process.stdout.readline, b"}\n")) + b"}"
            yield json.loads(said)["address"], process.pid
        finally:
            process.terminate()


@contextlib.contextmanager
def debian_server(directory: Path) -> Iterator[tuple[str, int]]:
    """Address and process of Debian's docker-registry."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    directory.mkdir()
    configuration = directory / "config.yml"
    configuration.write_text(_DEBIAN.format(root=directory / "data", address=address))
    program = shutil.which("docker-registry") or sys.exit("docker-registry is not installed")
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen([program, "serve", str(configuration)], stderr=log) as process,
    ):
        try:
            _wait(address)
            yield address, process.pid
        finally:
            process.terminate()


def _wait(address: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with (
            contextlib.closing(http.client.HTTPConnection(address, timeout=5)) as connection,
            contextlib.suppress(OSError),
        ):
            connection.request("GET", "/v2/")
            return
        time.sleep(0.05)
    sys.exit(f"nobody answers on {address}")


def main() -> None:
    """Run both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=["ours", "debian"])
    parser.add_argument("--directory", type=Path, help="where the servers keep their content")
    options = parser.parse_args()
    servers = {"ours": our_server, "debian": debian_server}
    failed = False
    print(f"{options.clients} clients, {options.seconds:g} s")
    for name, server in servers.items():
        if options.only not in {None, name}:
            continue
        with (
            tempfile.TemporaryDirectory(dir=options.directory) as directory,
            server(Path(directory) / "storage") as (address, pid),
        ):
            result = stress(address, pid, clients=options.clients, seconds=options.seconds)
        work = result.work
        moved = f"{work.pushed_bytes / 2**30:6.2f} GiB in, {work.pulled_bytes / 2**30:6.2f} GiB out"
        print(
            f"  {name:8} {work.images:>6} images, {moved} in {result.seconds:5.1f} s;"
            f" CPU {result.cpu:6.1f} s, {result.cpu_per_gib:5.2f} s/GiB;"
            f" memory {result.early_bytes / 1e6:.0f} -> {result.peak_bytes / 1e6:.0f} MB; {len(work.failures)} failures"
        )
        for failure in work.failures[:5]:
            print(f"    {failure}")
        failed |= bool(work.failures)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
