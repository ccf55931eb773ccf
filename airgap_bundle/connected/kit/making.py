"""Makes a kit: a directory that installs this toolkit inside with nothing but gpg, sha256sum and pip.

It grows beside its place under another name, and gets its own when every file is written and flushed.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.connected.kit import closure, documents, own_wheel, place, readme, standalone, targets, wheels
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.report import PhaseFinished, PhaseStarted, silent
from airgap_bundle.trust import openpgp
from airgap_bundle.trust.signature_packet import armor_signature

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.connected.kit.closure import Package
    from airgap_bundle.connected.kit.standalone import Executable
    from airgap_bundle.connected.kit.targets import Target
    from airgap_bundle.connected.kit.wheels import Wheel
    from airgap_bundle.core.report import Reporter

SUMS = "SHA256SUMS"
SIGNATURE = f"{SUMS}.asc"
PUBLIC_KEY = "signing-key.asc"
_WHEELS = "wheels"
_SIGN_WITH = "gpg:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What kit is asked for. `sign` is `gpg:KEY`, the only way that stock tools inside can check; empty for none."""

    output: Path
    pythons: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    sign: str = ""
    standalone: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Kit:
    """A kit that was made. `sums` is the hash of SHA256SUMS, so of everything; `fingerprint` that of who signed it."""

    output: Path
    version: str
    targets: tuple[Target, ...]
    wheels: tuple[Wheel, ...]
    executable: Executable | None
    total_bytes: int
    sums: Digest
    fingerprint: str = ""
    signer: str = ""


def make_kit(request: Request, report: Reporter = silent) -> Kit:
    """Make the directory; it must not exist, or be empty.

    1. Everything that can be known to be wrong before any work: the place, the key, targets, extras, programs.
    2. Fetch the wheels of the dependencies, make our own, and list them pinned by hash.
    3. Make the executable, where one is asked for.
    4. The documents, then the hash of every file, then the signature over the hashes.
    5. Flush, and give the directory its name.

    Raises `UsageError`, `HostError` or `RegistryError`; nothing is left behind then.
    """
    # 1.
    place.check_place(request.output)
    key = _find_key(request.sign)
    goals = targets.find_targets(request.pythons, request.platforms)
    frozen = standalone.check_standalone(goals) if request.standalone else None
    packages = closure.find_packages(goals, request.extras)
    pip = wheels.find_pip()
    with place.growing(request.output) as (root, work):
        # 2.
        fetched = _fetch(pip, packages, goals, root, work, report)
        own = _write_own_wheel(root)
        everything = (own, *fetched)
        _write(root / "requirements.txt", documents.requirements_text(own, request.extras, packages, fetched))
        # 3.
        executable = _make_executable(root, work, pip, frozen, report) if frozen else None
        # 4.
        signed = key is not None
        _write(root / "README.txt", readme.readme_text(own.version, goals, everything, executable, signed=signed))
        _write(root / "LICENCES.txt", documents.licences_text(packages))
        _write(root / "kit.json", documents.kit_record(goals, packages, everything, executable))
        for name, raw in documents.shipped_documents().items():
            _write(root / name, raw)
        if key is not None:
            _write(root / PUBLIC_KEY, openpgp.export_public_key(key.fingerprint).armored)
        sums = _sums(root)
        _write(root / SUMS, sums)
        if key is not None:
            _write(root / SIGNATURE, armor_signature(openpgp.sign(sums, key.fingerprint).data))
        total = sum(path.stat().st_size for path in _files(root))
        # 5.
        place.finish(root, request.output)
    return Kit(
        output=request.output,
        version=own.version,
        targets=goals,
        wheels=everything,
        executable=executable,
        total_bytes=total,
        sums=Digest.of(sums),
        fingerprint=key.fingerprint if key else "",
        signer=key.user_ids[0] if key and key.user_ids else "",
    )


def _find_key(text: str) -> openpgp.SigningKey | None:
    if not text:
        return None
    if not text.startswith(_SIGN_WITH):
        raise UsageError(
            "AB-USAGE-KIT-SIGN",
            f"not a way to sign a kit: {text!r}",
            hint="write gpg:KEY; whoever installs it has gpg, and nothing else to check with",
        )
    return openpgp.find_signing_key(text.removeprefix(_SIGN_WITH))


def _fetch(
    pip: tuple[str, ...],
    packages: tuple[Package, ...],
    goals: tuple[Target, ...],
    root: Path,
    work: Path,
    report: Reporter,
) -> tuple[Wheel, ...]:
    """The wheels of every target, and pip itself: an inside without `ensurepip` has none."""
    directory = root / _WHEELS
    directory.mkdir()
    installer = closure.Package(name="pip", version=wheels.pip_version(pip), licence="MIT", targets=goals)
    title = "Fetching wheels"
    report(PhaseStarted(title=title))
    for goal in goals:
        wanted = [str(package) for package in (*packages, installer) if goal in package.targets]
        wheels.download(pip, wanted, goal, directory, work / "pip.log")
    report(PhaseFinished(title=title))
    wheels.shorten_names(directory, goals)
    return wheels.read_wheels(directory, (*packages, installer))


def _write_own_wheel(root: Path) -> Wheel:
    name, raw = own_wheel.build_own_wheel()
    _write(root / _WHEELS / name, raw)
    version = name.split("-")[1]
    return wheels.Wheel(
        name=closure.DISTRIBUTION, version=version, file=name, size=len(raw), sha256=hashlib.sha256(raw).hexdigest()
    )


def _make_executable(root: Path, work: Path, pip: tuple[str, ...], target: Target, report: Reporter) -> Executable:
    title = "Making the executable"
    report(PhaseStarted(title=title))
    made = standalone.make_standalone(root, work, pip, target)
    report(PhaseFinished(title=title))
    return made


def _write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _sums(root: Path) -> bytes:
    """`SHA256SUMS`, as sha256sum reads it: every file there is, by path."""
    lines = []
    for path in _files(root):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(root).as_posix()}\n")
    return "".join(lines).encode()
