"""What this machine can do at best, and where our time goes: to be read beside the figures of the comparison."""

from __future__ import annotations

import http.client
import json
import os
import pstats
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROFILED = """
import cProfile
from airgap_bundle.cli.export import main
profile = cProfile.Profile()
try:
    profile.runcall(main)
finally:
    profile.dump_stats(PROFILE)
"""
_PROFILE_LINES = 12
_KINDS = (
    "oci.image.index.v1",
    "oci.image.manifest.v1",
    *(f"docker.distribution.manifest.{v}" for v in ("v2", "list.v2")),
)
_ACCEPT = ", ".join(f"application/vnd.{kind}+json" for kind in _KINDS)


def show(bundle: Path, references: Sequence[str], runs: int) -> None:
    """The bytes of the bundle hashed, copied and fetched by programs that do nothing else."""
    copy = bundle.with_suffix(".copy")
    size = bundle.stat().st_size
    print("\nWhat the machine can do with as many bytes")
    commands: dict[str, list[str]] = {
        "hash: openssl dgst -sha256": ["openssl", "dgst", "-sha256", str(bundle)],
        "copy: dd, durable": ["dd", f"if={bundle}", f"of={copy}", "bs=4M", "conv=fsync"],
    }
    if shutil.which("curl"):
        commands["fetch: curl, layers one after another"] = ["curl", "-sf", *_fetching(references)]
    for name, command in commands.items():
        if shutil.which(command[0]):
            seconds = statistics.median(_time(command) for _ in range(runs))
            print(f"  {name:40}{seconds:>7.2f} s{size / seconds / 1e6:>8.0f} MB/s")
    copy.unlink(missing_ok=True)
    speed = subprocess.run(
        ["openssl", "speed", "-seconds", "1", "-bytes", "1048576", "sha256"],
        check=False,
        capture_output=True,
        text=True,
    )
    if match := re.search(r"^sha256\s+([0-9.]+)k", speed.stdout, re.MULTILINE):
        print(f"  {'openssl speed sha256, one core':40}{'':>9}{float(match[1]) / 1000:>8.0f} MB/s")


def show_uploads(bundle: Path, registry: str, workers: int) -> None:
    """The blobs of the bundle into an empty registry by a program that neither hashes nor asks nor verifies.

    What this takes is the registry's own time: it writes, hashes and moves every blob.
    """
    if not shutil.which("curl"):
        return
    with tempfile.TemporaryDirectory(prefix="airgap-floor-", dir=bundle.parent) as name:
        subprocess.run(["tar", "-C", name, "-xf", str(bundle), "blobs"], check=True)
        blobs = sorted(Path(name, "blobs", "sha256").iterdir(), key=lambda path: -path.stat().st_size)
        arguments = []
        for blob in blobs:
            place = _upload_place(registry, "floor/all")
            arguments += ["-T", str(blob), f"{place}&digest=sha256:{blob.name}"]
        quiet = ["-sf", "-o", "/dev/null", "-H", "Expect:", "-H", "Content-Type: application/octet-stream"]
        seconds = _time(["curl", "-Z", "--parallel-immediate", "--parallel-max", str(workers), *quiet, *arguments])
    size = bundle.stat().st_size
    print(f"  {f'upload: curl, {workers} blobs at a time':40}{seconds:>7.2f} s{size / seconds / 1e6:>8.0f} MB/s")


def _upload_place(registry: str, repository: str) -> str:
    """Where an upload may go."""
    host, _, path = registry.partition("/")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request("POST", f"/v2/{path}{repository}/blobs/uploads/", headers={"Content-Length": "0"})
        place = connection.getresponse().headers["Location"]
    finally:
        connection.close()
    return place if "://" in place else f"http://{host}{place}"


def show_profile(manifest: Path) -> None:
    """Where a build spends its processor time, by function. Threads are not seen; the waiting for them is."""
    out, stats = manifest.with_suffix(".profiled.tar"), manifest.with_suffix(".profile")
    code = f"PROFILE = {str(stats)!r}\n{_PROFILED}"
    subprocess.run(
        [sys.executable, "-c", code, "build", str(manifest), "-o", str(out)],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    out.unlink(missing_ok=True)
    if not stats.exists():
        return
    rows = sorted(pstats.Stats(str(stats)).stats.items(), key=lambda item: -item[1][2])  # type: ignore[attr-defined]  # its stub says nothing
    print("\nWhere the main thread of a build spends its time")
    for (file, line, name), (_, calls, own, *_rest) in rows[:_PROFILE_LINES]:
        print(f"  {own:>7.3f} s{calls:>8} x  {Path(file).name}:{line} {name}"[:118])


def pinned(reference: str) -> str:
    """The same with the digest that its tag has now."""
    host, _, rest = reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request("HEAD", f"/v2/{repository}/manifests/{tag}", headers={"Accept": _ACCEPT})
        return f"{host}/{repository}@{connection.getresponse().headers['Docker-Content-Digest']}"
    finally:
        connection.close()


def _time(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    return time.perf_counter() - start


def _fetching(references: Sequence[str]) -> list[str]:
    """Arguments for curl: every layer and config of the images once."""
    host = references[0].partition("/")[0]
    urls: dict[str, str] = {}
    for reference in references:
        repository, _, tag = reference.partition("/")[2].rpartition(":")
        pending = [tag]
        while pending:
            document = _document(host, f"/v2/{repository}/manifests/{pending.pop()}")
            pending += [child["digest"] for child in document.get("manifests", ())]
            for blob in (*document.get("layers", ()), *filter(None, [document.get("config")])):
                urls.setdefault(blob["digest"], f"http://{host}/v2/{repository}/blobs/{blob['digest']}")
    return [argument for url in urls.values() for argument in ("-o", "/dev/null", url)]


def _document(host: str, path: str) -> dict[str, list[dict[str, str]]]:
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request("GET", path, headers={"Accept": _ACCEPT})
        return dict(json.loads(connection.getresponse().read()))
    finally:
        connection.close()
