"""What the rest of the package asks of a registry, however it is reached.

The HTTP client and the directory store both fulfil `Registry`; one contract suite runs over both. OCI distribution
specification 1.1. Everything that a registry answers is unverified until its digest has been compared, which every
method below does before it returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from airgap_bundle.core.content import Descriptor, Digest, Source
    from airgap_bundle.core.oci import Document


class BlobStream(Protocol):
    """The bytes of one blob, read once from front to back; a context manager and a `Source`.

    What it yields is as long as was promised, but unverified: whoever reads compares the digest (`copy_verified`).
    """

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the front of `buffer`; the number of bytes, 0 at the end. Resumes by itself; raises `RegistryError`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class ReadableRegistry(Protocol):
    """What can be asked for content: a registry, or what stands in for one. Safe to use from many threads at once.

    Every method raises `RegistryError` when it cannot tell: "could not ask" never looks like "not there".
    """

    @property
    def name(self) -> str:
        """What messages call it: `registry.internal:5000` or `dir:/srv/registry`."""
        ...

    def head_manifest(self, repository: str, reference: Digest | str) -> Descriptor | None:
        """Type, digest and size behind a tag or digest; `None` only if the registry says that there is none (404)."""
        ...

    def get_manifest(self, repository: str, reference: Digest | str) -> Document | None:
        """The exact bytes behind a tag or digest, their digest checked; `None` only for a 404."""
        ...

    def list_referrers(self, repository: str, digest: Digest) -> tuple[Descriptor, ...]:
        """What is attached to `digest`, by the API or else the fallback tag; empty only if the registry says so."""
        ...

    def open_blob(self, repository: str, digest: Digest, size: int, *, start: int = 0) -> BlobStream:
        """The bytes of a blob of `size` bytes, from `start` on; the connection may be remade under way."""
        ...


@runtime_checkable
class Registry(ReadableRegistry, Protocol):
    """One registry, to be read and written."""

    def ping(self) -> None:
        """Return if it can be reached and speaks version 2 of the protocol."""
        ...

    def put_manifest(self, repository: str, reference: Digest | str, document: Document) -> None:
        """Store the exact bytes under a tag or their digest, and attach them to their subject if they have one.

        Attached means that `list_referrers` of the subject finds them: through the registry's own referrers API, or
        through the fallback tag, merged with what was there.
        """
        ...

    def delete_tag(self, repository: str, tag: str) -> bool:
        """Remove the name `tag`, never what it names; `False` if the registry cannot do that or it was not there."""
        ...

    def list_tags(self, repository: str) -> tuple[str, ...]:
        """Every tag, in the registry's order; empty for an unknown repository."""
        ...

    def has_blob(self, repository: str, digest: Digest, size: int) -> bool:
        """Whether the repository holds the blob; one of another size is an error."""
        ...

    def mount_blob(self, repository: str, digest: Digest, source_repository: str) -> bool:
        """Take the blob over from another repository of the same registry; `False` if it has to be uploaded."""
        ...

    def prepare_push(self, repository: str, digest: Digest, *, total_bytes: int) -> None:
        """Return if this blob may be pushed there, as far as can be told without sending any of it.

        `total_bytes` is what will be sent altogether, for a registry that knows how much room it has.
        """
        ...

    def cancel_push(self, repository: str, digest: Digest) -> None:
        """Let go of what `prepare_push` began and nothing has used; never an error, as registries tidy up too."""
        ...

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
        """Upload a blob; the registry is never given the last piece of wrong bytes.

        `open_source` is called again when the upload has to start anew; `moved` then hears a negative number.
        `ContentMismatchError` of the source passes through: the caller knows which side it is.
        """
        ...

    def close(self) -> None:
        """Let go of every connection; the object is of no use afterwards."""
        ...


class UploadMemory(Protocol):
    """Remembers unfinished uploads beyond the end of the process. What it forgets only has to be sent again."""

    def recall(self, name: str) -> str | None:
        """What was kept under this name."""
        ...

    def keep(self, name: str, target: str) -> None:
        """Keep it until it is forgotten."""
        ...

    def forget(self, name: str) -> None:
        """The upload is over."""
        ...
