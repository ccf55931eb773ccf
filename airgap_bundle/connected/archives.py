"""Images in files of other tools, in place of a registry: `oci-archive`, `oci` directories, `docker-archive`.

Nothing is unpacked. Every image document is hashed before it is believed, and every blob on its way into the bundle.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.connected.archive_files import DirectoryFiles, Files, TarFiles
from airgap_bundle.connected.docker_store import DockerStore
from airgap_bundle.connected.layout_store import LayoutStore
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.core.report import Place
from airgap_bundle.manifest.words import Origin

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.core.content import Descriptor
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import BlobStream

_BESIDE = re.compile(r"sha256-[0-9a-f]{64}(?:\.[a-z]+)?")


class _Store(Protocol):
    """What one kind of file holds. `InvalidValueError` for whatever cannot be believed."""

    def top(self, name: str) -> Document:
        """The image of that name; of the only image where the name is ""."""
        ...

    def document(self, digest: Digest) -> Document | None:
        """An image document."""
        ...

    def named(self, tag: str, name: str) -> Document | None:
        """What stands beside the image `name` under a tag of its own, such as a signature."""
        ...

    def attached(self, subject: Digest) -> tuple[Descriptor, ...]:
        """What says of itself that it belongs to `subject`."""
        ...

    def blob(self, digest: Digest) -> str | None:
        """The name of the file that is a blob."""
        ...


class Archive:
    """One image of a file, answering as a registry would whose only tag it is. Safe between threads."""

    def __init__(self, origin: Origin, files: Files) -> None:
        self.name = f"{origin.kind}:{origin.path}"
        self._origin = origin
        self._files = files
        self._lock = threading.RLock()
        self._store: _Store = DockerStore(files) if origin.kind == "docker-archive" else LayoutStore(files)

    def get_manifest(self, repository: str, reference: Digest | str) -> Document | None:  # noqa: ARG002 - one image
        """The image itself for any tag, a document for a digest, and what lies beside it for a tag of cosign's."""
        with self._lock, _damage_of(self.name):
            if isinstance(reference, Digest):
                return self._store.document(reference)
            if _BESIDE.fullmatch(reference):
                return self._store.named(reference, self._origin.name)
            return self._store.top(self._origin.name)

    def head_manifest(self, repository: str, reference: Digest | str) -> Descriptor | None:
        """Type, digest and size of the same."""
        document = self.get_manifest(repository, reference)
        return document.descriptor if document is not None else None

    def list_referrers(self, repository: str, digest: Digest) -> tuple[Descriptor, ...]:  # noqa: ARG002 - one image
        """What is attached to `digest`."""
        with self._lock, _damage_of(self.name):
            return self._store.attached(digest)

    def open_blob(self, repository: str, digest: Digest, size: int, *, start: int = 0) -> BlobStream:  # noqa: ARG002 - one
        """The bytes of a blob, from `start` on; the caller compares them."""
        with self._lock, _damage_of(self.name):
            name = self._store.blob(digest)
            found = self._files.size(name) if name is not None else None
            if name is None or found is None:
                raise InvalidValueError(f"does not hold {digest}")
            if found != size:
                raise InvalidValueError(f"holds {digest} with {found} bytes; {size} are due")
            return self._files.open(name, start)


class _damage_of:  # noqa: N801 - reads as a function where it is used
    """Say which file it was."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise _unusable(self._name, "does not exist") from error
        if isinstance(error, InvalidValueError):
            raise _unusable(self._name, str(error)) from error


def open_archive(directory: Path, origin: str) -> Archive:
    """Look through the file that `origin` names; `DocumentError` where it cannot be used."""
    parsed = Origin.parse(origin)
    place = Place(file=f"{parsed.kind}:{parsed.path}")
    with _damage_of(f"{parsed.kind}:{parsed.path}"):
        files: Files = (
            DirectoryFiles(directory, parsed.path, place)
            if parsed.kind == "oci"
            else TarFiles(directory, parsed.path, place)
        )
        return Archive(parsed, files)


def _unusable(name: str, why: str) -> DocumentError:
    return DocumentError(
        "AB-ARCHIVE-UNUSABLE",
        f"{name} {why}",
        hint="write it again with the tool that made it, or name another of its images",
    )
