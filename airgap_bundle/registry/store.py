"""A registry in a directory: the destination `dir:PATH`, and what the embedded server stands on.

`DirectoryRegistry` fulfils `Registry` without a network. It takes a manifest only when the repository holds everything
that it names, keeps the exact bytes, and answers from files at every call, so that several processes may work on one
directory. What is deleted is no longer visible; its bytes stay until `collection` takes them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.core.oci import FOREIGN_LAYER_TYPES, Document, parse_descriptor, parse_document
from airgap_bundle.registry import durable
from airgap_bundle.registry.directory import Attachment, EntryKind, RegistryDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from io import FileIO
    from types import TracebackType

    from airgap_bundle.core.content import Descriptor, Source


class DirectoryRegistry:
    """The registry whose storage is `path`, made if it is missing or empty: now or, without `make`, at the first write.

    Raises `UsageError` for a directory that holds other things, `RegistryError` for a layout of another version.
    """

    def __init__(self, path: Path | str, *, make: bool = True) -> None:
        self.storage = RegistryDirectory(Path(path), make=make)

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"dir:{self.storage.root}"

    def ping(self) -> None:
        """Return: that the directory can be used was found out when it was opened."""

    def head_manifest(self, repository: str, reference: Digest | str) -> Descriptor | None:
        """Type, digest and size behind a tag or digest; `None` if there is none."""
        if isinstance(reference, Digest):
            self.storage.refresh(repository, reference, EntryKind.MANIFEST)
        return self.storage.find_manifest(repository, reference)

    def get_manifest(self, repository: str, reference: Digest | str) -> Document | None:
        """The exact bytes behind a tag or digest, their digest checked; `None` if there is none."""
        held = self.storage.find_manifest(repository, reference)
        if held is None:
            return None
        document = parse_document(self.storage.read_manifest(held), held.media_type)
        # A document calls itself by its SHA-256; asked for by another digest, it answers to that one.
        return replace(document, descriptor=held)

    def put_manifest(self, repository: str, reference: Digest | str, document: Document) -> None:
        """Store the exact bytes under a tag or their digest, and attach them to their subject if they have one.

        Raises `RegistryError` if the repository lacks something that the manifest names.
        """
        if isinstance(reference, Digest):
            self.store_manifest(repository, reference, document)
        else:
            self.store_manifest(repository, Digest.of(document.raw), document, tags=(reference,))

    def store_manifest(self, repository: str, digest: Digest, document: Document, *, tags: Sequence[str] = ()) -> None:
        """Store a manifest under its digest and any number of tags."""
        actual = Digest.of(document.raw, digest.algorithm)
        if actual != digest:
            raise RegistryError(
                "AB-STORE-DIGEST",
                f"{self.name} was asked to store a manifest of {repository} as {digest}, but its digest is {actual}",
            )
        self.storage.put_manifest(
            repository,
            digest,
            document.raw,
            media_type=document.descriptor.media_type,
            tags=tags,
            attachment=_attachment(document, digest),
            check=lambda: self._require_parts(repository, document),
        )

    def delete_manifest(self, repository: str, digest: Digest) -> bool:
        """Take a manifest and every tag on it out of a repository; `False` if it was not there."""
        document = self.get_manifest(repository, digest)
        if document is None:
            return False
        subject = document.subject.digest if document.subject else None
        return self.storage.delete_manifest(repository, digest, subject=subject)

    def delete_tag(self, repository: str, tag: str) -> bool:
        """Remove the name `tag`, never what it names; `False` if it was not there."""
        return self.storage.delete_tag(repository, tag)

    def list_tags(self, repository: str) -> tuple[str, ...]:
        """Every tag, sorted; empty for an unknown repository."""
        return tuple(self.storage.tags(repository))

    def list_referrers(self, repository: str, digest: Digest) -> tuple[Descriptor, ...]:
        """What is attached to `digest`, sorted by digest; without annotations, which nobody here asks for."""
        found = self.storage.referrers(repository, digest)
        return tuple(replace(parse_descriptor(value, f"referrers of {digest}"), annotations={}) for value in found)

    def has_blob(self, repository: str, digest: Digest, size: int) -> bool:
        """Whether the repository holds the blob; one of another size is an error."""
        found = self.storage.blob_size(repository, digest)
        if found is not None and found != size:
            raise self._wrong_size(repository, digest, size, found)
        return found is not None and self.storage.refresh(repository, digest, EntryKind.BLOB)

    def mount_blob(self, repository: str, digest: Digest, source_repository: str) -> bool:
        """Take the blob over from another repository; `False` if that does not hold it."""
        is_there = self.storage.refresh(source_repository, digest, EntryKind.BLOB)
        if not is_there or self.storage.blob_size(source_repository, digest) is None:
            return False
        self.storage.link_blob(repository, digest)
        return True

    def open_blob(self, repository: str, digest: Digest, size: int, *, start: int = 0) -> DirectoryBlob:
        """The bytes of a blob, as they lie on the disk: unverified."""
        file = self.storage.open_blob(repository, digest)
        if file is None:
            raise RegistryError("AB-STORE-BLOB-UNKNOWN", f"{self.name} holds no blob {digest} in {repository}")
        found = self.storage.contents.size(digest)
        if found != size:
            file.close()
            raise self._wrong_size(repository, digest, size, found)
        file.seek(start)
        return DirectoryBlob(self.storage.root, digest, file)

    def prepare_push(self, repository: str, digest: Digest, *, total_bytes: int) -> None:  # noqa: ARG002 - one for all
        """Return if the directory can be written to, and there is room."""
        self.storage.contents.check_writable(total_bytes)

    def cancel_push(self, repository: str, digest: Digest) -> None:
        """Nothing is begun by `prepare_push` here."""

    def push_blob(
        self,
        repository: str,
        digest: Digest,
        size: int,
        open_source: Callable[[], AbstractContextManager[Source]],
        *,
        buffer: memoryview,
        moved: Callable[[int], None] | None = None,
    ) -> None:
        """Store a blob if its bytes are the right ones; `ContentMismatchError` of the source passes through."""
        with open_source() as source:
            self.storage.contents.write(digest, size, source, buffer=buffer, moved=moved)
        self.storage.link_blob(repository, digest)

    def close(self) -> None:
        """Do nothing: no file stays open between two calls."""

    def _require_parts(self, repository: str, document: Document) -> None:
        """Refuse a manifest that names what the repository lacks. A subject may come later."""
        for blob in document.blobs:
            found = self.storage.blob_size(repository, blob.digest)
            if found is None and blob.media_type not in FOREIGN_LAYER_TYPES:
                raise self._incomplete(repository, document, blob.digest)
            if found not in {None, blob.size}:
                raise self._wrong_size(repository, blob.digest, blob.size, found)
        for child in document.children:
            digest = child.descriptor.digest
            # An index may also point at plain blobs, as BuildKit's caches do.
            if not (self.storage.find_manifest(repository, digest) or self.storage.blob_size(repository, digest)):
                raise self._incomplete(repository, document, digest)

    def _incomplete(self, repository: str, document: Document, missing: Digest) -> RegistryError:
        return RegistryError(
            "AB-STORE-INCOMPLETE",
            f"{self.name} refuses the manifest {document.descriptor.digest}: {repository} does not hold {missing}",
            hint="push what a manifest names before the manifest",
        )

    def _wrong_size(self, repository: str, digest: Digest, size: int, found: int | None) -> RegistryError:
        return RegistryError(
            "AB-STORE-SIZE",
            f"{self.name} holds {found} bytes of {digest} in {repository}, not the {size} that were expected",
            hint="one of the two is damaged: push the blob again from a source that can be trusted",
        )


class DirectoryBlob:
    """A blob of a directory, read once from front to back."""

    def __init__(self, root: Path, digest: Digest, file: FileIO) -> None:
        self._root = root
        self._digest = digest
        self._file = file

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the front of `buffer`; the number of bytes, 0 at the end."""
        with durable.host_errors(self._root, f"read the blob {self._digest}"):
            return self._file.readinto(buffer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._file.close()


def _attachment(document: Document, digest: Digest) -> Attachment | None:
    """What a list of referrers says of a manifest (distribution specification, "Listing Referrers")."""
    if document.subject is None:
        return None
    descriptor: dict[str, Any] = {
        "mediaType": document.descriptor.media_type,
        "digest": str(digest),
        "size": len(document.raw),
    }
    artifact_type = document.artifact_type or (document.config.media_type if document.config else "")
    if artifact_type:
        descriptor["artifactType"] = artifact_type
    annotations = document.value.get("annotations")
    if annotations is not None:
        if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
            raise RegistryError(
                "AB-STORE-MANIFEST",
                f"a manifest with the digest {digest} is attached to another and its annotations are no map of strings",
                hint="ask whoever made the manifest for one that follows the image specification",
            )
        descriptor["annotations"] = annotations
    return Attachment(subject=document.subject.digest, descriptor=descriptor)
