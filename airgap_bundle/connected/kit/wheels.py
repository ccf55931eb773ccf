"""Wheels of the dependencies, fetched by pip from the package index that it is set up for; for other machines too.

Exact versions, wheels only, nothing resolved: what is wanted is known. Whatever pip's settings say about the index, its
certificate and proxies holds here as well.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from airgap_bundle.connected.kit.programs import run_program
from airgap_bundle.core.errors import HostError, RegistryError
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airgap_bundle.connected.kit.closure import Package
    from airgap_bundle.connected.kit.targets import Target

# How often a connection is tried again. With pip's own default a person waits half a minute for "no network".
_RETRIES = 2
# The end of what pip said, where its error is.
_MAX_LOG_BYTES = 256 * 1024
# A tar without extensions holds no longer names, nor do many DVDs; kits travel in both.
_LONGEST_NAME = 100
_PIECE_BYTES = 1024 * 1024
_LONGEST_QUOTE = 300
_UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolutionError|Max retries exceeded|ConnectTimeout|ReadTimeout|ProxyError|SSLError"
    r"|Connection broken|Connection refused|ConnectionResetError|Retrying \(Retry|HTTP error [45][0-9][0-9]"
    r"|Could not fetch URL"
)
_NOT_FOUND = re.compile(r"No matching distribution found for ([^\s(;]+)")
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A wheel that lies in the kit: whose it is, its file name, size in bytes, and SHA-256 in hex."""

    name: str
    version: str
    file: str
    size: int
    sha256: str


def find_pip() -> tuple[str, ...]:
    """How pip is called: the one of this environment, else the one that Python keeps for new environments."""
    if importlib.util.find_spec("pip") is not None:
        return (sys.executable, "-m", "pip")
    spec = importlib.util.find_spec("ensurepip")
    bundled = sorted((Path(spec.origin).parent / "_bundled").glob("pip-*.whl")) if spec and spec.origin else []
    if bundled:
        return (sys.executable, str(bundled[-1] / "pip"))
    raise HostError(
        "AB-KIT-PIP",
        "a kit is made with pip, and this Python has none",
        hint="pip install 'airgap-bundle[kit]', with the installer that you use",
    )


def pip_version(pip: Sequence[str]) -> str:
    """Which one it is."""
    said = subprocess.run([*pip, "--version"], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    match = re.match(rb"pip ([0-9][0-9a-z.]*) ", said.stdout)
    if said.returncode or match is None:
        raise HostError("AB-KIT-PIP", "the pip of this Python does not work", hint="look at `python -m pip --version`")
    return match[1].decode("ascii")


def download(pip: Sequence[str], wanted: Iterable[str], target: Target, directory: Path, log: Path) -> None:
    """Fetch wheels of exact versions (`NAME==VERSION`) for a target into `directory`; what pip says goes into `log`.

    `RegistryError` AB-KIT-NO-WHEEL names what the index has no wheel of, AB-KIT-INDEX says that it does not answer.
    """
    platforms = [word for tag in target.tags for word in ("--platform", tag)]
    command = [
        *pip, "download", "--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off",
        "--no-deps", "--only-binary", ":all:", "--retries", str(_RETRIES), "--dest", str(directory),
        "--implementation", "cp", "--python-version", target.python, *platforms, "--", *wanted,
    ]  # fmt: skip
    # What the person has set up about where packages come from counts, not what they want done with them.
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PIP_REQUIRE_HASHES", "PIP_NO_BINARY"}
    }
    # A temporary directory may be small; where the kit grows there has to be room anyway.
    environment["TMPDIR"] = str(log.parent)
    with log.open("w+b") as said:
        if run_program(command, said=said, environment=environment):
            raise _failure(read_end(said), target)


def read_end(log: BinaryIO) -> str:
    """The end of what a program wrote into a file."""
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _MAX_LOG_BYTES))
    return log.read().decode("utf-8", "replace")


def _failure(said: str, target: Target) -> HostError | RegistryError:
    missing = _NOT_FOUND.search(said)
    if _NO_SPACE.search(said):
        return HostError("AB-HOST-SPACE", "no space left for the wheels of the kit", hint="make room and run it again")
    if _UNREACHABLE.search(said):
        return RegistryError(
            "AB-KIT-INDEX",
            f"the package index does not answer: {_last_error(said)}",
            hint="`pip config list` and `pip download rich` show what pip is set up for; then run it again",
        )
    if missing:
        return RegistryError(
            "AB-KIT-NO-WHEEL",
            f"the package index has no wheel of {printable(missing[1])} for {target}",
            hint="ask for a newer platform, such as manylinux_2_34_x86_64, or another --python-version",
        )
    return HostError(
        "AB-KIT-PIP", f"pip could not fetch the wheels: {_last_error(said)}", hint="look at `pip config list`"
    )


def _last_error(said: str) -> str:
    """The last line that pip calls an error, else its last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return printable((errors or lines or ["it said nothing"])[-1])[:_LONGEST_QUOTE]


def shorten_names(directory: Path, targets: Sequence[Target]) -> None:
    """Give wheels with a very long name a shorter one; what is in them, and so their hash, stays.

    A wheel is named after every platform that it runs on. Those that no target asks for are left out of the name.
    """
    for path in sorted(directory.iterdir()):
        if len(path.name) <= _LONGEST_NAME:
            continue
        front, _, platforms = path.name.removesuffix(".whl").rpartition("-")
        there = platforms.split(".")
        kept = {next((tag for tag in target.tags if tag in there), "") for target in targets} - {""}
        if kept:
            path.rename(directory / f"{front}-{'.'.join(sorted(kept))}.whl")


def read_wheels(directory: Path, packages: Sequence[Package]) -> tuple[Wheel, ...]:
    """What lies in the directory, by name. `HostError` for a package without a wheel, or for what nobody asked for."""
    wanted = {(package.name, package.version) for package in packages}
    wheels = tuple(_read_wheel(path) for path in sorted(directory.iterdir()))
    there = {(wheel.name, wheel.version) for wheel in wheels}
    if there != wanted:
        names = ", ".join(f"{name} {version}" for name, version in sorted(there ^ wanted))
        raise HostError("AB-KIT-PIP", f"pip fetched something else than it was asked for: {names}")
    return wheels


def _read_wheel(path: Path) -> Wheel:
    """`NAME-VERSION-….whl`, read once and flushed: what is listed is what lies on the disk."""
    name, version, *_ = path.name.split("-")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
        os.fsync(file.fileno())
        size = file.tell()
    normal = re.sub(r"[-_.]+", "-", name).lower()
    return Wheel(name=normal, version=version, file=path.name, size=size, sha256=digest.hexdigest())
