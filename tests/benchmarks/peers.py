"""Other tools that do the same work, where they are on PATH: images into files, and those files into a registry.

Each is used in the way that its documentation shows and that is the fastest known: layers shared where the tool can,
several images in one place where the tool can take them out again. What a tool leaves as a directory is put into one
tar, since what has to be carried is one file.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import floors
from measure import Run, shell

if TYPE_CHECKING:
    from collections.abc import Sequence

_CACHES = (Path("/var/lib/containers/cache"), Path.home() / ".local/share/containers/cache")


class Peer(Protocol):
    """One tool. `name` is also its program."""

    name: str
    note: str

    def export(self, references: Sequence[str], out: Path) -> Run:
        """The images, below the directory `out`, which is empty, durable."""
        ...

    def load(self, count: int, out: Path, registry: str) -> Run:
        """What was exported, each image into a repository of its own."""
        ...


@dataclass(frozen=True)
class Skopeo:
    """Directories, one for each image, with all platforms."""

    name: str = "skopeo"
    note: str = "layers not shared; its cache of known blobs is removed before each run; hashes when it pushes"

    def export(self, references: Sequence[str], out: Path) -> Run:
        _forget_caches()
        return shell(
            [
                f"skopeo copy -q --all --src-tls-verify=false docker://{reference} dir:{out}/{number}"
                for number, reference in enumerate(references)
            ],
            output=out,
        )

    def load(self, count: int, out: Path, registry: str) -> Run:
        _forget_caches()
        return shell(
            [
                f"skopeo copy -q --all --preserve-digests --dest-tls-verify=false dir:{out}/{number} "
                f"docker://{registry}/skopeo/{number}:1"
                for number in range(count)
            ]
        )


@dataclass(frozen=True)
class Crane:
    """One OCI layout for each image: the only form that it can push again."""

    name: str = "crane"
    note: str = "layers not shared; does not hash when it pushes; then one tar"

    def export(self, references: Sequence[str], out: Path) -> Run:
        pulls = [
            f"crane pull --insecure --format=oci {reference} {out}/{number}"
            for number, reference in enumerate(references)
        ]
        return shell([*pulls, _archive(out)], output=out)

    def load(self, count: int, out: Path, registry: str) -> Run:
        return shell(
            [f"crane push --insecure {out}/{number} {registry}/crane/image{number}:1" for number in range(count)]
        )


@dataclass(frozen=True)
class Oras:
    """One OCI layout for all images."""

    name: str = "oras"
    note: str = "one layout, then one tar; does not hash when it pushes"

    def export(self, references: Sequence[str], out: Path) -> Run:
        copies = [
            f"oras cp --no-tty --from-plain-http {reference} --to-oci-layout {out}/layout:{number}"
            for number, reference in enumerate(references)
        ]
        return shell([*copies, _archive(out)], output=out)

    def load(self, count: int, out: Path, registry: str) -> Run:
        return shell(
            [
                f"oras cp --no-tty --from-oci-layout {out}/layout:{number} --to-plain-http {registry}/oras/{number}:1"
                for number in range(count)
            ]
        )


@dataclass(frozen=True)
class Regctl:
    """One OCI layout for all images."""

    name: str = "regctl"
    note: str = "one layout, then one tar; hashes when it pushes"

    def export(self, references: Sequence[str], out: Path) -> Run:
        host = references[0].partition("/")[0]
        copies = [
            f"regctl --host reg={host},tls=disabled image copy {reference} ocidir://{out}/layout:{number}"
            for number, reference in enumerate(references)
        ]
        return shell([*copies, _archive(out)], output=out)

    def load(self, count: int, out: Path, registry: str) -> Run:
        return shell(
            [
                f"regctl --host reg={registry},tls=disabled image copy ocidir://{out}/layout:{number} "
                f"{registry}/regctl/{number}:1"
                for number in range(count)
            ]
        )


@dataclass(frozen=True)
class Imgpkg:
    """One tar of its own form for all images, by a lock file that names their digests."""

    name: str = "imgpkg"
    note: str = "own tar format; everything goes into one repository, which is not what others do"

    def export(self, references: Sequence[str], out: Path) -> Run:
        lock = out.with_suffix(".images.yml")
        lines = ["apiVersion: imgpkg.carvel.dev/v1alpha1", "kind: ImagesLock", "images:"]
        lock.write_text("\n".join([*lines, *(f"- image: {floors.pinned(each)}" for each in references)]) + "\n")
        return shell([f"imgpkg copy --registry-insecure --lock {lock} --to-tar {out}/all.tar"], output=out)

    def load(self, count: int, out: Path, registry: str) -> Run:
        del count
        return shell([f"imgpkg copy --registry-insecure --tar {out}/all.tar --to-repo {registry}/imgpkg/all"])


@dataclass(frozen=True)
class Hauler:
    """A store, saved as a compressed archive; loaded into a store again before it is copied."""

    name: str = "hauler"
    note: str = "a store, then an archive; the archive becomes a store again"

    def export(self, references: Sequence[str], out: Path) -> Run:
        store = f"--store {out}/store"
        adds = [f"hauler {store} store add image {reference}" for reference in references]
        return shell([*adds, f"hauler {store} store save --filename {out}/all.tar.zst"], output=out)

    def load(self, count: int, out: Path, registry: str) -> Run:
        del count
        store = f"--store {out}/inside"
        return shell(
            [
                f"rm -rf {out}/inside",
                f"hauler {store} store load --filename {out}/all.tar.zst",
                f"hauler {store} store copy --plain-http registry://{registry}/hauler",
            ]
        )


# The commands of those without a class are not known here; they are named so that their absence is.
KNOWN: tuple[Peer, ...] = (Skopeo(), Crane(), Oras(), Regctl(), Imgpkg(), Hauler())
OTHERS = ("zarf",)


def found(only: Sequence[str] = ()) -> list[Peer]:
    """Those on PATH, or those of them that are named."""
    return [peer for peer in KNOWN if shutil.which(peer.name) and (not only or peer.name in only)]


def missed(used: Sequence[Peer]) -> list[str]:
    """What is not compared with."""
    names = [peer.name for peer in used]
    return [name for name in (*(peer.name for peer in KNOWN), *OTHERS) if name not in names]


def _archive(out: Path) -> str:
    return f"tar -C {out} -cf {out}.tar . && mv {out}.tar {out}/all.tar"


def _forget_caches() -> None:
    """skopeo skips what it remembers to have pushed."""
    for cache in _CACHES:
        shutil.rmtree(cache, ignore_errors=True)
